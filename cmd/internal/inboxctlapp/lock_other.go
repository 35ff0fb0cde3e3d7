//go:build !unix

package inboxctlapp

// lock does nothing where there is no advisory lock: two commands at the same
// moment may then forget a lease, which costs five minutes.
func lock(string) (unlock func(), err error) { return func() {}, nil }
