package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// Together is how many letters one ring takes in hand at a time.
const Together = 32

const (
	// refill is how many hands are waited for before more letters are taken, for
	// at most gather: letters that are taken together are written together.
	refill = Together / 2
	gather = 20 * time.Millisecond
	// drainTime bounds how long one ring goes on taking letters. The sweeper rings
	// for what is left, and nobody is needed for ever.
	drainTime = 30 * time.Second
	// grace is how long letters in hand go on after the end; then their requests
	// are broken off, and what is known of them is recorded.
	grace = 15 * time.Second
)

// AdvanceDue takes the letter id, when it is due, and all other due letters from
// step to step, urgent ones first, until nothing is due, half a minute has
// passed or ctx has ended; then it finishes the letters in hand, for which the end
// of ctx leaves some seconds, and returns. At most [Config.Hands] letters are in hand in a process, in
// all calls together; a call waits for free hands. An error says that the
// database did not answer.
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
		n := a.hands.take(ctx)
		if n == 0 {
			return nil
		}
		leases, err := a.TakeDue(ctx, id, n)
		a.hands.giveBack(n - len(leases))
		for _, l := range leases {
			select {
			case next <- l: // to one that has ended, whose stack has grown already
				continue
			default:
			}
			mine.Go(func() {
				for ok := true; ok; l, ok = <-next {
					a.inHand(work, l)
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

// inHand advances one of many and then frees its hand.
func (a *Advancer) inHand(ctx context.Context, l queue.Lease) {
	defer a.hands.giveBack(1)
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

// guarded is [Advancer.step]. A fault in it, of ours (an index out of range, a
// nil pointer) or of a library that gives up by a panic, is a failure of the
// letter: it is counted, and at last a person is asked. What a library said is not
// repeated, for it may quote what it read.
func (a *Advancer) guarded(ctx context.Context, l queue.Lease, r Record) (again bool, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			again, err = false, a.panicked(ctx, l, fmt.Errorf("step panicked: %w", p))
		case error, string:
			again, err = false, a.panicked(ctx, l, fmt.Errorf("step panicked with a %T", p))
		default: // not of a fault
			panic(p)
		}
	}()
	return a.step(ctx, l, r)
}

func (a *Advancer) panicked(ctx context.Context, l queue.Lease, err error) error {
	a.Log.ErrorContext(ctx, "step panicked", slog.String("letter", l.ID), slog.String("stack", string(debug.Stack())))
	return err
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

// hands bounds how many letters a process works on at once.
type hands struct {
	free chan struct{} // one for each free hand
	one  chan struct{} // held by the call that gathers free hands
}

func newHands(n int) hands {
	h := hands{make(chan struct{}, n), make(chan struct{}, 1)}
	h.giveBack(n)
	return h
}

func (h hands) giveBack(n int) {
	for range n {
		h.free <- struct{}{}
	}
}

// take waits for a free hand, a moment longer for more of them, and takes up to
// [Together]. It returns 0 when ctx ended first.
func (h hands) take(ctx context.Context) (n int) {
	select {
	case h.one <- struct{}{}:
		defer func() { <-h.one }()
	case <-ctx.Done():
		return 0
	}
	select {
	case <-h.free:
		n = 1
	case <-ctx.Done():
		return 0
	}
	enough := time.NewTimer(gather)
	defer enough.Stop()
	for n < Together {
		if n >= min(refill, cap(h.free)) {
			select {
			case <-h.free:
				n++
				continue
			default:
				return n
			}
		}
		select {
		case <-h.free:
			n++
		case <-enough.C:
			return n
		case <-ctx.Done():
			h.giveBack(n)
			return 0
		}
	}
	return n
}
