package track_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// fullInbox keeps nothing.
type fullInbox struct{ *inbox }

var errFull = errors.New("disk full")

func (fullInbox) KeepReceipts(context.Context, []track.Receipt) error { return errFull }

// TestWhatCouldNotBeKeptStaysAtItsCarrier: it is nowhere else.
func TestWhatCouldNotBeKeptStaysAtItsCarrier(t *testing.T) {
	for name, spoil := range map[string]func(*track.Matcher, *inbox){
		"the store is full": func(m *track.Matcher, i *inbox) { m.Inbox = fullInbox{i} },
		"it could not be sealed": func(m *track.Matcher, _ *inbox) {
			m.Seal = func(context.Context, []byte) ([]byte, error) { return nil, errFull }
		},
	} {
		i := newInbox()
		s := &source{name: "carrier", page: 100, waiting: receipts(i, 5)}
		m := matcher(t, i, s)
		spoil(m, i)
		if err := m.Step(t.Context()); !errors.Is(err, errFull) || len(s.waiting) != 5 || len(i.receipts) != 0 {
			t.Errorf("%s: %d of 5 left at the carrier, %d kept, %v", name, len(s.waiting), len(i.receipts), err)
		}
	}
}

// TestAReceiptWaitsForAnEarlierOneOfItsHandOver: as long as that cannot be settled; the
// letter goes the way in which things happened. Its step is due when it is refused.
func TestAReceiptWaitsForAnEarlierOneOfItsHandOver(t *testing.T) {
	i := newInbox()
	poison(i)
	rs := append(spoiled(i, 0, 1), receipts(i, 3)[1:]...)
	no, refused := rs[0], rs[1]
	no.EventID, no.Kind, no.At = "no", track.RefusedRecipient, no.At.Add(time.Second)
	refused.Kind = track.RefusedRecipient
	rs[1] = refused
	s := &source{name: "carrier", page: 100, waiting: append(rs, no)}
	m := matcher(t, i, s)
	var moved []post.LetterID
	m.Moved = func(_ context.Context, id post.LetterID) { moved = append(moved, id) }
	now := time.Now()
	m.Now = func() time.Time { return now }
	for range 3 {
		_ = m.Step(t.Context())
		if i.verdicts["no"] != track.Waiting || i.letters[no.MessageID].State != post.LetterHandedOver || i.verdicts["event 2"] != track.Applied {
			t.Fatalf("verdicts %v, letter %s", i.verdicts, i.letters[no.MessageID].State)
		}
		now = now.Add(time.Millisecond)
	}
	if !slices.Equal(moved, []post.LetterID{i.letters[refused.MessageID].Letter}) {
		t.Errorf("due are %v, want the one that was refused", moved)
	}
	i.before = nil
	now = now.Add(time.Hour)
	if err := m.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i.letters[no.MessageID].State != post.LetterDelivered || i.verdicts["no"] != track.Parked {
		t.Errorf("verdicts %v, letter %s", i.verdicts, i.letters[no.MessageID].State)
	}
}
