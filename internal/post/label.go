package post

// Label returns what the pages of the person who acts call p: its name or, of a
// grantor whom no register has named, the number, of a CPR number the date
// alone. It is for the person's own page and nowhere else.
func (p Party) Label() string {
	switch {
	case p.Name() != "":
		return p.Name()
	case !p.CPR.IsZero():
		return p.CPR.Reveal()[:6] + "-••••"
	}
	return "CVR " + string(p.CVR)
}
