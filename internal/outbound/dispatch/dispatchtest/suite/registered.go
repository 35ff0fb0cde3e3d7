package suite

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// aWishForRegisteredPostIsKept: it is read by each step and seen in each view,
// and no letter has it that did not ask.
func aWishForRegisteredPostIsKept(t *testing.T, b *bench) {
	for _, wish := range []bool{true, false} {
		a := accepted(post.NewID(), post.NewID(), post.NewReference())
		a.Registered = wish
		_, fresh, err := b.s.AcceptLetter(t.Context(), a)
		b.must(err)
		if !fresh {
			t.Fatal("a new key was known")
		}
		l := b.lease(a.ID, time.Hour)
		b.move(l, post.LetterReady)
		if r := b.read(l); r.Registered != wish {
			t.Errorf("asked %t, the step reads %t", wish, r.Registered)
		}
		v, err := b.s.LetterView(t.Context(), tenant, a.ID)
		b.must(err)
		if v.Registered != wish {
			t.Errorf("asked %t, the view says %t", wish, v.Registered)
		}
	}
}
