package dispatcherapp

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

func TestNoReceiptWaitsForAHandOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, free, seen := make(chan post.LetterID), make(chan struct{}), 0
	m := newMoved(func(_ context.Context, id post.LetterID) error {
		seen++
		begun <- id
		<-free
		return nil
	}, slog.New(slog.DiscardHandler))
	ended := make(chan error)
	go func() { ended <- m.run(ctx) }()
	m.tell(ctx, "first")
	if id := <-begun; id != "first" {
		t.Fatal(id)
	}
	for i := range 1000 { // the first hand-over does not end
		m.tell(ctx, post.LetterID(fmt.Sprint("letter ", i)))
	}
	close(free)
	<-begun // one more turn, which takes all others along
	cancel()
	if err := <-ended; err != nil || seen != 2 {
		t.Errorf("%d turns: %v", seen, err)
	}
}
