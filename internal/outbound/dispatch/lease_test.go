package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// extender answers each extension of a lease.
type extender struct {
	asked  atomic.Int64
	answer func(n int64) error
}

func (e *extender) ExtendLease(context.Context, queue.Lease, time.Duration) error {
	return e.answer(e.asked.Add(1))
}

// Whoever has lost a lease, or cannot know that it still has it, begins nothing
// more; whoever has it goes on longer than it first was.
func TestWorkEndsWithTheRightToIt(t *testing.T) {
	broken := errors.New("no database")
	for _, c := range []struct {
		name   string
		answer func(n int64) error
		ends   bool
	}{
		{"taken over", func(int64) error { return post.ErrStale }, true},
		{"taken over later", func(n int64) error { return map[bool]error{true: post.ErrStale}[n > 3] }, true},
		{"nobody answers", func(int64) error { return broken }, true},
		{"one answer is lost", func(n int64) error { return map[bool]error{true: broken}[n == 2] }, false},
		{"kept", func(int64) error { return nil }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &Advancer{Config: Config{Leases: &extender{answer: c.answer}, LeaseTime: shortLease, Log: slog.New(slog.DiscardHandler)}}
				work, end := a.hold(t.Context(), queue.Lease{ID: "a"})
				defer end()
				time.Sleep(5 * shortLease)
				synctest.Wait()
				if ended := work.Err() != nil; ended != c.ends {
					t.Errorf("ended: %t", ended)
				}
			})
		})
	}
}

// A letter to a contact point is never printed, whatever its carrier says; any other
// goes on paper once it was definitely refused.
func TestALetterToAContactPointIsNeverPrinted(t *testing.T) {
	for only, want := range map[bool]post.LetterState{true: post.LetterNeedsPerson, false: post.LetterRouted} {
		s, a, _ := handingOver(post.Digital, false)
		s.is.State, s.is.DigitalOnly, s.is.Code = post.LetterRefused, only, "x"
		r := s.is
		r.run = &run{memory: &a.memory}
		if _, err := a.refused(t.Context(), queue.Lease{ID: "a"}, r); err != nil {
			t.Fatal(err)
		}
		if h := r.run.ahead; h != nil { // in memory, before the intent
			if h.record.State != want || h.record.Channel != post.Physical || h.record.Intent != nil {
				t.Errorf("digital only %t: %+v", only, h.record)
			}
			continue
		}
		if len(s.moves) != 1 || s.moves[0].To != want || s.moves[0].Channel != post.Digital {
			t.Errorf("digital only %t: %+v", only, s.moves)
		}
	}
}
