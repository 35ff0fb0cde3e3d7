package suite

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

func aLetterTakesTheTimeThatIsBelieved(t *testing.T, b *bench) {
	_, r := b.handingOver(post.Digital)
	in := aReceipt(r, "e1", track.Delivered)
	in.At = in.At.AddDate(1, 0, 0)
	b.keep(in)
	st := b.standing(in)
	if !st.Begun.Equal(intentTime) {
		t.Errorf("the hand-over was begun at %s", st.Begun)
	}
	believed := intentTime.Add(time.Minute)
	b.settle(track.Settlement{Receipt: in, Standing: st, Verdict: track.Applied, At: believed, Odd: true,
		Path: []post.LetterState{post.LetterHandedOver, post.LetterDelivered}})
	if v := b.view(r.ID); !v.AvailableAt.Equal(believed) {
		t.Errorf("available at %s", v.AvailableAt)
	}
	p, err := b.s.LetterProof(t.Context(), "", r.ID)
	b.must(err)
	if len(p.Receipts) != 1 || !p.Receipts[0].At.Equal(in.At) {
		t.Errorf("the receipt keeps what was said: %+v", p.Receipts)
	}
}
