package dispatch

import (
	"cmp"
	"context"
	"errors"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// What [Store.MoveLetter] answers to an intent that may not be committed now.
// Nothing of it has left, and the letter stands where it stood.
var (
	ErrBatchHalted = errors.New("the letter's batch is halted")
	ErrRoadHalted  = errors.New("the letter's channel is halted")
)

// ErrNotHalted is what [Store.WaitLetter] answers to a wait for the end of a halt
// that has ended: whoever lifted it has woken those that waited, and would not wake
// this letter any more.
var ErrNotHalted = errors.New("nothing halts the letter any more")

// A Halt is what people have halted and a letter waits for the end of: its batch, or
// a channel for its tenant. The zero Halt is none.
type Halt struct {
	Batch   post.BatchID // "": no batch
	Tenant  post.TenantID
	Channel post.Channel // "": every channel, each paused by itself or all together
}

// holdTime is how long a letter of a paused batch rests; resuming wakes it.
const holdTime = time.Minute

// stayable reports whether a pause of its batch holds a letter where it is:
// nothing is under way of it. One whose outcome is unknown is not sent again
// either; what its carrier says of it counts all the same.
func stayable(s post.LetterState) bool {
	switch s {
	case post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterNotTaken, post.LetterOutcomeUnknown:
		return true
	default:
		return false
	}
}

// stay keeps a letter where it is while its batch is paused, and ends it when the
// batch was stopped: what certainly no carrier has is cancelled. One that a carrier
// may have waits for a receipt, as long as any silence is borne, and then for a
// person; it is not sent again to find out.
//
// Crash before commit: done again. After: cancelled or needs-person, without a job.
func (a *Advancer) stay(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if !r.Stopped {
		return false, a.keepBack(ctx, l, r, batch.CodeHeld, holdTime, roadBatch, "")
	}
	mayBeOut := r.State == post.LetterOutcomeUnknown || r.Intent != nil && r.Intent.Unsure
	why := r.Code
	if why == codePaused || why == batch.CodeHeld { // it waits for no halt's end any more
		why = ""
	}
	switch patience := r.Since.Add(a.Overdue); {
	case !mayBeOut:
		return false, a.move(ctx, l, r, Move{To: post.LetterCancelled, Code: batch.CodeStopped, Free: true})
	case r.State == post.LetterOutcomeUnknown && a.Now().Before(patience):
		return false, a.wait(ctx, l, r, cmp.Or(why, batch.CodeStopped), patience)
	}
	return false, a.askPerson(ctx, l, r, code(batch.CodeStopped, why))
}

// turnedBack lets r, whose intent was refused with halt, wait until the road may be
// open again. What the run has done before is kept; of the hand-over nothing is.
func (a *Advancer) turnedBack(ctx context.Context, l queue.Lease, r Record, halt error, road string) error {
	if errors.Is(halt, ErrRoadHalted) {
		return a.keepBack(ctx, l, r, codePaused, a.Gate.reread(), road, r.Channel)
	}
	return a.keepBack(ctx, l, r, batch.CodeHeld, holdTime, roadBatch, "")
}

// halted reports whether err says that an intent may not be committed now.
func halted(err error) bool { return errors.Is(err, ErrBatchHalted) || errors.Is(err, ErrRoadHalted) }

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
