package queue_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/queue"
)

// asked says what was asked of it, and that nothing is due.
type asked map[queue.Kind]time.Duration

func (asked) Backlog(context.Context, queue.Kind, int) (int, error) { return 0, nil }

func (a asked) Due(_ context.Context, kind queue.Kind, _ int, quiet time.Duration) ([]queue.Ring, error) {
	a[kind] = quiet
	return nil, nil
}

// TestASweepLooksAtEachKindAndAtWhatTheLastOneRangFor: what is quiet for as long as a
// sweep would be left out by the next one, which is to find out that nobody came.
func TestASweepLooksAtEachKindAndAtWhatTheLastOneRangFor(t *testing.T) {
	all := asked{}
	s, err := queue.NewSweeper(queue.SweeperConfig{Jobs: all, Doorbell: doorbell(func(queue.Ring) error { return nil }),
		Run: func(context.Context, queue.Ring) error { return nil }, Every: time.Minute, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []queue.Kind{queue.AdvanceLetter, queue.ForwardInquiry} {
		if quiet, ok := all[kind]; !ok || quiet >= time.Minute || quiet <= time.Minute/2 {
			t.Errorf("%s: asked %v, quiet for %s", kind, ok, quiet)
		}
	}
}
