package dispatch

import (
	"context"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// aware is a store of one letter that knows what is halted.
type aware struct {
	*oneLetter
	halted func(Halt) bool
	lifted int // waits that were refused
}

func (s *aware) WaitLetter(ctx context.Context, l queue.Lease, w Wait) error {
	if w.While != (Halt{}) && !s.halted(w.While) {
		s.lifted++
		return ErrNotHalted
	}
	if w.Version == 0 { // a run's last word, about its job alone
		s.waits = append(s.waits, w)
		return nil
	}
	return s.oneLetter.WaitLetter(ctx, l, w)
}

// TestALetterGoesOnWhenItsHaltIsLiftedWhileItIsBeingPutOff: whoever lifted it has
// woken what waited before. The letter is read anew, and so are the pauses.
func TestALetterGoesOnWhenItsHaltIsLiftedWhileItIsBeingPutOff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		from  post.LetterState
		is    func(*Record)
		lift  func(*oneLetter, *bool)
		while Halt
	}{
		{"a channel", post.LetterSigned, func(*Record) {}, func(_ *oneLetter, paused *bool) { *paused = false }, Halt{Tenant: "t", Channel: post.Digital}},
		{"every channel", post.LetterAwaitingLookup, func(r *Record) { r.DigitalOnly = false }, func(s *oneLetter, paused *bool) { *paused, s.is.DigitalOnly = false, true }, Halt{Tenant: "t"}},
		{"its batch", post.LetterReady, func(r *Record) { r.Released, r.Batch = false, "b" }, func(s *oneLetter, paused *bool) { s.is.State, s.is.Released, *paused = post.LetterSigned, true, false }, Halt{Batch: "b"}},
	} {
		one, a := aheadOf(t, tt.from)
		tt.is(&one.is)
		paused, asked := true, 0
		a.Gate.Paused = func(context.Context) ([]letter.Pause, error) {
			if asked++; paused {
				return []letter.Pause{{}}, nil
			}
			return nil, nil
		}
		s := &aware{oneLetter: one}
		s.halted = func(h Halt) bool { // lifted between the look at it and the commit
			if h != tt.while {
				t.Errorf("%s: waits for the end of %+v, want %+v", tt.name, h, tt.while)
			}
			tt.lift(one, &paused)
			return false
		}
		a.Store = s
		if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
			t.Fatal(err)
		}
		// There is no carrier behind the gate that lets it through: what it comes to is a failed step.
		if s.lifted != 1 || one.reads != 2 || asked == 0 || len(one.waits) != 1 || one.waits[0].Code != "step-failed" || one.waits[0].While != (Halt{}) {
			t.Errorf("%s: refused %d times, read %d times, pauses asked for %d times, waits %+v", tt.name, s.lifted, one.reads, asked, one.waits)
		}
	}
}

// TestALetterThatIsHaltedWaitsForThat: and says for what, so that the store can look.
func TestALetterThatIsHaltedWaitsForThat(t *testing.T) {
	s, a := aheadOf(t, post.LetterSigned)
	if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if len(s.waits) != 1 || s.waits[0].While != (Halt{Tenant: "t", Channel: post.Digital}) || s.waits[0].Code != codePaused {
		t.Errorf("%+v", s.waits)
	}
	// What only time ends is no halt: a carrier's rest, a rate, pauses that nobody could read.
	for _, code := range []string{codeResting, codeRate, codeUnread} {
		if err := a.keepBack(t.Context(), queue.Lease{ID: "a"}, s.is, code, pauseWait, "road", post.Digital); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.keepBack(t.Context(), queue.Lease{ID: "a"}, s.is, batch.CodeHeld, holdTime, roadBatch, ""); err != nil {
		t.Fatal(err)
	}
	for _, w := range s.waits[1:4] {
		if w.While != (Halt{}) {
			t.Errorf("%+v", w)
		}
	}
}

// TestAGateAndAStoreThatNeverAgreeCostOneRun: then the letter is due again soon.
func TestAGateAndAStoreThatNeverAgreeCostOneRun(t *testing.T) {
	one, a := aheadOf(t, post.LetterSigned)
	s := &aware{oneLetter: one, halted: func(Halt) bool { return false }}
	a.Store = s
	before := a.Now()
	if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if s.lifted < 2 || s.lifted > maxSteps || len(one.waits) != 1 || one.waits[0].Due.Sub(before) > 2*a.Backoff || one.waits[0].Due.Before(before) {
		t.Errorf("refused %d times, waits %+v", s.lifted, one.waits)
	}
}
