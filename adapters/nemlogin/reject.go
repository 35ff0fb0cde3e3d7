package nemlogin

import (
	"sikkerpost.dk/gateway/internal/post"
)

// Rejected says why an answer was not trusted: a private reason code for the log
// and the audit trail, and the public fault. It holds nothing of the message.
// The reason codes are listed in docs/saml.md.
type Rejected struct {
	Reason string
	Fault  *post.Fault
}

// Error implements error.
func (r *Rejected) Error() string { return "login rejected: " + r.Reason }

// Unwrap lets errors.Is find the fault.
func (r *Rejected) Unwrap() error { return r.Fault }

func reject(reason string) error { return &Rejected{reason, post.FaultLoginRefused} }

// off names checks that do not stand, by their reason. It is nil in every
// program: only a test sets it, to prove that an attack gets in when one check
// is missing, and so that the check is needed.
var off func(reason string) bool

// on reports whether the check of a reason stands.
func on(reason string) bool { return off == nil || !off(reason) }

// fails is the first rejection of a list of checks, or nil.
func fails(checks ...check) error {
	for _, c := range checks {
		if !c.ok && on(c.reason) {
			return reject(c.reason)
		}
	}
	return nil
}

type check struct {
	ok     bool
	reason string
}
