package dispatcherapp

import (
	"context"
	"log/slog"

	"sikkerpost.dk/gateway/internal/post"
)

// moved takes letters on that a receipt has moved, apart from the matching: a
// hand-over may take minutes, and no receipt waits for one.
type moved struct {
	wake    chan post.LetterID
	advance func(ctx context.Context, id post.LetterID) error
	log     *slog.Logger
}

func newMoved(advance func(context.Context, post.LetterID) error, log *slog.Logger) *moved {
	return &moved{make(chan post.LetterID, 1), advance, log}
}

// tell never waits. One call of advance takes all due letters along, so a word
// that finds another one waiting is not needed; and the sweeper would find them.
func (m *moved) tell(_ context.Context, id post.LetterID) {
	select {
	case m.wake <- id:
	default:
	}
}

// run advances letters until ctx ends.
func (m *moved) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-m.wake:
			if err := m.advance(ctx, id); err != nil {
				m.log.ErrorContext(ctx, "step not run", slog.String("letter", string(id)), slog.Any("error", err))
			}
		}
	}
}
