package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestAStepThatFailsAgainAndAgainAsksAPerson: poison ends with somebody, and what
// may pass by itself does not.
func TestAStepThatFailsAgainAndAgainAsksAPerson(t *testing.T) {
	ended, stop := context.WithCancel(t.Context())
	stop()
	for _, tt := range []struct {
		name     string
		over     bool // our own end
		failures int  // before this one
		cause    error
		asks     string // the code; "": it waits
		counted  int
	}{
		{"the first time", false, 0, errors.New("x"), "", 1},
		{"the last time but one", false, 6, errors.New("x"), "", 7},
		{"the last time", false, 7, errors.New("x"), "step-failed", 0},
		{"our own end", true, 6, context.Canceled, "", 6},
		{"what no time cures", false, 0, fmt.Errorf("%w: no", post.ErrPermanent), "refused-by-rule", 0},
		{"what does not verify", false, 0, verify.ErrNotProven, "not-proven", 0},
		{"a form that would differ", false, 0, errForm, "form-changed", 0},
	} {
		s, a := aheadOf(t, post.LetterReady)
		r := s.is
		r.Failures = tt.failures
		ctx := t.Context()
		if tt.over {
			ctx = ended
		}
		if err := a.fail(ctx, queue.Lease{ID: "a"}, r, tt.cause); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		switch {
		case tt.asks == "" && (len(s.moves) != 0 || len(s.waits) != 1 || s.waits[0].Failures != tt.counted || !s.waits[0].Due.After(a.Now())):
			t.Errorf("%s: moves %+v, waits %+v", tt.name, s.moves, s.waits)
		case tt.asks != "" && (len(s.waits) != 0 || len(s.moves) != 1 || s.moves[0].To != post.LetterNeedsPerson || s.moves[0].Code != tt.asks):
			t.Errorf("%s: moves %+v, waits %+v", tt.name, s.moves, s.waits)
		}
	}
}
