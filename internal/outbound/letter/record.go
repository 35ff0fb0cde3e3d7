package letter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// A View is what may be shown of a letter: ids, states and times, nothing of
// its content or its recipient.
type View struct {
	ID         post.LetterID    `json:"id"`
	Reference  string           `json:"reference"`
	Tenant     post.TenantID    `json:"tenant"`
	Batch      post.BatchID     `json:"batch,omitempty"`
	Line       int              `json:"line,omitempty"` // of the batch, from 1
	Inquiry    post.InquiryID   `json:"inquiry,omitempty"`
	State      post.LetterState `json:"state"`
	Channel    post.Channel     `json:"channel,omitempty"`
	Generation int              `json:"generation,omitempty"`
	// Code is the last reason: why it waits, was refused, or came back.
	Code string `json:"code,omitempty"`
	// MessageID is the carrier's name for the present hand-over: MeMo
	// messageUUID or print-job id; "" until the intent is committed.
	MessageID string `json:"message_id,omitempty"`
	// Carrier is who carries it; "" before the hand-over is decided.
	Carrier      post.Carrier `json:"carrier,omitempty"`
	Transmission string       `json:"transmission,omitempty"`
	Tracking     string       `json:"tracking,omitempty"`
	AcceptedAt   time.Time    `json:"accepted_at"`
	SignedAt     time.Time    `json:"signed_at,omitzero"`
	NotBefore    time.Time    `json:"not_before,omitzero"`
	// Since is when the present state was entered.
	Since time.Time `json:"since,omitzero"`
	// SentAt is when the present hand-over was decided; zero until then.
	SentAt time.Time `json:"sent_at,omitzero"`
	// Posting is the day on which a letter on paper that is not posted yet is
	// expected to be given to the post: from its hand-over, or as if it were
	// handed over now. Only [Desk.Show] says it.
	Posting post.Day `json:"posting_day,omitempty"`
	// Arrive is the latest day of arrival, and Timing what can be said of it now.
	Arrive post.Day `json:"arrive_by,omitempty"`
	Timing Timing   `json:"timing,omitempty"`
	Urgent bool     `json:"urgent,omitempty"`
	// Registered: on paper it goes by registered post.
	Registered bool `json:"registered,omitempty"`
	// HeldAt says since when nothing of it may be purged, and Hold why.
	HeldAt time.Time       `json:"held_at,omitzero"`
	Hold   post.HoldReason `json:"hold,omitempty"`
	// AvailableAt is when the letter became available in the mailbox, the
	// moment from which it counts as received (lov om Digital Post § 10).
	AvailableAt time.Time `json:"available_at,omitzero"`
	Events      []Event   `json:"events,omitempty"`
}

// An Event is one entry of a letter's timeline, as the ledger has it.
type Event struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Actor   string    `json:"actor,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Digest  string    `json:"digest,omitempty"`
}

// A Filter chooses letters. Zero fields choose all.
type Filter struct {
	Tenant post.TenantID // "" only for an operator
	Batch  post.BatchID
	State  post.LetterState
	// Waiting chooses the letters that wait for somebody: needs-person and
	// returned.
	Waiting bool
	// Held chooses the letters under a hold.
	Held bool
	// Carrier chooses those whose present hand-over it has, or is to have.
	Carrier post.Carrier
	// Since chooses those that came to their state then or later.
	Since time.Time
	// Reference chooses the one letter that bears it, in its canonical form.
	Reference string
	// Open chooses those that can be late at all: they wait for somebody or for a
	// carrier's word, or have a latest day, and their road has not ended.
	Open bool
	// AtWork chooses those that have been at work in this house since before then, with
	// Open those as well: nobody keeps them back, nobody else has them. One that is
	// tried again and again has been since its hand-over was decided.
	AtWork time.Time
	// Oldest orders by when the present state was entered, not by id.
	Oldest bool
	After  post.LetterID // letters that follow it in the order
	Limit  int           // 100 when 0, at most 1,000
}

// A Count says where the letters of a tenant stand. Accepted counts the ledger
// entries "letter.accepted", made once for each letter, so that a letter lost
// from the table shows: accepted = Σ states.
type Count struct {
	Tenant   post.TenantID            `json:"tenant"`
	Accepted int                      `json:"accepted"`
	States   map[post.LetterState]int `json:"states"`
}

// Sum returns the number of letters over all states.
func (c Count) Sum() int {
	n := 0
	for _, s := range c.States {
		n += s
	}
	return n
}

// Proof is what evidence of a letter is made of.
type Proof struct {
	View     View
	Manifest []byte // signed XML; nil until signed
	Receipts []CarrierReceipt
	Events   []verify.Entry // ledger bodies and salts, so that leaves can be recomputed
}

// CarrierReceipt is a carrier's word as it was matched, without its raw form.
type CarrierReceipt struct {
	Carrier   string    `json:"carrier"`
	EventID   string    `json:"event_id"`
	MessageID string    `json:"message_id"`
	Kind      string    `json:"kind"`
	At        time.Time `json:"at"`
	Code      string    `json:"code,omitempty"`
	Tracking  string    `json:"tracking,omitempty"`
	Verdict   string    `json:"verdict"`
}

// Records reads and decides. tenant "" means an operator, who sees every
// tenant's letters; a letter of another tenant is [post.ErrNotFound].
type Records interface {
	LetterView(ctx context.Context, tenant post.TenantID, id post.LetterID) (View, error)
	LetterList(ctx context.Context, f Filter) ([]View, error)
	LetterCounts(ctx context.Context, tenant post.TenantID) ([]Count, error)
	LetterProof(ctx context.Context, tenant post.TenantID, id post.LetterID) (Proof, error)
	// DecideLetter applies a person's decision as one transaction, or answers
	// [post.FaultLetterState] or [post.FaultMayBeDelivered] and changes nothing.
	DecideLetter(ctx context.Context, d Decided) (post.LetterState, error)
}

// Find returns the id of the letter that name means: its id, or the reference
// that it bears, in any way that [post.ParseReference] reads. Whatever is
// neither is [post.ErrNotFound]; whether a letter has that id is not looked at.
func (d *Desk) Find(ctx context.Context, tenant post.TenantID, name string) (post.LetterID, error) {
	if post.ValidUUID(name) {
		return post.LetterID(strings.ToLower(name)), nil
	}
	reference, ok := post.ParseReference(name)
	if !ok {
		return "", post.ErrNotFound
	}
	found, err := d.Records.LetterList(ctx, Filter{Tenant: tenant, Reference: reference, Limit: 1})
	if err != nil {
		return "", fmt.Errorf("find letter by its reference: %w", err)
	}
	if len(found) == 0 {
		return "", post.ErrNotFound
	}
	return found[0].ID, nil
}

// Show returns one letter with its timeline.
func (d *Desk) Show(ctx context.Context, tenant post.TenantID, id post.LetterID) (View, error) {
	v, err := d.Records.LetterView(ctx, tenant, id)
	if err != nil {
		return View{}, fmt.Errorf("show letter %s: %w", id, err)
	}
	return d.expected(d.timed(v)), nil
}

// timed says of a letter with a latest day whether it comes in time, as of now.
func (d *Desk) timed(v View) View {
	if b, ok := BudgetOf(v.Arrive, d.tenants[v.Tenant].TimesBy(v.paperBy())); ok {
		v.Timing = b.Timing(v, d.Now())
	}
	return v
}

// List returns letters without their timelines, ordered by id, or by how long
// they have stood where they are.
func (d *Desk) List(ctx context.Context, f Filter) ([]View, error) {
	vs, err := d.Records.LetterList(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list letters: %w", err)
	}
	for i, v := range vs {
		vs[i] = d.timed(v)
	}
	return vs, nil
}

// Counts returns one count for each tenant that has letters, or for tenant only.
func (d *Desk) Counts(ctx context.Context, tenant post.TenantID) ([]Count, error) {
	cs, err := d.Records.LetterCounts(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("count letters: %w", err)
	}
	return cs, nil
}

// Decision is what a person may decide about a letter.
type Decision string

// Decisions.
const (
	// Cancel takes a letter back before its hand-over.
	Cancel Decision = "cancel"
	// Retry lets a letter that needs a person go on where it stood, under the
	// same ids when it may have been handed over already, as a new generation
	// when the carrier took it and refused it for good.
	Retry Decision = "retry"
	// Print sends a letter on paper that has certainly not been delivered digitally.
	Print Decision = "print"
	// Reissue sends a returned letter again as a new generation.
	Reissue Decision = "reissue"
	// Close ends the road: nothing more is sent.
	Close Decision = "close"
)

// Decided is a decision with its maker.
type Decided struct {
	Tenant   post.TenantID
	Letter   post.LetterID
	Actor    post.ClientID
	Decision Decision
}

// ends is where the decisions that end a letter's road lead.
var ends = map[Decision]post.LetterState{Cancel: post.LetterCancelled, Close: post.LetterClosed}

// Decide applies a person's decision and returns the state reached. A letter whose
// road has ended as the decision would end it is left as it is, and that state is
// the answer: whoever asks again because the first answer was lost is told so.
func (d *Desk) Decide(ctx context.Context, in Decided) (post.LetterState, error) {
	s, err := d.Records.DecideLetter(ctx, in)
	if end, is := ends[in.Decision]; is && errors.Is(err, post.FaultLetterState) {
		if v, err := d.Records.LetterView(ctx, in.Tenant, in.Letter); err == nil && v.State == end {
			return end, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("decide letter %s: %w", in.Letter, err)
	}
	d.Log.InfoContext(ctx, "letter decided", slog.String("letter", string(in.Letter)), slog.String("decision", string(in.Decision)), slog.String("state", string(s)))
	d.ring(ctx, in.Letter, d.Now().UnixMicro()) // no sweeper counts that far: a ring of its own
	return s, nil
}
