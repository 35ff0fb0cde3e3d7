// Package dispatch sends each letter once: to Digital Post, or on paper when
// the recipient certainly cannot receive it there. It takes a letter from step
// to step, each a compare-and-swap that carries a fencing token, until the
// letter must wait for time, for a carrier or for a person.
//
// The intent to hand over (message id, form, time) is committed before the
// first byte goes out, and every later attempt repeats it byte for byte. An
// outcome that is not clear is a state of its own: it is resolved by a receipt
// or by sending the same again, never by another channel. Signature, document
// digests and the form's digest are checked before anything leaves.
//
// It refuses paper on an outage, a failed look-up or a guess; it refuses to
// send a form that differs from its intent. What fails again and again, or
// cannot be decided by rule, becomes needs-person with a code; it is never
// lost and never sent on a hunch.
//
// A process may die between any two lines: each step says in a comment what
// the next process finds.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// A Record is a letter as the database knows it, sealed.
type Record struct {
	ID          post.LetterID
	Reference   string
	Tenant      post.TenantID
	Inquiry     post.InquiryID
	DigitalOnly bool // to the tenant's own contact point
	Registered  bool // on paper, by registered post
	Released    bool // no batch, or its batch is approved and neither paused nor stopped
	Stopped     bool // its batch was stopped
	Batch       post.BatchID
	Line        int // of the batch, from 1
	Policy      post.SigningPolicy
	State       post.LetterState
	Version     int64
	Channel     post.Channel
	Generation  int
	Code        string
	Failures    int
	Looks       int // unsure answers of the directory, since State was entered
	NotBefore   time.Time
	Arrive      post.Day  // latest day of arrival; "" is none
	Since       time.Time // when State was entered
	Recipient   []byte    // sealed
	Content     []byte    // sealed
	Manifest    []byte    // signed; nil until then
	Documents   []letter.Sealed
	Intent      *Intent // of (Channel, Generation), when committed
	// Former are the sealed addresses of the former generations on paper that
	// came back; an empty one went where the sender said.
	Former [][]byte

	run *run // what this run over the letter has opened; nil: nothing is kept
}

// An Intent is a hand-over that was decided: all that may differ between two
// renderings, and what they must come to.
type Intent struct {
	MessageID string
	// Carrier is who was to carry it, and who alone any retry goes to.
	Carrier   post.Carrier
	CreatedAt time.Time // whole seconds
	Size      int64
	SHA256    [32]byte
	Attempts  int
	Unsure    bool // some attempt had no clear answer
	Spared    int  // of Attempts, those that [Config.Resends] does not count ([Move.Spare])
	// Address is where it goes on paper, sealed, when a register was asked; empty:
	// the letter's own.
	Address string
}

// A Move takes a letter from the state that was read to another, as one
// compare-and-swap on (state, version) under the lease's fence.
type Move struct {
	Letter     post.LetterID
	Tenant     post.TenantID
	Batch      post.BatchID // that the letter came in; "" is none
	From       post.LetterState
	Version    int64
	Through    []Passage // entered on the way to To, in the same commit
	To         post.LetterState
	Channel    post.Channel
	Generation int
	Code       string
	Due        time.Time // when the next step is due; zero when none is
	Free       bool      // give the lease back
	Manifest   []byte    // when To or one of Through is signed
	Intent     *Intent   // kept when To is handing-over
	Answer     *Outcome  // what came of the hand-over of MessageID
	MessageID  string
	Unsure     bool // the hand-over may have been taken; sticks
	Spare      bool // the attempt says nothing of the doubt: it does not count as a repetition
}

// A Wait leaves a letter where it is until Due. A zero Due leaves that too.
// Its job stands with those of Road until it is leased again.
type Wait struct {
	Letter   post.LetterID
	Version  int64
	Code     string
	Failures int
	Looks    int // unsure answers of the directory, since the present state was entered
	Due      time.Time
	Road     string // what keeps the letter back; "" is nothing but time
	While    Halt   // what people have halted, when that keeps the letter back
}

// Store keeps letters and leases. Each method is one transaction, and answers
// [post.ErrStale] when the fence, the state or the version is not the newest;
// then it has changed nothing.
type Store interface {
	Lease(ctx context.Context, kind queue.Kind, id string, d time.Duration) (queue.Lease, bool, error)
	// LeaseDue leases due jobs that nobody holds, as [queue.Turns] deals them out:
	// the preferred one first, then lane by lane, of each tenant those that have been
	// due the longest.
	LeaseDue(ctx context.Context, c queue.Claim) ([]queue.Lease, error)
	// LetterForStep reads what the next step needs.
	LetterForStep(ctx context.Context, l queue.Lease) (Record, error)
	// MoveLetter moves the letter, with its ledger entry and its job. A move with an
	// Intent is refused with [ErrBatchHalted] when at its commit the letter's batch is
	// paused, stopped or not approved, and with [ErrRoadHalted] when its channel is
	// paused for its tenant; then it has changed nothing. Whoever pauses or stops is
	// answered when no commit that has not seen it is under way any more.
	MoveLetter(ctx context.Context, l queue.Lease, m Move) error
	// WaitLetter gives the lease back without moving the letter. A wait for the end of
	// a halt is refused with [ErrNotHalted] when at its commit the halt does not stand;
	// then it has changed nothing. Whoever lifts a halt wakes each letter whose wait was
	// committed before, and whatever commits later sees that it is lifted.
	WaitLetter(ctx context.Context, l queue.Lease, w Wait) error
}

// Blobs yields sealed bytes.
type Blobs interface {
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
}

// An Opener opens what was sealed to the dispatcher or under a data key of its
// own. An error that no retry can cure wraps [post.ErrPermanent].
type Opener interface {
	Small(sealed []byte) ([]byte, error)
	Payload(header []byte, payload io.Reader) (io.Reader, error)
}

// Signer signs manifests.
type Signer interface {
	Sign(m verify.Manifest) ([]byte, error)
}

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
	kept := run{of: &a.memory}
	defer kept.letGo()
	for range maxSteps {
		r, err := a.next(ctx, l, &kept)
		if errors.Is(err, post.ErrStale) || errors.Is(err, post.ErrNotFound) {
			return nil // another holder, or nothing left to do
		}
		if err != nil {
			return fmt.Errorf("advance letter %s: %w", id, err)
		}
		again, err := a.guarded(ctx, l, r)
		if errors.Is(err, post.ErrStale) {
			kept.ahead = nil
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

// route decides the channel. Paper only on a definite answer; an unsure one
// waits inside the budget, then a person is asked.
//
// Crash before commit: the look-up is done again; nothing has left. After: the
// channel stands, whatever a later look-up would say.
func (a *Advancer) route(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if r.DigitalOnly {
		return true, r.run.goOn(r, Move{To: post.LetterRouted, Channel: post.Digital, Generation: 1}, a.Now())
	}
	if halted, err := a.haltedWhole(ctx, l, r); halted || err != nil {
		return false, err
	}
	o, err := a.open(r)
	if err != nil {
		return false, err
	}
	reach := a.Directory.Look(ctx, a.tenants[r.Tenant], o.recipient)
	switch reach.Answer {
	case Reachable:
		a.warnLate(ctx, r, post.Digital)
		return true, r.run.goOn(r, Move{To: post.LetterRouted, Channel: post.Digital, Generation: 1, Code: reach.Code}, a.Now())
	case Unreachable:
		a.warnLate(ctx, r, post.Physical)
		return true, r.run.goOn(r, Move{To: post.LetterRouted, Channel: post.Physical, Generation: 1, Code: reach.Code}, a.Now())
	case Unsure: // whatever else it says is not definite either
	}
	return a.unsure(ctx, l, r, reach.Code)
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

func (a *Advancer) wait(ctx context.Context, l queue.Lease, r Record, code string, due time.Time) error {
	return a.waitFor(ctx, l, r, Wait{Code: code, Due: due})
}
