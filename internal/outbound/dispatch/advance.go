package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// maxSteps bounds one run; the longest road between two waits has eight steps,
// and a lost compare-and-swap costs one more.
const maxSteps = 16

// bookTimeout bounds the commit that records an outcome after the caller's
// context has ended: what is known must not be forgotten.
const bookTimeout = 10 * time.Second

// Advance takes the letter's steps until it must wait. It does nothing when
// the letter has no due step or when somebody else holds it. An error says that
// the database did not answer; whatever happened to the letter is recorded in
// it, not returned.
//
// Crash: the lease runs out, and the letter is due again.
func (a *Advancer) Advance(ctx context.Context, id post.LetterID) error {
	l, ok, err := a.Store.Lease(ctx, queue.AdvanceLetter, string(id), a.LeaseTime)
	if err != nil || !ok {
		return err
	}
	return a.AdvanceLeased(ctx, l)
}

// AdvanceLeased is [Advancer.Advance] of a letter whose lease was taken.
func (a *Advancer) AdvanceLeased(ctx context.Context, l queue.Lease) error {
	id := post.LetterID(l.ID)
	ctx, end := a.hold(ctx, l)
	defer end()
	k := run{memory: &a.memory}
	defer k.end()
	for range maxSteps {
		r, err := a.next(ctx, l, &k)
		if errors.Is(err, post.ErrStale) || errors.Is(err, post.ErrNotFound) {
			return nil // another holder, or nothing left to do
		}
		if err != nil {
			return fmt.Errorf("advance letter %s: %w", id, err)
		}
		again, err := a.guardedStep(ctx, l, r)
		if errors.Is(err, post.ErrStale) {
			k.ahead = nil
			continue // a receipt moved it meanwhile: read again
		}
		if errors.Is(err, ErrNotHalted) {
			a.Gate.forget()
			continue // a halt was lifted meanwhile: it goes on
		}
		if err != nil {
			return a.fail(ctx, l, r, err)
		}
		if !again {
			return nil
		}
	}
	return a.Store.WaitLetter(ctx, l, Wait{Letter: id, Due: a.Now().Add(a.Backoff)})
}

// step takes one step. It answers again=false when the letter waits and its
// lease was given back.
func (a *Advancer) step(ctx context.Context, l queue.Lease, r Record) (again bool, err error) {
	if !r.Released && stayable(r.State) {
		return a.stay(ctx, l, r)
	}
	switch r.State {
	case post.LetterAccepted:
		return a.release(ctx, l, r)
	case post.LetterHeld:
		return a.unhold(ctx, l, r)
	case post.LetterReady:
		return a.sign(ctx, l, r)
	case post.LetterSigned:
		// Crash before: signed, done again. After: awaiting-lookup, goes on.
		return true, r.run.goOn(r, Move{To: post.LetterAwaitingLookup}, a.Now())
	case post.LetterAwaitingLookup:
		return a.route(ctx, l, r)
	case post.LetterRouted, post.LetterNotTaken, post.LetterOutcomeUnknown:
		return a.handOver(ctx, l, r)
	case post.LetterHandingOver:
		return a.interrupted(ctx, l, r)
	case post.LetterRefused:
		return a.refused(ctx, l, r)
	case post.LetterHandedOver, post.LetterPrinting, post.LetterPosted:
		return a.overdue(ctx, l, r)
	default:
		// Final, or a person's turn: no step is due. The job was left by a
		// race with a receipt; whoever moves the letter makes a new one.
		return false, a.Store.WaitLetter(ctx, l, Wait{Letter: r.ID, Version: r.Version, Code: r.Code, Due: a.Now().Add(a.Overdue)})
	}
}

// release lets an accepted letter go, or holds it for its date.
//
// Crash before commit: still accepted. After: held or ready, with its job.
func (a *Advancer) release(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if a.Now().Before(r.NotBefore) {
		return false, a.move(ctx, l, r, Move{To: post.LetterHeld, Code: "not-before", Due: r.NotBefore, Free: true})
	}
	return true, r.run.goOn(r, Move{To: post.LetterReady}, a.Now())
}

func (a *Advancer) unhold(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if !r.Released {
		// No job exists before approval; should one ring, it waits.
		return false, a.wait(ctx, l, r, "approval", a.Now().Add(time.Hour))
	}
	if a.Now().Before(r.NotBefore) {
		return false, a.wait(ctx, l, r, "not-before", r.NotBefore)
	}
	return true, r.run.goOn(r, Move{To: post.LetterReady}, a.Now())
}

// refused sends a definite digital refusal on to paper. The print job has an
// id of its own, because its channel differs.
func (a *Advancer) refused(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if r.DigitalOnly {
		return false, a.askPerson(ctx, l, r, "refused-recipient")
	}
	a.warnLate(ctx, r, post.Physical)
	return true, r.run.goOn(r, Move{To: post.LetterRouted, Channel: post.Physical, Generation: r.Generation, Code: r.Code}, a.Now())
}

func (a *Advancer) askPerson(ctx context.Context, l queue.Lease, r Record, code string) error {
	a.Log.WarnContext(ctx, "letter needs a person", slog.String("letter", string(r.ID)), slog.String("state", string(r.State)), slog.String("code", code))
	return a.move(ctx, l, r, Move{To: post.LetterNeedsPerson, Code: code, Free: true})
}

// move completes m from r and commits it, with what the run has done before it.
// Channel and generation stay unless m sets them.
func (a *Advancer) move(ctx context.Context, l queue.Lease, r Record, m Move) error {
	if m.Channel == "" {
		m.Channel, m.Generation = r.Channel, r.Generation
	}
	if !r.State.May(m.To, m.Channel) {
		return forbidden(r.State, m.To)
	}
	if err := a.commit(ctx, l, r, m); err != nil {
		return err
	}
	a.Log.InfoContext(ctx, "letter moved", slog.String("letter", string(r.ID)), slog.String("state", string(m.To)),
		slog.String("channel", string(m.Channel)), slog.Int("generation", m.Generation), slog.String("code", m.Code))
	return nil
}
