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
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
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
	Released    bool // no batch, or its batch is approved and neither paused nor stopped
	Batch       post.BatchID
	Line        int // of the batch, from 1
	Policy      post.SigningPolicy
	State       post.LetterState
	Version     int64
	Channel     post.Channel
	Generation  int
	Code        string
	Failures    int
	NotBefore   time.Time
	Since       time.Time // when State was entered
	Recipient   []byte    // sealed
	Content     []byte    // sealed
	Manifest    []byte    // signed; nil until then
	Documents   []letter.Sealed
	Intent      *Intent // of (Channel, Generation), when committed

	run *run // what this run over the letter has opened; nil: nothing is kept
}

// An Intent is a hand-over that was decided: all that may differ between two
// renderings, and what they must come to.
type Intent struct {
	MessageID string
	CreatedAt time.Time // whole seconds
	Size      int64
	SHA256    [32]byte
	Attempts  int
	Unsure    bool // some attempt had no clear answer
}

// A Move takes a letter from the state that was read to another, as one
// compare-and-swap on (state, version) under the lease's fence.
type Move struct {
	Letter     post.LetterID
	Tenant     post.TenantID
	From       post.LetterState
	Version    int64
	Through    post.LetterState // entered on the way to To, in the same commit; "" is none
	To         post.LetterState
	Channel    post.Channel
	Generation int
	Code       string
	Due        time.Time // when the next step is due; zero when none is
	Free       bool      // give the lease back
	Manifest   []byte    // when To or Through is signed
	Intent     *Intent   // kept when To is handing-over
	Answer     *Outcome  // what came of the hand-over of MessageID
	MessageID  string
	Unsure     bool // the hand-over may have been taken; sticks
}

// A Wait leaves a letter where it is until Due. A zero Due leaves that too.
type Wait struct {
	Letter   post.LetterID
	Version  int64
	Code     string
	Failures int
	Due      time.Time
}

// Store keeps letters and leases. Each method is one transaction, and answers
// [post.ErrStale] when the fence, the state or the version is not the newest;
// then it has changed nothing.
type Store interface {
	Lease(ctx context.Context, kind queue.Kind, id string, d time.Duration) (queue.Lease, bool, error)
	// LetterForStep reads what the next step needs.
	LetterForStep(ctx context.Context, l queue.Lease) (Record, error)
	// MoveLetter moves the letter, with its ledger entry and its job.
	MoveLetter(ctx context.Context, l queue.Lease, m Move) error
	// WaitLetter gives the lease back without moving the letter.
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

// Config is what an [Advancer] needs. Zero durations and counts take the
// values of [New].
type Config struct {
	Store     Store
	Blobs     Blobs
	Opener    Opener
	Signer    Signer
	Certs     []*x509.Certificate // that letters may be signed with
	Channels  map[post.Channel]Channel
	Directory Directory
	Roots     Roots // nil: no batch is signed as a whole
	Tenants   []post.Tenant
	Log       *slog.Logger

	// Gate keeps letters back from a carrier; nil: none is.
	Gate *Gate
	// Leases extends leases while work lasts; nil: LeaseTime bounds one run over
	// a letter, and a hand-over must fit in it.
	Leases Extender
	// LeaseTime is how long a dead process blocks its letters.
	LeaseTime time.Duration // 6 s with Leases, else 90 s
	// LookupBudget is how long an unsure look-up waits before a person is asked.
	LookupBudget time.Duration // 72 h
	// Quiet is how long after an unclear outcome the same is sent again.
	Quiet time.Duration // 2 min
	// Backoff is the first pause after a failure; it doubles up to 15 min.
	Backoff time.Duration // 5 s
	// Resends is how often an unclear hand-over is repeated before a person is asked.
	Resends int // 30
	// Poison is how many failures in a row make a letter need a person.
	Poison int // 8
	// Overdue is how long a hand-over may go without a receipt before it is
	// reported, again and again.
	Overdue time.Duration // 24 h

	// Check returns what a kept manifest proves, or an error that wraps
	// [verify.ErrNotProven]; nil is [verify.Signed] with Certs.
	Check func(manifest []byte) (verify.Manifest, error)
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Rand returns a duration in [0, n); nil is [rand.N].
	Rand func(n time.Duration) time.Duration
}

// Advancer takes letters from step to step.
type Advancer struct {
	Config
	tenants map[post.TenantID]post.Tenant
	batches batches
}

// New returns an advancer, or an error that names every gap of c.
func New(c Config) (*Advancer, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, errors.New("dispatch: "+what+" is required"))
		}
	}
	need(c.Store != nil, "Store")
	need(c.Blobs != nil, "Blobs")
	need(c.Opener != nil, "Opener")
	need(c.Signer != nil, "Signer")
	need(len(c.Certs) > 0 || c.Check != nil, "Certs")
	need(c.Channels[post.Digital] != nil, "Channels[digital]")
	need(c.Channels[post.Physical] != nil, "Channels[physical]")
	need(c.Directory != nil, "Directory")
	need(len(c.Tenants) > 0, "Tenants")
	need(c.Log != nil, "Log")
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	lease := longLease
	if c.Leases != nil {
		lease = shortLease
	}
	for _, d := range []struct {
		have *time.Duration
		def  time.Duration
	}{
		{&c.LeaseTime, lease}, {&c.LookupBudget, 72 * time.Hour}, {&c.Quiet, 2 * time.Minute},
		{&c.Backoff, 5 * time.Second}, {&c.Overdue, 24 * time.Hour},
	} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	if c.Check == nil {
		c.Check = func(manifest []byte) (verify.Manifest, error) { return verify.Signed(manifest, c.Certs) }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.N[time.Duration]
	}
	if c.Resends == 0 {
		c.Resends = 30
	}
	if c.Poison == 0 {
		c.Poison = 8
	}
	a := &Advancer{Config: c, tenants: map[post.TenantID]post.Tenant{}}
	for _, t := range c.Tenants {
		a.tenants[t.ID] = t
	}
	return a, nil
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
// Crash: the lease runs out and the sweeper rings again.
func (a *Advancer) Advance(ctx context.Context, id post.LetterID) error {
	l, ok, err := a.Store.Lease(ctx, queue.AdvanceLetter, string(id), a.LeaseTime)
	if err != nil || !ok {
		return err
	}
	ctx, end := a.hold(ctx, l)
	defer end()
	var kept run
	for range maxSteps {
		r, err := a.Store.LetterForStep(ctx, l)
		r.run = &kept
		if errors.Is(err, post.ErrStale) || errors.Is(err, post.ErrNotFound) {
			return nil // another holder, or nothing left to do
		}
		if err != nil {
			return fmt.Errorf("advance letter %s: %w", id, err)
		}
		again, err := a.step(ctx, l, r)
		if errors.Is(err, post.ErrStale) {
			continue // a receipt moved it meanwhile: read again
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
		return false, a.wait(ctx, l, r, batch.CodeHeld, a.Now().Add(holdTime))
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
		return true, a.move(ctx, l, r, Move{To: post.LetterAwaitingLookup, Due: a.Now()})
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

// holdTime is how long a letter of a paused batch rests; resuming wakes it.
const holdTime = time.Minute

// stayable reports whether a pause of its batch holds a letter where it is: no
// carrier has it, nor may have it.
func stayable(s post.LetterState) bool {
	switch s {
	case post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterNotTaken:
		return true
	}
	return false
}

// release lets an accepted letter go, or holds it for its date.
//
// Crash before commit: still accepted. After: held or ready, with its job.
func (a *Advancer) release(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if a.Now().Before(r.NotBefore) {
		return false, a.move(ctx, l, r, Move{To: post.LetterHeld, Code: "not-before", Due: r.NotBefore, Free: true})
	}
	return true, a.move(ctx, l, r, Move{To: post.LetterReady, Due: a.Now()})
}

func (a *Advancer) unhold(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if !r.Released {
		// No job exists before approval; should one ring, it waits.
		return false, a.wait(ctx, l, r, "approval", a.Now().Add(time.Hour))
	}
	if a.Now().Before(r.NotBefore) {
		return false, a.wait(ctx, l, r, "not-before", r.NotBefore)
	}
	return true, a.move(ctx, l, r, Move{To: post.LetterReady, Due: a.Now()})
}

// route decides the channel. Paper only on a definite answer; an unsure one
// waits inside the budget, then a person is asked.
//
// Crash before commit: the look-up is done again; nothing has left. After: the
// channel stands, whatever a later look-up would say.
func (a *Advancer) route(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if r.DigitalOnly {
		return true, a.move(ctx, l, r, Move{To: post.LetterRouted, Channel: post.Digital, Generation: 1, Due: a.Now()})
	}
	o, err := a.open(r)
	if err != nil {
		return false, err
	}
	reach := a.Directory.Look(ctx, a.tenants[r.Tenant], o.recipient)
	switch reach.Answer {
	case Reachable:
		return true, a.move(ctx, l, r, Move{To: post.LetterRouted, Channel: post.Digital, Generation: 1, Code: reach.Code, Due: a.Now()})
	case Unreachable:
		return true, a.move(ctx, l, r, Move{To: post.LetterRouted, Channel: post.Physical, Generation: 1, Code: reach.Code, Due: a.Now()})
	}
	if a.Now().Sub(r.Since) > a.LookupBudget {
		return false, a.askPerson(ctx, l, r, "lookup-unsure")
	}
	// The longer it has been unsure, the less often it is asked again.
	pause := max(a.Backoff, min(a.Now().Sub(r.Since)/2, mostPause))
	return false, a.wait(ctx, l, r, code("lookup", reach.Code), a.Now().Add(pause/2+a.Rand(pause/2+1)))
}

// refused sends a definite digital refusal on to paper. The print job has an
// id of its own, because its channel differs.
func (a *Advancer) refused(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if r.DigitalOnly {
		return false, a.askPerson(ctx, l, r, "refused-recipient")
	}
	return true, a.move(ctx, l, r, Move{To: post.LetterRouted, Channel: post.Physical, Generation: r.Generation, Code: r.Code, Due: a.Now()})
}

// overdue reports a hand-over that no receipt has ended. The letter stays: no
// receipt is no proof of anything.
func (a *Advancer) overdue(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if a.Now().Sub(r.Since) > a.Overdue {
		a.Log.WarnContext(ctx, "receipt overdue", slog.String("letter", string(r.ID)), slog.String("state", string(r.State)),
			slog.String("channel", string(r.Channel)), slog.Duration("for", a.Now().Sub(r.Since)))
	}
	return false, a.wait(ctx, l, r, r.Code, a.Now().Add(a.Overdue))
}

func (a *Advancer) askPerson(ctx context.Context, l queue.Lease, r Record, code string) error {
	a.Log.WarnContext(ctx, "letter needs a person", slog.String("letter", string(r.ID)), slog.String("state", string(r.State)), slog.String("code", code))
	return a.move(ctx, l, r, Move{To: post.LetterNeedsPerson, Code: code, Free: true})
}

// move completes m from r and commits it. Channel and generation stay unless m
// sets them.
func (a *Advancer) move(ctx context.Context, l queue.Lease, r Record, m Move) error {
	m.Letter, m.Tenant, m.From, m.Version = r.ID, r.Tenant, r.State, r.Version
	if m.Channel == "" {
		m.Channel, m.Generation = r.Channel, r.Generation
	}
	from := m.From
	if m.Through != "" {
		if !from.May(m.Through, m.Channel) {
			return fmt.Errorf("%w: letter may not go from %s to %s", post.ErrPermanent, from, m.Through)
		}
		from = m.Through
	}
	if !from.May(m.To, m.Channel) {
		return fmt.Errorf("%w: letter may not go from %s to %s", post.ErrPermanent, from, m.To)
	}
	if err := a.Store.MoveLetter(ctx, l, m); err != nil {
		return err
	}
	a.Log.InfoContext(ctx, "letter moved", slog.String("letter", string(r.ID)), slog.String("state", string(m.To)),
		slog.String("channel", string(m.Channel)), slog.Int("generation", m.Generation), slog.String("code", m.Code))
	return nil
}

func (a *Advancer) wait(ctx context.Context, l queue.Lease, r Record, code string, due time.Time) error {
	return a.Store.WaitLetter(ctx, l, Wait{Letter: r.ID, Version: r.Version, Code: code, Failures: r.Failures, Due: due})
}

// fail counts a failed step. What cannot be cured, or fails again and again,
// needs a person, where the table allows it; else it waits and is tried again.
// An end of the caller's context is no failure of the letter.
func (a *Advancer) fail(ctx context.Context, l queue.Lease, r Record, cause error) error {
	ended := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookTimeout)
	defer cancel()
	if !ended {
		r.Failures++
	}
	a.Log.ErrorContext(ctx, "step failed", slog.String("letter", string(r.ID)), slog.String("state", string(r.State)),
		slog.Int("failures", r.Failures), slog.Any("error", cause))
	var err error
	if reason := failureCode(cause); r.State.May(post.LetterNeedsPerson, r.Channel) &&
		(errors.Is(cause, post.ErrPermanent) || errors.Is(cause, verify.ErrNotProven) || r.Failures >= a.Poison) {
		err = a.askPerson(ctx, l, r, reason)
	} else {
		err = a.wait(ctx, l, r, reason, a.Now().Add(a.pause(r.Failures)))
	}
	if err != nil && !errors.Is(err, post.ErrStale) {
		return fmt.Errorf("record failure of letter %s: %w", r.ID, err)
	}
	return nil
}

// errForm says that a form would differ from its committed intent.
var errForm = fmt.Errorf("%w: the rendered form differs from the committed one", post.ErrPermanent)

func failureCode(err error) string {
	switch {
	case errors.Is(err, errForm):
		return "form-changed"
	case errors.Is(err, verify.ErrNotProven):
		return "not-proven"
	case errors.Is(err, post.ErrPermanent):
		return "refused-by-rule"
	}
	return "step-failed"
}

// mostPause bounds every back-off: an outage that ends is noticed this soon.
const mostPause = 15 * time.Minute

// pause returns a jittered back-off for the n-th failure in a row.
func (a *Advancer) pause(n int) time.Duration {
	d := a.Backoff << min(max(n-1, 0), 20)
	if d <= 0 || d > mostPause {
		d = mostPause
	}
	return d/2 + a.Rand(d/2+1)
}

// code joins our prefix and a carrier's own word, kept short and plain.
func code(prefix, word string) string {
	clean := make([]byte, 0, 64)
	for i := 0; i < len(word) && len(clean) < 64; i++ {
		switch c := word[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == ' ':
			clean = append(clean, c)
		}
	}
	switch {
	case len(clean) == 0:
		return prefix
	case prefix == "":
		return string(clean)
	}
	return prefix + ": " + string(clean)
}
