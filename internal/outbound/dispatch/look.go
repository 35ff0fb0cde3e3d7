package dispatch

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// budget says how much of the budget of look-ups so many unsure answers have used,
// and how long is waited before the next question; over, when nothing is left. The
// longer the answer has been unsure, the less often it is asked for.
//
// What is counted are answers, not hours: time in which nobody asked, because the
// letter was halted or no dispatcher ran, has used nothing.
func (a *Advancer) budget(answers int) (pause time.Duration, over bool) {
	used := time.Duration(0)
	for n := 1; ; n++ {
		if used >= a.LookupBudget {
			return 0, true
		}
		pause = max(min(max(a.Backoff, min(used/2, mostPause)), a.LookupBudget-used), time.Nanosecond)
		if n >= answers {
			return pause, false
		}
		used += pause
	}
}

// unsureAgain is what follows an unsure answer about r from somebody who is asked
// for its sake by carrier name on ch: how many such answers there are, when the
// next question is due, and whether there is none. An answer that our own end cut
// short is none, nor is one while letters may not go there or the carrier rests.
func (a *Advancer) unsureAgain(ctx context.Context, r Record, ch post.Channel, name post.Carrier) (answers int, next time.Time, over bool) {
	counts := ctx.Err() == nil && !a.Gate.closed(r.Tenant, ch, name)
	if answers = r.Looks; counts {
		answers++
	}
	pause, over := a.budget(answers)
	if !counts { // asked ever more seldom all the same
		pause = max(pause, min(a.Now().Sub(r.Since)/2, mostPause))
	}
	return answers, a.Now().Add(pause*3/4 + a.Rand(pause/2+1)), over
}

// haltedWhole reports whether nothing of r's tenant may go anywhere, and then lets
// r wait: nobody is asked about a letter that is halted.
func (a *Advancer) haltedWhole(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	ch := post.Digital
	wait, reason := a.Gate.haltedWhole(ctx, r.Tenant)
	if wait == 0 {
		return false, nil
	}
	return true, a.keepBack(ctx, l, r, reason, wait, roadOf(ch, a.Roads.Chosen(r.Tenant, ch)), "")
}

// haltedWhole returns how long a letter waits whose tenant is halted on every
// channel, and its code; 0 when it is not.
func (g *Gate) haltedWhole(ctx context.Context, tenant post.TenantID) (wait time.Duration, code string) {
	if g == nil {
		return 0, ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait, _ := g.halted(ctx, tenant, post.Digital); wait == 0 {
		return 0, ""
	}
	return g.halted(ctx, tenant, post.Physical)
}

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
