package suite

import (
	"fmt"
	"slices"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

func aGroupLeavesTheStale(t *testing.T, b *bench) {
	var group []track.Settlement
	for i := range 7 {
		_, r := b.handingOver(post.Digital)
		in := aReceipt(r, fmt.Sprint("e", i), track.Delivered)
		b.keep(in)
		group = append(group, track.Settlement{Receipt: in, Standing: b.standing(in), Verdict: track.Applied,
			Path: []post.LetterState{post.LetterHandedOver, post.LetterDelivered}})
	}
	group[1].Standing.Version++                         // it moved meanwhile
	group[3].Standing.State = post.LetterOutcomeUnknown // another state, the same version
	stray := track.Receipt{Carrier: "carrier", EventID: "stray", MessageID: post.NewID(), Kind: track.Delivered, At: past()}
	b.keep(stray)
	second := group[5] // of the letter that group[5] moves
	second.Receipt.EventID, second.Receipt.Tracking = "second", "0037"
	b.keep(second.Receipt)
	group = append(group, track.Settlement{Receipt: stray, Verdict: track.Parked, Reason: "unknown-hand-over"}, second, group[0])
	stale, err := b.s.SettleReceipts(t.Context(), group)
	b.must(err)
	var events []string
	for _, s := range stale {
		events = append(events, s.Receipt.EventID)
	}
	if slices.Sort(events); !slices.Equal(events, []string{"e1", "e3", "second"}) {
		t.Fatalf("stale: %s", events)
	}
	for i, s := range group[:7] {
		want := post.LetterDelivered
		if i == 1 || i == 3 {
			want = post.LetterHandingOver
		}
		v := b.view(s.Standing.Letter)
		if v.State != want || v.Tracking != "" || v.AvailableAt.Equal(s.Receipt.At) != (want == post.LetterDelivered) {
			t.Errorf("letter %d: %+v", i, v)
		}
		if n := len(v.Events); want == post.LetterDelivered && (v.Events[n-1].Kind != "letter.delivered" || v.Events[n-2].Kind != "letter.handed-over") {
			t.Errorf("letter %d: entries %+v", i, v.Events)
		}
	}
	left := b.waiting()
	if len(left) != 3 {
		t.Fatalf("waiting: %+v", left)
	}
	for _, r := range left { // each decided anew, by itself
		in := track.Settlement{Receipt: r, Standing: b.standing(r), Verdict: track.Noted}
		if in.Standing.State == post.LetterHandingOver {
			in.Verdict, in.Path = track.Applied, []post.LetterState{post.LetterHandedOver, post.LetterDelivered}
		}
		b.settle(in)
	}
	for i := range group {
		group[i].Path, group[i].Verdict = nil, track.Parked
	}
	b.settle(group...) // all are settled already: nothing changes
	if left := b.waiting(); len(left) != 0 {
		t.Fatalf("waiting at last: %+v", left)
	}
}

func aGroupIsKept(t *testing.T, b *bench) {
	var rs []track.Receipt
	for i := range 257 {
		rs = append(rs, track.Receipt{Carrier: "carrier", EventID: fmt.Sprintf("e%03d", i/2*2), MessageID: post.NewID(), Kind: track.Delivered, At: past()})
	}
	b.keep(rs...)
	b.keep(rs[:3]...)
	b.keep()
	got, err := b.s.WaitingReceipts(t.Context(), 1000)
	b.must(err)
	if len(got) != 129 { // every second one repeats the one before
		t.Fatalf("%d wait", len(got))
	}
	var group []track.Settlement
	for _, r := range got {
		group = append(group, track.Settlement{Receipt: r, Verdict: track.Parked, Reason: "unknown-hand-over"})
	}
	b.settle(group...)
	b.settle()
	if left := b.waiting(); len(left) != 0 {
		t.Fatalf("%d wait at last", len(left))
	}
}
