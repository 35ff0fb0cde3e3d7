package dispatcherapp

import (
	"context"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
)

// A waker has a loop look at once instead of at its next turn. Ringing never waits,
// and rings that come before the loop looks are one. A ring that is lost costs the
// rest of a turn, nothing else. A nil waker is never rung.
type waker chan struct{}

func newWaker() waker { return make(waker, 1) }

func (w waker) ring() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// loop takes a step every so often until ctx ends. A failed step is reported
// and taken again.
func (a *App) loop(every time.Duration, failed string, step func(context.Context) error) func(context.Context) error {
	return a.rungLoop(every, nil, failed, func(ctx context.Context, _ bool) error { return step(ctx) })
}

// rungLoop is loop with a waker; step hears whether it was rung for.
func (a *App) rungLoop(every time.Duration, w waker, failed string, step func(ctx context.Context, rung bool) error) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for rung := false; ; {
			if err := step(ctx, rung); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "loop step failed", slog.String("what", failed), slog.Any("error", err))
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				rung = false
			case <-w:
				rung = true
			}
		}
	}
}

// batchSigner returns the signer of batches with what wakes it, and what wakes the
// releaser, also when a batch was signed.
func (a *App) batchSigner(advancer *dispatch.Advancer, signer dispatch.RootSigner) (b *dispatch.BatchSigner, signing, releasing waker, err error) {
	b, err = dispatch.NewBatchSigner(advancer, a.store, signer)
	if err != nil {
		return nil, nil, nil, err
	}
	signing, releasing = newWaker(), newWaker()
	b.Signed = releasing.ring
	return b, signing, releasing, nil
}

// release lets letters of approved batches go. When it was rung for, letters were
// released by desk or are now, and are taken on at once, the first hundred while
// the next ones are released; else the sweeper finds them.
func (a *App) release(due *moved) func(ctx context.Context, rung bool) error {
	return func(ctx context.Context, rung bool) error {
		if !rung {
			return a.store.ReleaseApproved(ctx, 100, nil)
		}
		tell := func() { due.tell(ctx, "") }
		tell() // of what desk has released
		return a.store.ReleaseApproved(ctx, 100, tell)
	}
}
