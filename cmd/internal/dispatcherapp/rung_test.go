package dispatcherapp

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestALoopLooksWhenItIsRung: with a turn of an hour it looks at the beginning, and
// then once for each ring, or for many that came while it looked.
func TestALoopLooksWhenItIsRung(t *testing.T) {
	a, w := &App{log: slog.New(slog.DiscardHandler)}, newWaker()
	ctx, cancel := context.WithCancel(t.Context())
	steps, goOn := make(chan bool), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- a.rungLoop(time.Hour, w, "a step that fails", func(_ context.Context, rung bool) error {
			steps <- rung
			<-goOn
			return errors.New("the next one is taken all the same")
		})(ctx)
	}()
	if <-steps {
		t.Error("the first step was rung for")
	}
	for range 1000 {
		w.ring()
	}
	goOn <- struct{}{}
	if !<-steps {
		t.Error("a ring was not heard")
	}
	w.ring()
	goOn <- struct{}{}
	if !<-steps {
		t.Error("a ring during a step was not heard")
	}
	cancel()
	goOn <- struct{}{}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestARingForABatchIsPassedOn(t *testing.T) {
	passed := 0
	run := runner(nil, nil, func() { passed++ })
	if err := run(t.Context(), queue.Ring{Kind: queue.ReleaseBatch, ID: post.NewID()}); err != nil || passed != 1 {
		t.Errorf("passed on %d times, %v", passed, err)
	}
	if err := run(t.Context(), queue.Ring{Kind: "another"}); !errors.Is(err, queue.ErrForged) || passed != 1 {
		t.Errorf("another kind: %v", err)
	}
}

// TestReleaseTakesLettersOnOnlyWhenItWasRungFor: what desk has released goes on at
// once; at its own turns the releaser leaves letters to the sweeper.
func TestReleaseTakesLettersOnOnlyWhenItWasRungFor(t *testing.T) {
	store, err := sqlstore.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "post.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, rung := range []bool{false, true} {
		due := newMoved(nil, slog.New(slog.DiscardHandler))
		if err := (&App{store: store}).release(due)(t.Context(), rung); err != nil {
			t.Fatal(err)
		}
		if told := len(due.wake) == 1; told != rung {
			t.Errorf("rung for: %t; letters are taken on: %t", rung, told)
		}
	}
}

// TestABatchThatWasSignedIsReleasedAtOnce: the signer wakes the releaser, and not
// itself.
func TestABatchThatWasSignedIsReleasedAtOnce(t *testing.T) {
	signer, signing, releasing, err := (&App{store: &sqlstore.Store{}}).batchSigner(&dispatch.Advancer{}, rootSigner{})
	if err != nil {
		t.Fatal(err)
	}
	if signer.Signed == nil {
		t.Fatal("nobody hears that a batch was signed: its letters wait for the next turn")
	}
	signer.Signed()
	if len(releasing) != 1 || len(signing) != 0 {
		t.Errorf("%d rings for the releaser, %d for the signer", len(releasing), len(signing))
	}
}

// rootSigner signs nothing.
type rootSigner struct{ dispatch.RootSigner }
