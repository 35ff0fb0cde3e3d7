package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// handOver takes a routed letter, or one whose last attempt was not taken or
// unclear, to its carrier.
//
// Crash before the intent's commit: nothing has left; the next process renders
// anew. After it: handing-over, and the next process must take it that bytes
// went out ([Advancer.interrupted]). After the carrier's answer and before its
// commit: the same. After that commit: the answer stands.
func (a *Advancer) handOver(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if r.State == post.LetterOutcomeUnknown && r.Intent != nil && r.Intent.Attempts-r.Intent.Spared > a.Resends {
		return false, a.askPerson(ctx, l, r, code("outcome-unknown", r.Code))
	}
	in := Intent{Carrier: a.Roads.Chosen(r.Tenant, r.Channel), CreatedAt: a.Now().UTC().Truncate(time.Second)}
	if r.Intent != nil {
		in = *r.Intent
	}
	if r.Intent == nil && a.undeclared(r) {
		return false, a.askPerson(ctx, l, r, codeUndeclared)
	}
	ch := a.Roads.Channel(r.Tenant, r.Channel, in.Carrier)
	if ch == nil {
		return false, a.askPerson(ctx, l, r, code(codeCarrierGone, string(in.Carrier)))
	}
	if wait, reason := a.Gate.Enter(ctx, r.Tenant, r.Channel, in.Carrier); wait > 0 {
		return false, a.keepBack(ctx, l, r, reason, wait, roadOf(r.Channel, in.Carrier), r.Channel)
	}
	var verdict Verdict // of a hand-over that was begun
	defer func() { a.Gate.Leave(in.Carrier, verdict) }()
	p, ok, err := a.prepare(ctx, l, r, ch, &in)
	if err != nil || !ok {
		return false, err
	}
	in.Attempts++
	// The intent is committed before the first byte goes out.
	if err := a.move(ctx, l, r, Move{To: post.LetterHandingOver, Intent: &in, MessageID: in.MessageID, Due: a.Now()}); err != nil {
		if halted(err) {
			err = a.turnedBack(ctx, l, r, err, roadOf(r.Channel, in.Carrier))
		}
		return false, err
	}
	a.notePassed(r.State)
	r.State, r.Version, r.Intent = post.LetterHandingOver, r.Version+1, &in
	out := ch.HandOver(ctx, p.job, p.form)
	verdict = ofCarrier(ctx, out.Verdict)
	// The answer is recorded even when our own time is up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookTimeout)
	defer cancel()
	return a.settle(ctx, l, r, out, verdict != out.Verdict)
}

// prepared is what a hand-over gives to the carrier.
type prepared struct {
	job  Job
	form Form
}

// prepare opens r, checks all that was signed, finds the address and renders the form
// for ch. Nothing leaves here. A new intent gets its message id, size and digest; a
// committed one must have these, or the error is errForm. It reports false when the
// letter now waits or needs a person.
func (a *Advancer) prepare(ctx context.Context, l queue.Lease, r Record, ch Channel, in *Intent) (p prepared, ok bool, err error) {
	o, err := a.open(r)
	if err != nil {
		return p, false, err
	}
	m, err := a.check(ctx, r, o)
	if err != nil {
		return p, false, err
	}
	to, ok, err := a.addressed(ctx, l, r, o.recipient, in)
	if err != nil || !ok {
		return p, false, err
	}
	o.recipient = to // after what was signed is checked: an address found is not of the letter
	j := a.job(ctx, r, o, m, in.CreatedAt)
	if j.Thread, err = a.thread(ctx, r); err != nil {
		return p, false, err
	}
	rendered, sum, err := render(ctx, ch, j)
	if err != nil {
		return p, false, fmt.Errorf("render: %w", err)
	}
	if r.Intent == nil {
		in.MessageID, in.Size, in.SHA256 = j.MessageID, rendered.n, sum
	}
	if in.MessageID != j.MessageID || in.Size != rendered.n || in.SHA256 != sum {
		return p, false, errForm
	}
	want := *in
	return prepared{job: j, form: Form{Size: in.Size, SHA256: in.SHA256, Open: func() io.ReadCloser {
		if rendered.buf != nil { // the very bytes that were measured
			return rendered.buf.reader()
		}
		return form(ctx, ch, j, want)
	}}}, true, nil
}

// mostSpared bounds, in multiples of [Config.Resends], the attempts that are not
// counted before those that we broke off are: no letter is sent for ever because no
// process of ours lives long enough for it.
const mostSpared = 10

// ofCarrier is what a verdict says of the carrier: nothing, when it was we who
// broke off.
func ofCarrier(ctx context.Context, v Verdict) Verdict {
	if errors.Is(ctx.Err(), context.Canceled) && (v == Unknown || v == NotTaken) {
		return ""
	}
	return v
}

// settle records what came of a hand-over.
//
// Once any attempt was unclear, a later "not taken" or "refused" speaks only of
// the later attempt: the letter stays outcome-unknown until a receipt or a
// clear "taken" ends the doubt, or a person is asked.
//
// Before a person is asked the same is sent [Config.Resends] times. An attempt that
// we broke off ourselves (ours), or that was not taken while there was no doubt, is
// none of them: neither our restarts nor a carrier's outage may end in a question
// that only unclear answers justify. A process that died in one counts: the letter
// may be why. So does, at last, one that we break off again and again ([mostSpared]).
func (a *Advancer) settle(ctx context.Context, l queue.Lease, r Record, out Outcome, ours bool) (bool, error) {
	now := a.Now()
	if out.At.IsZero() {
		out.At = now
	}
	said := out.At
	var odd bool
	if out.At, odd = post.CarrierTime(said, r.Intent.CreatedAt, now); odd {
		a.Log.ErrorContext(ctx, "carrier's clock is odd", slog.String("carrier", string(r.Intent.Carrier)), slog.String("letter", string(r.ID)),
			slog.Time("said", said), slog.Time("taken_for", out.At))
	}
	m := Move{Code: code("", out.Code), Answer: &out, MessageID: r.Intent.MessageID, Free: true, Spare: ours && r.Intent.Spared < mostSpared*a.Resends}
	switch out.Verdict {
	case Taken:
		m.To, m.Due = post.LetterHandedOver, now.Add(a.Overdue)
	case RefusedContent:
		m.To, m.Code = post.LetterNeedsPerson, code("refused-content", out.Code)
	case NotTaken:
		m.To, m.Due = post.LetterNotTaken, now.Add(a.pause(r.Intent.Attempts))
		if r.Intent.Unsure {
			m.To = post.LetterOutcomeUnknown
		} else {
			m.Spare = true
		}
	case RefusedRecipient:
		switch {
		case r.Intent.Unsure:
			m.To, m.Due, m.Code = post.LetterOutcomeUnknown, now.Add(a.Quiet), code("refused-after-unknown", out.Code)
		case r.Channel == post.Digital:
			m.To, m.Due, m.Free = post.LetterRefused, now, false
		default:
			m.To, m.Code = post.LetterNeedsPerson, code("refused-recipient", out.Code)
		}
	default:
		m.To, m.Due, m.Unsure = post.LetterOutcomeUnknown, now.Add(max(a.Quiet, a.pause(r.Intent.Attempts))), true
	}
	return !m.Free, a.move(ctx, l, r, m)
}

// interrupted finds a letter whose hand-over was begun and not recorded: its
// process died. Bytes may have gone out, so it is unclear.
func (a *Advancer) interrupted(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	if r.Intent == nil {
		return false, fmt.Errorf("%w: handing over without an intent", post.ErrPermanent)
	}
	return false, a.move(ctx, l, r, Move{To: post.LetterOutcomeUnknown, Code: "interrupted",
		MessageID: r.Intent.MessageID, Unsure: true, Due: a.Now().Add(a.Quiet), Free: true})
}
