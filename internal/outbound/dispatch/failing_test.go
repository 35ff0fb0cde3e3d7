package dispatch

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// oneBatch is a batch that waits to be signed, or none.
type oneBatch struct {
	Roots
	waits bool
}

func (b *oneBatch) BatchesToSign(context.Context, time.Time) ([]Signing, error) {
	if !b.waits {
		return nil, nil
	}
	return []Signing{{Batch: "b", Tenant: "t"}}, nil
}

func (*oneBatch) SignedBatch(context.Context, post.BatchID) ([]byte, []tlog.Hash, error) {
	return nil, nil, nil
}

// away is a key store that does not answer.
type away struct{ err error }

func (a away) SignRoot(verify.Root) ([]byte, error) { return nil, a.err }

// TestABatchThatCannotBeSignedIsFailingWork whatever the cause, and whoever gets through
// beside it: its letters have no step that fails, and nobody is asked about them.
func TestABatchThatCannotBeSignedIsFailingWork(t *testing.T) {
	for name, cause := range map[string]error{"the key store is away": errors.New("no answer"), "a letter of it cannot be opened": post.ErrPermanent} {
		_, a := aheadOf(t, post.LetterReady)
		waiting := &oneBatch{waits: true}
		b, err := NewBatchSigner(a, waiting, away{cause})
		if err != nil {
			t.Fatal(err)
		}
		over, end := context.WithCancel(t.Context())
		end()
		for want, ctx := range []context.Context{over, t.Context(), t.Context()} {
			if err := b.Step(ctx); err == nil {
				t.Fatal("it was signed")
			}
			a.notePassed(post.LetterReady)
			if got := a.Failing()[2]; got.Work != "batches" || got.Failures != want || got.Since.IsZero() != (want == 0) {
				t.Errorf("%s: %d failures are to be known: %+v", name, want, got)
			}
		}
		if waiting.waits = false; b.Step(t.Context()) != nil || !a.Failing()[2].Since.IsZero() {
			t.Errorf("%s: no batch waits, and %+v", name, a.Failing())
		}
	}
}

// TestFailingIsForAsLongAsNothingGetsThrough: nobody is asked about letters then, so
// this is what tells that they wait.
func TestFailingIsForAsLongAsNothingGetsThrough(t *testing.T) {
	s, a := aheadOf(t, post.LetterReady)
	now := time.Now()
	a.Now = func() time.Time { return now }
	r := s.is
	fail := func(ctx context.Context, cause error) {
		if err := a.fail(ctx, queue.Lease{}, r, cause); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name string, since time.Time, failures int) {
		t.Helper()
		if got := a.Failing(); !got[0].Since.Equal(since) || got[0].Failures != failures || got[0].Work != "signing" ||
			!got[1].Since.IsZero() || got[1].Work != "handover" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	over, end := context.WithCancel(t.Context())
	end()
	fail(over, context.Canceled)
	fail(t.Context(), verify.ErrNotProven)
	check("our own end, and what is the letter's own", time.Time{}, 0)
	began := now
	for range 4 {
		fail(t.Context(), errors.New("the disk is away"))
		now = now.Add(mostPause)
	}
	check("an hour without the disk", began, 4)
	a.notePassed(post.LetterRouted)
	check("other work is done", began, 4)
	a.notePassed(post.LetterReady)
	check("a letter got through", time.Time{}, 0)
	fail(t.Context(), errors.New("the disk is away"))
	check("it is away again", now, 1)
	now = now.Add(mostQuiet + time.Second)
	check("nothing was tried for long", time.Time{}, 0)
	fail(t.Context(), errors.New("the disk is away"))
	check("and fails anew", now, 1)
}
