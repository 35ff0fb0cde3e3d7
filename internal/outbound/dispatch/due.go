package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// Together is how many letters one ring takes at a time.
const Together = 32

const (
	// refill is how many slots are waited for before more letters are taken, for
	// at most gather: letters that are taken together are written together.
	refill = Together / 2
	gather = 20 * time.Millisecond
	// drainTime bounds how long one ring goes on taking letters. The sweeper rings
	// for what is left, and nobody is needed for ever.
	drainTime = 30 * time.Second
	// grace is how long letters in flight go on after the end. Then their requests
	// are broken off, and what is known of them is recorded.
	grace = 15 * time.Second
)

// AdvanceDue takes the letter id, when it is due, and all other due letters from
// step to step, urgent ones first. It takes letters until nothing is due, half a
// minute has passed or ctx has ended. Then it finishes those in flight, for which
// the end of ctx leaves some seconds, and returns.
//
// At most [Config.InFlight] letters are in flight in a process, in all calls
// together; a call waits for free slots. An error says that the database did not
// answer.
//
// Crash: the leases run out, and the letters are due again.
func (a *Advancer) AdvanceDue(ctx context.Context, id post.LetterID) error {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(a.grace, cut) })()
	var mine sync.WaitGroup
	defer mine.Wait()
	next := make(chan queue.Lease)
	defer close(next)
	for end := time.Now().Add(drainTime); time.Now().Before(end); {
		n := a.slots.take(ctx)
		if n == 0 {
			return nil
		}
		leases, err := a.TakeDue(ctx, id, n)
		a.slots.giveBack(n - len(leases))
		for _, l := range leases {
			select {
			case next <- l: // a goroutine that is done with its letter; its stack has grown already
				continue
			default:
			}
			mine.Go(func() {
				for ok := true; ok; l, ok = <-next {
					a.inFlight(work, l)
				}
			})
		}
		if err != nil {
			return err
		}
		if id != "" {
			n-- // the place that was kept for it
		}
		if len(leases) < n {
			return nil // nothing more is due
		}
		id = ""
	}
	return nil
}

// inFlight advances one of many and then frees its slot.
func (a *Advancer) inFlight(ctx context.Context, l queue.Lease) {
	defer a.slots.giveBack(1)
	a.finish(ctx, l)
}

// finish advances one of many. Whatever is wrong with it is its own affair: the
// others, and the process, go on, and its lease runs out.
func (a *Advancer) finish(ctx context.Context, l queue.Lease) {
	defer func() {
		if p := recover(); p != nil {
			a.Log.ErrorContext(ctx, "step panicked", slog.String("letter", l.ID), slog.String("stack", string(debug.Stack())))
		}
	}()
	if err := a.AdvanceLeased(ctx, l); err != nil {
		a.Log.ErrorContext(ctx, "step not run", slog.String("letter", l.ID), slog.Any("error", err))
	}
}

// TakeDue leases up to n due letters, id first when it is one of them. What was
// asked is heard, even when ctx ends: a lease that nobody knows of blocks its
// letter until it runs out.
func (a *Advancer) TakeDue(ctx context.Context, id post.LetterID, n int) ([]queue.Lease, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookTimeout)
	defer cancel()
	leases, err := a.Store.LeaseDue(ctx, queue.Claim{Kind: queue.AdvanceLetter, Prefer: string(id), N: n, For: a.LeaseTime, Shut: a.Gate.Shut(ctx)})
	if err != nil {
		return nil, fmt.Errorf("take due letters: %w", err)
	}
	return leases, nil
}
