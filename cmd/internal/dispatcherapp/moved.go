package dispatcherapp

import (
	"context"
	"log/slog"
	"sync"

	"sikkerpost.dk/gateway/internal/post"
)

// passes is how many turns are taken at a time: one that waits for its last, slow
// letters does not keep the next from beginning.
const passes = 4

// moved takes letters on that a receipt has moved, or that were released, apart
// from whoever did that: a hand-over may take minutes, and no receipt waits for one.
type moved struct {
	wake    chan post.LetterID
	advance func(ctx context.Context, id post.LetterID) error
	log     *slog.Logger
}

func newMoved(advance func(context.Context, post.LetterID) error, log *slog.Logger) *moved {
	return &moved{make(chan post.LetterID, 1), advance, log}
}

// tell never waits. One call of advance takes all due letters along, so a word
// that finds another one waiting is not needed; and the sweeper would find them. id
// may be empty: whichever are due.
func (m *moved) tell(_ context.Context, id post.LetterID) {
	select {
	case m.wake <- id:
	default:
	}
}

// run advances letters until ctx ends, and then finishes those in hand.
func (m *moved) run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for free := make(chan struct{}, passes); ; {
		select {
		case <-ctx.Done():
			return nil
		case free <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return nil
		case id := <-m.wake:
			all.Go(func() {
				defer func() { <-free }()
				if err := m.advance(ctx, id); err != nil {
					m.log.ErrorContext(ctx, "step not run", slog.String("letter", string(id)), slog.Any("error", err))
				}
			})
		}
	}
}
