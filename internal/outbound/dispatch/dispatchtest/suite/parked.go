package suite

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

func (b *bench) parked(p track.ParkedPage) string {
	b.Helper()
	all, err := b.s.ListParkedReceipts(b.Context(), p)
	b.must(err)
	ids := make([]string, len(all))
	for i, k := range all {
		ids[i] = k.ID.Event
	}
	return strings.Join(ids, " ")
}

func (b *bench) find(event string) track.Kept {
	b.Helper()
	k, err := b.s.FindReceipt(b.Context(), track.ReceiptID{Carrier: "carrier", Event: event})
	b.must(err)
	return k
}

// parkedReceiptsAreDealtWithOnce: what is parked is listed as it came, page by page;
// a decision about it is taken once, and one that is tried again waits as if it had
// just come.
func parkedReceiptsAreDealtWithOnce(t *testing.T, b *bench) {
	_, r := b.handingOver(post.Digital)
	for i, reason := range []string{"contradicts delivered", "unknown-hand-over", "contradicts delivered", ""} {
		one := aReceipt(r, fmt.Sprint("e", i), track.RefusedRecipient)
		b.keep(one)
		s := track.Settlement{Receipt: one, Verdict: track.Parked, Reason: reason, Standing: b.standing(one)}
		if reason == "unknown-hand-over" {
			s.Standing = track.Standing{}
		}
		if reason == "" {
			s.Verdict = track.Noted
		}
		b.settle(s)
	}
	page := func(p track.ParkedPage, want string) {
		t.Helper()
		if got := b.parked(p); got != want {
			t.Errorf("%+v lists %q, want %q", p, got, want)
		}
	}
	id := func(event string) track.ReceiptID { return track.ReceiptID{Carrier: "carrier", Event: event} }
	second := id("e1")
	page(track.ParkedPage{Limit: 10}, "e0 e1 e2")
	page(track.ParkedPage{Limit: 2}, "e0 e1")
	page(track.ParkedPage{Limit: 2, After: &second}, "e2")
	page(track.ParkedPage{Limit: 10, Word: "contradicts-delivered"}, "e0 e2")
	page(track.ParkedPage{Limit: 10, Tenant: tenant}, "e0 e2")
	page(track.ParkedPage{Limit: 10, Tenant: "another"}, "")
	none := id("none")
	if _, err := b.s.ListParkedReceipts(t.Context(), track.ParkedPage{Limit: 1, After: &none}); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("behind nothing: %v", err)
	}
	if _, err := b.s.FindReceipt(t.Context(), none); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("nothing is found: %v", err)
	}
	if k := b.find("e0"); k.Letter != r.ID || k.State != post.LetterHandingOver || k.Tenant != tenant || k.Verdict != track.Parked || k.Size != 3 {
		t.Errorf("found %+v", k)
	}
	events := len(b.view(r.ID).Events)
	decide := func(want int, all ...track.HandSettled) {
		t.Helper()
		for i := range all {
			all[i].Event = ledger.New("receipt.decided", tenant, string(r.ID))
		}
		if n, err := b.s.SettleParked(t.Context(), all); err != nil || n != want {
			t.Errorf("%d were settled, want %d: %v", n, want, err)
		}
	}
	decide(2, track.HandSettled{ID: id("e0"), Verdict: track.Waiting}, track.HandSettled{ID: id("e2"), Verdict: track.Closed},
		track.HandSettled{ID: id("e3"), Verdict: track.Waiting}, track.HandSettled{ID: none, Verdict: track.Waiting})
	decide(0, track.HandSettled{ID: id("e0"), Verdict: track.Closed}, track.HandSettled{ID: id("e2"), Verdict: track.Waiting})
	page(track.ParkedPage{Limit: 10}, "e1")
	if rs := b.waiting(); len(rs) != 1 || rs[0].EventID != "e0" {
		t.Errorf("waiting: %+v", rs)
	}
	if k := b.find("e0"); k.Verdict != track.Waiting || k.Reason != "" || k.Letter != "" {
		t.Errorf("one that is tried again is %+v", k)
	}
	if k := b.find("e2"); k.Verdict != track.Closed || k.Reason != "contradicts delivered" || k.Letter != r.ID {
		t.Errorf("one that is closed is %+v", k)
	}
	if n := len(b.view(r.ID).Events) - events; n != 2 {
		t.Errorf("%d entries for two decisions", n)
	}
}
