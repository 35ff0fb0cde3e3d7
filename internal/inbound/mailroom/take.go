package mailroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// hold is how long a message that a process took in hand is left alone by the
// others; it is tried again after that time.
const hold = 2 * time.Minute

// Step makes inquiries of the messages that are kept and due.
func (r *Room) Step(ctx context.Context) error {
	for ctx.Err() == nil {
		all, err := r.Desk.ClaimMail(ctx, r.Now(), hold, 1)
		if err != nil {
			return fmt.Errorf("claim mail: %w", err)
		}
		if len(all) == 0 {
			return nil
		}
		for _, a := range all {
			r.one(ctx, a)
		}
	}
	return nil
}

// one takes or parks one message, or leaves it for later.
//
// Crash before the commit: it is kept still; sealed objects that no row names
// are left to retention. After: it is an inquiry.
func (r *Room) one(ctx context.Context, a Arrival) {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hold*9/10)
	defer cancel()
	if a.Attempts > MaxDeaths {
		r.park(ctx, a, codeBroke)
		return
	}
	for n := 1; r.take(ctx, a, n == intake.Drawings); n++ { // with another reference
	}
}

// take is [Room.one] of a message in hand. It answers again=true, with nothing
// done, when the reference that was drawn is taken and this was not the last.
func (r *Room) take(ctx context.Context, a Arrival, last bool) (again bool) {
	log := r.Log.With(slog.String("mail", a.ID), slog.String("tenant", string(a.Tenant)))
	t, code, err := r.survive(ctx, a)
	var bad *Unreadable
	switch {
	case errors.As(err, &bad):
		code = bad.Code
	case intake.Refused(err):
		code = "too-large"
		if errors.Is(err, post.FaultMalware) {
			code = "malware"
		}
	case err != nil:
		log.ErrorContext(ctx, "mail not taken", slog.Any("error", err))
		r.leave(ctx, a)
		return false
	}
	if code != "" {
		r.park(ctx, a, code)
		return false
	}
	if err := r.Desk.TakeMail(ctx, t); err != nil {
		switch taken := errors.Is(err, intake.ErrReferenceTaken); {
		case taken && !last, errors.Is(err, post.ErrStale):
			r.drop(ctx, t.Object.Blob)
			return taken
		}
		log.ErrorContext(ctx, "mail not taken", slog.Any("error", err))
		r.leave(ctx, a)
		return false
	}
	log.InfoContext(ctx, "mail taken", slog.String("inquiry", string(t.Inquiry.ID)), slog.String("inbox", string(t.Inbox)),
		slog.String("letter", string(t.Letter)))
	r.drop(ctx, a.Object.Blob)
	return false
}

// MaxDeaths is how often a message may be in hand when its process dies without
// a word, before it is taken to be the reason.
const MaxDeaths = 4

// codeBroke is a message whose reading broke this program.
const codeBroke = "broke-the-reader"

// codeOwn is an inquiry that we sent on and that came back.
const codeOwn = "own-message"

// survive is [Room.prepare], of which nothing remains but a code when the message
// breaks the code that reads it.
func (r *Room) survive(ctx context.Context, a Arrival) (t Taken, code string, err error) {
	defer func() {
		if p := recover(); p != nil {
			// Its value may hold what was read; the stack does not.
			r.Log.ErrorContext(ctx, "mail broke its reader", slog.String("mail", a.ID), slog.String("stack", string(debug.Stack())))
			t, code, err = Taken{}, codeBroke, nil
		}
	}()
	return r.prepare(ctx, a)
}

// leave records that the fault is ours, and the message is to be tried again.
func (r *Room) leave(ctx context.Context, a Arrival) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := r.Desk.LeaveMail(ctx, a.ID); err != nil {
		r.Log.WarnContext(ctx, "mail not left", slog.String("mail", a.ID), slog.Any("error", err))
	}
}

// leaveTimeout bounds the last word about a message when the program ends.
const leaveTimeout = 5 * time.Second

// park leaves a message to a person.
func (r *Room) park(ctx context.Context, a Arrival, code string) {
	e := ledger.New("mail.parked", a.Tenant, a.MessageID)
	e.Actor, e.Outcome = a.Carrier, code
	err := r.Desk.ParkMail(ctx, a.ID, code, e)
	if errors.Is(err, post.ErrStale) {
		return
	}
	log := r.Log.With(slog.String("mail", a.ID), slog.String("tenant", string(a.Tenant)), slog.String("code", code))
	if err != nil {
		log.ErrorContext(ctx, "mail not parked", slog.Any("error", err))
		return
	}
	log.ErrorContext(ctx, "mail parked for a person")
}

// prepare reads a message and seals the inquiry that it becomes. A code says
// why it is a person's to deal with.
func (r *Room) prepare(ctx context.Context, a Arrival) (t Taken, code string, err error) {
	c, err := r.read(ctx, a)
	if err != nil {
		return t, "", err
	}
	own, err := r.Desk.SentOn(ctx, a.Tenant, c.MessageID)
	if err != nil {
		return t, "", err
	}
	if own {
		return t, codeOwn, nil
	}
	point, known := r.points[strings.ToLower(c.ContactPoint)]
	if own := r.tenants[a.Tenant]; !known && a.Filed && len(r.Inboxes[own.Inbox]) > 0 {
		point, known = Point{Tenant: own.ID, Inbox: own.Inbox}, true
	}
	person, unknown := c.Person.Person()
	switch {
	case c.MessageID != a.MessageID:
		return t, "other-message-id", nil
	case c.RecipientID != string(r.tenants[a.Tenant].CVR):
		return t, "other-authority", nil
	case !known:
		return t, "unknown-contact-point", nil
	case point.Tenant != a.Tenant:
		return t, "other-contact-point", nil
	}
	if unknown != nil {
		return t, "", &Unreadable{"sender"} // its cause could quote a number
	}
	event := ledger.New("inquiry.accepted", a.Tenant, a.ID)
	event.Actor = "person"
	kind := point.Kind
	if kind == "" {
		kind = post.Question
	}
	q := intake.Inquiry{
		ID: post.InquiryID(a.ID), Reference: post.NewReference(), Tenant: a.Tenant, Road: post.ToDPO, Kind: kind,
		State: post.InquiryWaiting, AcceptedAt: a.At, DueAt: intake.Due(post.ToDPO, kind, received(c.Written, a.At)), Attachments: len(c.parts),
	}
	event.Outcome = string(q.State)
	t = Taken{Accepted: intake.Accepted{Inquiry: q, Inbox: point.Inbox, Event: event, PersonIndex: intake.PersonIndex(r.IndexKey, a.Tenant, person)}}
	answered := ""
	if t.Letter, answered, err = r.answers(ctx, a.Tenant, c, person); err != nil {
		return t, "", err
	}
	return t, "", r.seal(ctx, a, c, answered, &t)
}

// received is when Digital Post had a message that was written, by its sender's
// clock, at one time and stored here at another.
func received(written, stored time.Time) time.Time {
	switch earliest := stored.Add(-Deactivation); {
	case written.IsZero() || written.After(stored):
		return stored
	case written.Before(earliest):
		return earliest
	}
	return written
}

// maxAnswers bounds how many of the messages that a thread names are looked for.
const maxAnswers = 20

// answers returns the letter of ours that the message answers, and its
// reference. A thread is what its sender says it is: a letter that went to
// somebody else is not named.
func (r *Room) answers(ctx context.Context, tenant post.TenantID, c contents, person post.Person) (post.LetterID, string, error) {
	if len(c.Answers) == 0 {
		return "", "", nil
	}
	of, err := r.Desk.AnsweredLetter(ctx, tenant, c.Answers[:min(len(c.Answers), maxAnswers)])
	if errors.Is(err, post.ErrNotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	clear, err := r.Opener.Small(of.Recipient)
	if err != nil {
		return "", "", fmt.Errorf("open the recipient of letter %s: %w", of.Letter, err)
	}
	var to struct { // a recipient, or the person of an inquiry
		post.PartyRecord
		post.PersonRecord
	}
	if json.Unmarshal(clear, &to) != nil {
		return "", "", fmt.Errorf("read the recipient of letter %s: it is not readable", of.Letter) // the cause could quote it
	}
	if to.Actor.ID != "" {
		to.PartyRecord = to.Subject()
	}
	p, err := to.Party()
	if err != nil || p.IDType() != person.Subject().IDType() || p.RevealID() != person.Subject().RevealID() {
		return "", "", nil //nolint:nilerr // whoever it went to, it was not this sender
	}
	return of.Letter, of.Reference, nil
}

// seal fills in what t carries sealed or signed.
func (r *Room) seal(ctx context.Context, a Arrival, c contents, answered string, t *Taken) (err error) {
	q := &t.Inquiry
	message := seal.Message{
		Kind: q.Kind, Road: q.Road, Language: "da", Subject: intake.OneLine(c.Subject), Text: c.words(answered),
		Person: c.Person, AcceptedAt: q.AcceptedAt, Reference: q.Reference,
	}
	var parts []seal.Part
	for _, p := range c.parts {
		parts = append(parts, seal.Part{Name: p.name, MediaType: p.kind, Size: p.size,
			Open: func() (io.ReadCloser, error) { return r.attachment(ctx, a, p) }})
	}
	facts := seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: string(q.Tenant), Object: string(q.ID)}
	var digest [32]byte
	t.Object, err = seal.Stream(ctx, r.Blobs, r.Inboxes[t.Inbox], func(w io.Writer) (err error) {
		digest, err = seal.Pack(w, facts, message, parts)
		return err
	})
	if err != nil {
		return fmt.Errorf("seal inquiry: %w", err)
	}
	defer func() {
		if err != nil {
			r.drop(ctx, t.Object.Blob)
		}
	}()
	q.Digest = digest[:]
	person, err := json.Marshal(c.Person)
	if err != nil {
		return fmt.Errorf("encode person: %w", err)
	}
	if t.Person, err = seal.Small(person, r.Dispatcher); err != nil {
		return fmt.Errorf("seal person: %w", err)
	}
	if len(c.Thread) > 0 {
		if t.Thread, err = seal.Small(c.Thread, r.Dispatcher); err != nil {
			return fmt.Errorf("seal thread: %w", err)
		}
	}
	if t.Statement, t.Event.Digest, err = r.Sign(q.Statement()); err != nil {
		return fmt.Errorf("sign statement: %w", err)
	}
	return nil
}

// words is the text that the DPO reads: the letter's own, and what stands apart
// from it.
func (c contents) words(answered string) string {
	s := c.text
	switch {
	case s == "" && len(c.parts) == 0:
		s = "(Brevet er tomt.)"
	case s == "":
		s = "(Brevet er vedhæftet som fil.)"
	}
	if answered != "" {
		s = "(Svar på vores brev " + answered + ".)\n\n" + s
	}
	if c.unchecked > 0 {
		s += "\n\n(Filer af typen " + intake.Unchecked + " er ikke kontrolleret; åbn dem med omtanke.)"
	}
	return s
}

// signingLife is how long the ledger vouches for one key; no process lives longer.
const signingLife = 10 // years

// Signer returns a [Config.Sign] that signs with a key of its own. The key lives
// in this process only; the ledger's key vouches for it, and each receipt carries
// that voucher, so that it outlives the key.
func Signer(checkpoint note.Signer, now time.Time) (func(ledger.Statement) ([]byte, string, error), error) {
	secret, public, err := ledger.GenerateCheckpointKey(checkpoint.Name() + "/mail")
	if err != nil {
		return nil, err
	}
	key, err := note.NewSigner(secret)
	if err != nil {
		return nil, errors.New("make receipt key: it is not a note key") // the cause may hold the key
	}
	cert, err := ledger.CertifyReceiptKey(public, now.Add(-time.Minute), now.AddDate(signingLife, 0, 0), checkpoint)
	if err != nil {
		return nil, err
	}
	return func(s ledger.Statement) ([]byte, string, error) {
		signed, err := ledger.SignStatement(s, key)
		if err != nil {
			return nil, "", err
		}
		receipt, err := json.Marshal(intake.SignedReceipt{Statement: string(signed), Certificate: string(cert)})
		if err != nil {
			return nil, "", fmt.Errorf("encode receipt %s: %w", s.Inquiry, err)
		}
		return receipt, ledger.StatementDigest(signed), nil
	}, nil
}
