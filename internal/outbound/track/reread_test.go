package track_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// again is receipts that are to be read again, in the order in which they came.
type again struct {
	all []track.Receipt
	put map[string]string // by event: why it is parked once more, "" when it waits
}

func (a *again) UnreadReceipts(_ context.Context, skip, n int) (some []track.Receipt, err error) {
	for _, r := range a.all {
		if _, done := a.put[r.EventID]; done {
			continue
		}
		if skip--; skip < 0 && len(some) < n {
			some = append(some, r)
		}
	}
	return some, nil
}

func (a *again) PutReread(_ context.Context, r track.Receipt, reason string) error {
	a.put[r.EventID] = reason
	return nil
}

// someday reads what it is told it can.
type someday struct{ tries map[string]int }

func (someday) Carrier() string { return "digitalpost" }

func (s someday) Reread(_ context.Context, old track.Receipt) (track.Receipt, error) {
	s.tries[old.EventID]++
	if bytes.Equal(old.Raw, []byte("ours")) {
		return old, errors.New("no schema is there")
	}
	return track.Receipt{Kind: track.Delivered, MessageID: string(old.Raw), Raw: []byte("changed"), EventID: "another"}, nil
}

// TestReceiptsThatFailForAFaultOfOursKeepNoOtherFromBeingReadAgain has more of them
// than are read at once, before and between those that can be read.
func TestReceiptsThatFailForAFaultOfOursKeepNoOtherFromBeingReadAgain(t *testing.T) {
	store, reader := &again{put: map[string]string{}}, someday{map[string]int{}}
	for i := range 90 {
		raw := []byte("ours")
		if i >= 50 && i%2 == 0 {
			raw = []byte(post.NewID())
		}
		store.all = append(store.all, track.Receipt{Carrier: "digitalpost", EventID: fmt.Sprint("engdal:", i), Kind: track.Unreadable, Raw: raw})
	}
	r := &track.Rereader{Unread: store, Readers: []track.Reader{reader}, Log: slog.New(slog.DiscardHandler),
		Open: func(_ context.Context, sealed []byte) ([]byte, error) { return sealed, nil }}
	if err := r.Step(t.Context()); err == nil {
		t.Error("nobody is told of the faults")
	}
	if len(store.put) != 20 {
		t.Errorf("%d were read, want 20", len(store.put))
	}
	for event, reason := range store.put {
		if reason != "" {
			t.Errorf("%s is parked: %s", event, reason)
		}
	}
	for event, tries := range reader.tries {
		if tries != 1 {
			t.Errorf("%s was tried %d times", event, tries)
		}
	}
}
