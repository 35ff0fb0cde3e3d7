package dispatch

import (
	"context"
	"errors"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// Extender lengthens leases. With it a lease may be short, so that a dead
// process's letters go on within seconds, and a hand-over may still be long.
type Extender interface {
	// ExtendLease makes l last d from now, or answers [post.ErrStale] when it
	// was given back or taken over.
	ExtendLease(ctx context.Context, l queue.Lease, d time.Duration) error
}

// shortLease is the lease when it can be extended: what a dead process costs a
// letter. It is extended every third of it.
const shortLease = 6 * time.Second

// longLease is the lease when it cannot.
const longLease = 90 * time.Second

// stepTime bounds one run over a letter whose lease is extended: the longest
// hand-over (99.5 MB at 5 Mbit/s, and the answer) and what stands around it.
const stepTime = 6 * time.Minute

// hold returns a context for the work under l. It ends when the lease is lost,
// so that nothing new begins without the right to it; end stops the extending.
func (a *Advancer) hold(ctx context.Context, l queue.Lease) (work context.Context, end func()) {
	if a.Leases == nil {
		return context.WithTimeout(ctx, a.LeaseTime*9/10) // the lease outlives the work
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	go a.extend(ctx, l, cancel)
	return ctx, cancel
}

// extend keeps l until ctx ends. When it is lost, or could not be extended for
// nearly its whole length, it calls lost.
func (a *Advancer) extend(ctx context.Context, l queue.Lease, lost func()) {
	every := a.LeaseTime / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked := time.Now()
		bounded, cancel := context.WithTimeout(ctx, every)
		err := a.Leases.ExtendLease(bounded, l, a.LeaseTime)
		cancel()
		switch {
		case err == nil:
			last = asked
		case errors.Is(err, post.ErrStale) || time.Since(last) > a.LeaseTime*9/10-every:
			lost()
			return
		}
	}
}
