package portalweb

// Routes returns each pattern that s serves, and whether somebody must be logged in for it.
func (s *Site) Routes() map[string]bool {
	all := map[string]bool{}
	for _, r := range s.table {
		all[r.pattern] = r.mine
	}
	return all
}
