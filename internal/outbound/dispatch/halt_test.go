package dispatch

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestOfAStoppedBatchOnlyWhatNoCarrierMayHaveIsCancelled: an attempt that was
// unclear once speaks for as long as nobody has answered it, also after somebody let
// the letter be sent again.
func TestOfAStoppedBatchOnlyWhatNoCarrierMayHaveIsCancelled(t *testing.T) {
	now := time.Now()
	unsure := &Intent{Unsure: true}
	for _, tt := range []struct {
		name   string
		state  post.LetterState
		intent *Intent
		since  time.Time
		to     post.LetterState // "": it waits
		code   string
		due    time.Time
	}{
		{"never begun", post.LetterReady, nil, now, post.LetterCancelled, batch.CodeStopped, time.Time{}},
		{"certainly not taken", post.LetterNotTaken, &Intent{}, now, post.LetterCancelled, batch.CodeStopped, time.Time{}},
		{"not taken after an unclear attempt", post.LetterNotTaken, unsure, now, post.LetterNeedsPerson, "batch-stopped: timeout", time.Time{}},
		{"to be sent again after an unclear attempt", post.LetterRouted, unsure, now, post.LetterNeedsPerson, "batch-stopped: timeout", time.Time{}},
		{"unclear since a moment", post.LetterOutcomeUnknown, unsure, now.Add(-time.Hour), "", "timeout", now.Add(23 * time.Hour)},
		{"unclear for a day", post.LetterOutcomeUnknown, unsure, now.Add(-24 * time.Hour), post.LetterNeedsPerson, "batch-stopped: timeout", time.Time{}},
		{"unclear, and then its channel was paused", post.LetterOutcomeUnknown, unsure, now.Add(-time.Hour), "", batch.CodeStopped, now.Add(23 * time.Hour)},
		{"the same for a day", post.LetterOutcomeUnknown, unsure, now.Add(-24 * time.Hour), post.LetterNeedsPerson, batch.CodeStopped, time.Time{}},
	} {
		s, a := aheadOf(t, tt.state)
		a.Now, a.Overdue = func() time.Time { return now }, 24*time.Hour
		s.is.Released, s.is.Stopped, s.is.Intent, s.is.Since, s.is.Code = false, true, tt.intent, tt.since, "timeout"
		if tt.code == batch.CodeStopped {
			s.is.Code = codePaused
		}
		if _, err := a.step(t.Context(), queue.Lease{ID: "a"}, s.is); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		switch {
		case tt.to == "" && (len(s.moves) != 0 || len(s.waits) != 1 || s.waits[0].Code != tt.code || !s.waits[0].Due.Equal(tt.due)),
			tt.to != "" && (len(s.waits) != 0 || len(s.moves) != 1 || s.moves[0].To != tt.to || s.moves[0].Code != tt.code):
			t.Errorf("%s: moves %+v, waits %+v", tt.name, s.moves, s.waits)
		}
	}
}

// TestWhatAHaltTurnsBackWaitsWhereResumingFindsIt: a letter of a paused batch for
// its batch, one of a paused channel on its road, and the gate asks for pauses anew.
func TestWhatAHaltTurnsBackWaitsWhereResumingFindsIt(t *testing.T) {
	for _, tt := range []struct {
		halt       error
		code, road string
		asked      int // how often pauses were read before and after
	}{
		{ErrBatchHalted, batch.CodeHeld, roadBatch, 1},
		{ErrRoadHalted, codePaused, "its road", 2},
	} {
		s, a := aheadOf(t, post.LetterRouted)
		asked := 0
		a.Gate.Paused = func(context.Context) ([]letter.Pause, error) { asked++; return nil, nil }
		look := func() { a.Gate.Enter(t.Context(), "t", post.Digital, post.DigitalPost) }
		look()
		if err := a.turnedBack(t.Context(), queue.Lease{ID: "a"}, s.is, fmt.Errorf("move: %w", tt.halt), "its road"); err != nil {
			t.Error(err)
		}
		look()
		if len(s.moves) != 0 || len(s.waits) != 1 || s.waits[0].Code != tt.code || s.waits[0].Road != tt.road || !s.waits[0].Due.After(a.Now()) || asked != tt.asked {
			t.Errorf("%v: waits %+v, asked %d times", tt.halt, s.waits, asked)
		}
	}
}
