package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestAStepThatFailsAgainAndAgainAsksAPerson: poison ends with somebody, and what
// may pass by itself does not.
func TestAStepThatFailsAgainAndAgainAsksAPerson(t *testing.T) {
	ended, stop := context.WithCancel(t.Context())
	stop()
	unknown := unknownSigner(t)
	for _, tt := range []struct {
		name     string
		over     bool // our own end
		alone    bool // no other letter gets through
		failures int  // before this one
		cause    error
		asks     string // the code; "": it waits
		counted  int
	}{
		{"the first time", false, false, 0, errors.New("x"), "", 1},
		{"the last time but one", false, false, 6, errors.New("x"), "", 7},
		{"the last time", false, false, 7, errors.New("x"), "step-failed", 0},
		{"the last time, while nothing gets through", false, true, 7, errors.New("x"), "", 8},
		{"far more, while nothing gets through", false, true, 22, errors.New("x"), "", 23},
		{"as often as any letter may", false, true, 23, errors.New("x"), "step-failed", 0},
		{"our own end", true, false, 6, context.Canceled, "", 6},
		{"what no time cures", false, true, 0, fmt.Errorf("%w: no", post.ErrPermanent), "refused-by-rule", 0},
		{"what does not verify", false, true, 0, verify.ErrNotProven, "not-proven", 0},
		{"a signer that is not known here", false, true, 0, unknown, "", 1},
		{"a signer that is not known here, while those of another get through", false, false, 7, unknown, "", 8},
		{"a signer that is not known here, as often as any letter may", false, false, 23, unknown, "signer-unknown", 0},
		{"a form that would differ", false, true, 0, errForm, "form-changed", 0},
	} {
		s, a := aheadOf(t, post.LetterReady)
		if !tt.alone {
			a.notePassed(post.LetterReady)
		}
		a.notePassed(post.LetterRouted) // what is done there says nothing of signing
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

// TestOnlyWhoGetsThroughMeanwhileMakesALetterPoison: a letter that got through
// before the failing one was last tried says nothing.
func TestOnlyWhoGetsThroughMeanwhileMakesALetterPoison(t *testing.T) {
	_, a := aheadOf(t, post.LetterReady)
	now := time.Now()
	a.Now = func() time.Time { return now }
	r := Record{State: post.LetterReady, Failures: a.Poison}
	for _, tt := range []struct {
		ago  time.Duration
		want bool
	}{{a.leastPause(a.Poison-1) - time.Second, true}, {a.leastPause(a.Poison-1) + time.Second, false}} {
		now = now.Add(-tt.ago)
		a.notePassed(post.LetterReady)
		now = now.Add(tt.ago)
		if got := a.poisoned(r, errors.New("x")); got != tt.want {
			t.Errorf("another got through %s ago: poison is %v", tt.ago, got)
		}
	}
}
