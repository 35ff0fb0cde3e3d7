package dispatch

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// keepBack lets r wait on a road until it may be open again. One that people have
// halted, on ch or on every channel, waits only while the store knows of it too.
func (a *Advancer) keepBack(ctx context.Context, l queue.Lease, r Record, code string, wait time.Duration, road string, ch post.Channel) error {
	w := Wait{Code: code, Due: a.Now().Add(wait), Road: road}
	switch code {
	case codePaused:
		w.While = Halt{Tenant: r.Tenant, Channel: ch}
	case batch.CodeHeld:
		w.While = Halt{Batch: r.Batch}
	}
	return a.waitFor(ctx, l, r, w)
}

// waitFor lets r wait as w says.
func (a *Advancer) waitFor(ctx context.Context, l queue.Lease, r Record, w Wait) error {
	if err := a.commitAhead(ctx, l, r); err != nil {
		return err
	}
	w.Letter, w.Version, w.Failures = r.ID, r.Version, r.Failures
	w.Looks = max(w.Looks, r.Looks)
	return a.Store.WaitLetter(ctx, l, w)
}

func (a *Advancer) wait(ctx context.Context, l queue.Lease, r Record, code string, due time.Time) error {
	return a.waitFor(ctx, l, r, Wait{Code: code, Due: due})
}
