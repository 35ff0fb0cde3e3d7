package suite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// jammed refuses to move letters by receipts whose event begins with "bad".
type jammed struct{ track.Inbox }

func (j jammed) SettleReceipts(ctx context.Context, all []track.Settlement) ([]track.Settlement, error) {
	if slices.ContainsFunc(all, func(s track.Settlement) bool { return strings.HasPrefix(s.Receipt.EventID, "bad") && len(s.Path) > 0 }) {
		return nil, errors.New("jammed")
	}
	return j.Inbox.SettleReceipts(ctx, all)
}

// theUnsettledStandInNobodysWay has more than a group of receipts that cannot be
// settled, all older than those that can.
func theUnsettledStandInNobodysWay(t *testing.T, b *bench) {
	_, broken := b.handingOver(post.Digital)
	const bad = 103
	for i := range bad {
		r := aReceipt(broken, fmt.Sprintf("bad %03d", i), track.Delivered)
		r.At = r.At.Add(time.Duration(i-200) * time.Second)
		b.keep(r)
	}
	var good []post.LetterID
	more := func() {
		_, r := b.handingOver(post.Digital)
		b.keep(aReceipt(r, fmt.Sprintf("good %03d", len(good)), track.Delivered))
		good = append(good, r.ID)
	}
	more()
	now := time.Now()
	m, err := track.New(track.Config{Inbox: jammed{b.s}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Seal: func(_ context.Context, raw []byte) ([]byte, error) { return raw, nil }})
	b.must(err)
	if err := m.Step(t.Context()); err == nil {
		t.Fatal("a turn in which receipts failed says nothing")
	}
	_ = m.Step(t.Context()) // what was behind a group
	if v := b.view(good[0]); v.State != post.LetterDelivered {
		t.Fatalf("the letter behind them is %s", v.State)
	}
	for range 8 { // others are settled meanwhile, so it is not the store
		now = now.Add(time.Hour)
		more()
		_ = m.Step(t.Context())
	}
	left := b.waiting()
	if slices.ContainsFunc(left, func(r track.Receipt) bool { return r.EventID == "bad 000" || strings.HasPrefix(r.EventID, "good") }) {
		t.Errorf("%d wait, with the first of them or a good one", len(left))
	}
	if v := b.view(broken.ID); v.State != post.LetterHandingOver {
		t.Errorf("their letter is %s", v.State)
	}
}
