package dispatcherapp

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// TestASlowPassDoesNotKeepTheNextFromBeginning: one waits for the answer of a
// carrier, and others have letters to take on.
func TestASlowPassDoesNotKeepTheNextFromBeginning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, free := make(chan post.LetterID), make(chan struct{})
	m := newMoved(func(_ context.Context, id post.LetterID) error {
		begun <- id
		<-free
		return nil
	}, slog.New(slog.DiscardHandler))
	ended := make(chan error)
	go func() { ended <- m.run(ctx) }()
	for _, want := range []post.LetterID{"slow", "slow too", "next"} {
		m.tell(ctx, want)
		select {
		case id := <-begun:
			if id != want {
				t.Error(id)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s did not begin while others were in hand", want)
		}
	}
	cancel()
	close(free)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNoReceiptWaitsForAHandOver: who tells never waits; a pass that does not end
// keeps a few others from nothing; and what is told while all of them are busy is
// one word.
func TestNoReceiptWaitsForAHandOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, free := make(chan post.LetterID), make(chan struct{})
	m := newMoved(func(_ context.Context, id post.LetterID) error {
		begun <- id
		<-free
		return nil
	}, slog.New(slog.DiscardHandler))
	ended := make(chan error)
	go func() { ended <- m.run(ctx) }()
	for i := range passes {
		want := post.LetterID(fmt.Sprint("pass ", i))
		m.tell(ctx, want)
		if id := <-begun; id != want {
			t.Fatal(id)
		}
	}
	for i := range 1000 {
		m.tell(ctx, post.LetterID(fmt.Sprint("letter ", i)))
	}
	free <- struct{}{}
	<-begun // one more pass, which takes all others along
	m.tell(ctx, "last")
	free <- struct{}{}
	if id := <-begun; id != "last" {
		t.Errorf("after the thousand: %s", id)
	}
	cancel()
	close(free)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
