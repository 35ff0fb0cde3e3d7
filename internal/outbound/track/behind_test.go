package track_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

// poison makes the settlements fail that move a letter and are of events that begin
// with "bad".
func poison(i *inbox) {
	i.before = func(group []track.Settlement) error {
		if slices.ContainsFunc(group, func(s track.Settlement) bool {
			return strings.HasPrefix(s.Receipt.EventID, "bad") && len(s.Path) > 0
		}) {
			return errors.New("broken")
		}
		return nil
	}
}

func spoiled(i *inbox, first, n int) (rs []track.Receipt) {
	for k := range n {
		rs = append(rs, track.Receipt{EventID: fmt.Sprint("bad ", first+k), MessageID: i.letter(first + k), Kind: track.Delivered,
			At: time.Unix(int64(k), 0), Raw: []byte("raw")})
	}
	return rs
}

func TestReceiptsThatCannotBeSettledDoNotStandInTheWayAndAreParkedAtLast(t *testing.T) {
	const bad = 250 // more than two groups, all before the others
	i := newInbox()
	poison(i)
	rs := append(spoiled(i, 1000, bad), receipts(i, 30)...)
	s := &source{name: "carrier", page: 1000, waiting: rs}
	m := matcher(t, i, s)
	now := time.Now()
	m.Now = func() time.Time { return now }
	turns := 0
	for ; i.verdicts["event 29"] != track.Applied; turns++ {
		if turns > bad {
			t.Fatal("the others were never settled")
		}
		if err := m.Step(t.Context()); err == nil {
			t.Fatal("a turn in which receipts failed says nothing")
		}
		now = now.Add(time.Second)
	}
	parked := func() (n int) {
		for _, v := range i.verdicts {
			if v == track.Parked {
				n++
			}
		}
		return n
	}
	if parked() > 0 {
		t.Errorf("%d parked before the others were settled", parked())
	}
	for turn := range 5000 {
		if parked() == bad {
			break
		}
		s.waiting = append(s.waiting, track.Receipt{EventID: fmt.Sprint("later ", turn), MessageID: i.letter(5000 + turn), Kind: track.Delivered, At: now})
		_ = m.Step(t.Context())
		if i.verdicts[fmt.Sprint("later ", turn)] != track.Applied {
			t.Fatalf("turn %d: one that came later waits", turn)
		}
		now = now.Add(time.Minute)
	}
	if parked() != bad {
		t.Errorf("%d of %d parked", parked(), bad)
	}
	if err := m.Step(t.Context()); err != nil {
		t.Errorf("at last: %v", err)
	}
}

func TestAFaultThatAllReceiptsShareParksNone(t *testing.T) {
	i := newInbox()
	i.before = func(group []track.Settlement) error {
		if slices.ContainsFunc(group, func(s track.Settlement) bool { return len(s.Path) > 0 }) {
			return errors.New("disk full")
		}
		return nil
	}
	s := &source{name: "carrier", page: 1000, waiting: receipts(i, 40)}
	m := matcher(t, i, s)
	now := time.Now()
	m.Now = func() time.Time { return now }
	for range 200 {
		if err := m.Step(t.Context()); err == nil {
			t.Fatal("no error")
		}
		now = now.Add(time.Hour)
	}
	i.before = nil
	for range 100 {
		_ = m.Step(t.Context())
		now = now.Add(time.Hour)
	}
	for id, v := range i.verdicts {
		if v != track.Applied {
			t.Errorf("%s is %s", id, v)
		}
	}
}
