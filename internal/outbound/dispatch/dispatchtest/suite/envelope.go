package suite

import (
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// anEnvelopeIsFound: by each code that may stand on it, in its own municipality, and
// only when it was begun on paper.
func anEnvelopeIsFound(t *testing.T, b *bench) {
	_, digital := b.handingOver(post.Digital)
	_, r := b.handingOver(post.Physical)
	number := aReceipt(r, "posted", track.Posted)
	number.Tracking = "dao:NUMBER1"
	b.keep(number)
	st := b.standing(number)
	b.settle(track.Settlement{Receipt: number, Standing: st, Verdict: track.Applied, Path: []post.LetterState{post.LetterHandedOver, post.LetterPosted}})
	id := post.DerivedID(r.ID, post.Physical, 1)
	for _, tt := range []struct {
		name  string
		of    post.TenantID
		code  track.Code
		found bool
	}{
		{"its reference", "", track.Code{Reference: r.Reference}, true},
		{"its reference, of its municipality", tenant, track.Code{Reference: r.Reference}, true},
		{"its reference, of another municipality", "another", track.Code{Reference: r.Reference}, false},
		{"its reference and generation", "", track.Code{Reference: r.Reference, Generation: 1}, true},
		{"a generation that was never printed", "", track.Code{Reference: r.Reference, Generation: 2}, false},
		{"its job", "", track.Code{MessageID: id}, true},
		{"its tracking number", "", track.Code{Tracking: "NUMBER1"}, true},
		{"part of its tracking number", "", track.Code{Tracking: "NUMBER"}, false},
		{"a letter that is not on paper", "", track.Code{Reference: digital.Reference}, false},
		{"nothing that is known", "", track.Code{Reference: "SP-0000-0000"}, false},
	} {
		all, err := b.s.FindEnvelopes(t.Context(), tt.of, tt.code)
		want := track.Envelope{MessageID: id, Letter: r.ID, Reference: r.Reference, Generation: 1}
		if err != nil || len(all) > 1 || (len(all) == 1) != tt.found || tt.found && all[0] != want {
			t.Errorf("%s: %+v, %v", tt.name, all, err)
		}
	}
}
