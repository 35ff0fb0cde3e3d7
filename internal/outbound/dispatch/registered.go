package dispatch

import "sikkerpost.dk/gateway/internal/post"

// codeUndeclared says that a letter asks for registered post, and that whoever
// carries its tenant's letters on paper does not offer that any more.
const codeUndeclared = "registered-undeclared"

// undeclared reports whether r may not be printed as it asks to be. It is looked
// at again before the intent, for the declaration may have gone since the letter
// was taken in; an ordinary letter in its place is not what was asked for.
func (a *Advancer) undeclared(r Record) bool {
	return r.Registered && r.Channel == post.Physical && !a.tenants[r.Tenant].Registered
}
