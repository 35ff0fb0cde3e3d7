package postctlapp

// pages asks page after page, of at most most items each, until there is none left or
// limit items are there (0: all). next is where the rest begins, "" when there is none.
func pages[T any](limit, most int, ask func(after string, limit int) (items []T, next string, err error)) (all []T, next string, err error) {
	all = []T{} // an empty list in JSON, not null
	for {
		n := most
		if limit > 0 {
			n = min(n, limit-len(all))
		}
		items, after, err := ask(next, n)
		if err != nil {
			return nil, "", err
		}
		all, next = append(all, items...), after
		if next == "" || limit > 0 && len(all) >= limit {
			return all, next, nil
		}
	}
}
