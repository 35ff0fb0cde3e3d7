package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// What a person makes of a parked receipt.
const (
	// Again: it is read once more from its own form, and then waits.
	Again Verdict = "again"
	// Closed: a person has dealt with it; it stays stored as it came.
	Closed Verdict = "closed"
)

// CloseReasons are why a parked receipt needs nobody any more.
var CloseReasons = []string{
	"resolved",      // what it says was dealt with
	"not-ours",      // it speaks of no letter of this house
	"carrier-error", // the carrier says that it sent it by mistake
	"duplicate",     // another receipt says the same
	"meaningless",   // neither we nor the carrier can make sense of it
}

// A ReceiptID names a receipt: its carrier, and the carrier's own id of the event.
type ReceiptID struct{ Carrier, Event string }

// ParseReceiptID reads an id as [ReceiptID.String] writes it.
func ParseReceiptID(s string) (ReceiptID, error) {
	carrier, event, ok := strings.Cut(s, "/")
	if !ok || carrier == "" || event == "" {
		return ReceiptID{}, post.ErrNotFound
	}
	return ReceiptID{carrier, event}, nil
}

// String writes carrier and event with a slash between; no carrier has one.
func (id ReceiptID) String() string { return id.Carrier + "/" + id.Event }

// Kept is a receipt as it is stored, with nothing that names a person.
type Kept struct {
	ID        ReceiptID
	Tenant    post.TenantID // of its letter, else whose system it came to; "" when neither is known
	Letter    post.LetterID // "" when it is tied to none
	State     post.LetterState
	MessageID string
	Kind      Kind
	Code      string    // the carrier's
	At        time.Time // the carrier's
	Since     time.Time // when it came
	Verdict   Verdict
	Reason    string // why it is parked
	Tracking  bool   // it bears a tracking number
	Size      int64  // bytes of its own form, sealed; 0 when that was purged
}

// Word is why it is parked, as one word.
func (k Kept) Word() string { return strings.ReplaceAll(k.Reason, " ", "-") }

// A ParkedPage asks for a page of what is parked, in the order in which it came.
type ParkedPage struct {
	Word   string        // "" is every one
	Tenant post.TenantID // "" is every one
	After  *ReceiptID    // nil is the beginning
	Limit  int
}

// Drawer is where parked receipts lie. Each method is one transaction.
type Drawer interface {
	// ListParkedReceipts returns a page. An After that is unknown is
	// [post.ErrNotFound].
	ListParkedReceipts(ctx context.Context, p ParkedPage) ([]Kept, error)
	// FindReceipt returns one, parked or not, or [post.ErrNotFound].
	FindReceipt(ctx context.Context, id ReceiptID) (Kept, error)
	// SettleParked gives those receipts that are still parked their verdict and
	// records the event of each; the others it leaves, and says how many it did.
	SettleParked(ctx context.Context, all []HandSettled) (int, error)
}

// A HandSettled is what a person decided about one receipt.
type HandSettled struct {
	ID      ReceiptID
	Verdict Verdict // Waiting, Again or Closed
	Event   ledger.Event
}

// MaxParked bounds one page.
const MaxParked = 500

// Hands are what operators may do about parked receipts. They open nothing and
// move no letter: one that is tried again is judged as if it had just come, by
// the matcher and its rules, and parked again when it is no better.
type Hands struct {
	Drawer Drawer
	Log    *slog.Logger
}

// List returns a page of what is parked.
func (h *Hands) List(ctx context.Context, p ParkedPage) ([]Kept, error) {
	p.Limit = min(max(p.Limit, 1), MaxParked)
	all, err := h.Drawer.ListParkedReceipts(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("list parked receipts: %w", err)
	}
	return all, nil
}

// Show returns one receipt.
func (h *Hands) Show(ctx context.Context, id ReceiptID) (Kept, error) {
	k, err := h.Drawer.FindReceipt(ctx, id)
	if err != nil {
		return k, fmt.Errorf("find receipt: %w", err)
	}
	return k, nil
}

// again says how a receipt is tried again: what could not be read is read anew,
// everything else is only judged anew. [post.FaultReceiptGone] when there is
// nothing left to read.
func again(k Kept) (Verdict, error) {
	switch {
	case k.Kind != Unreadable:
		return Waiting, nil
	case k.Size == 0:
		return "", post.FaultReceiptGone
	}
	return Again, nil
}

// Retry lets one be tried again. One that is being tried already stays so.
func (h *Hands) Retry(ctx context.Context, actor post.ClientID, id ReceiptID) (Kept, error) {
	k, err := h.Show(ctx, id)
	if err != nil || k.Verdict == Waiting || k.Verdict == Again {
		return k, err
	}
	if k.Verdict != Parked {
		return k, post.FaultReceiptNotParked
	}
	v, err := again(k)
	if err != nil {
		return k, err
	}
	return h.one(ctx, k, v, event("receipt.retried", actor, k, k.Word()))
}

// Close says that one needs nobody any more. One that is closed stays so.
func (h *Hands) Close(ctx context.Context, actor post.ClientID, id ReceiptID, reason string) (Kept, error) {
	if !slices.Contains(CloseReasons, reason) {
		return Kept{}, fmt.Errorf("close receipt: %w: reason", post.ErrPermanent)
	}
	k, err := h.Show(ctx, id)
	if err != nil || k.Verdict == Closed {
		return k, err
	}
	if k.Verdict != Parked {
		return k, post.FaultReceiptNotParked
	}
	return h.one(ctx, k, Closed, event("receipt.closed", actor, k, reason+" (was "+k.Word()+")"))
}

func (h *Hands) one(ctx context.Context, k Kept, v Verdict, e ledger.Event) (Kept, error) {
	n, err := h.Drawer.SettleParked(ctx, []HandSettled{{k.ID, v, e}})
	if err != nil {
		return k, fmt.Errorf("%s: %w", e.Kind, err)
	}
	if n == 0 { // somebody was quicker; what they did is told
		return h.Show(ctx, k.ID)
	}
	h.Log.InfoContext(ctx, "parked receipt handled", slog.String("act", e.Kind), slog.String("carrier", k.ID.Carrier),
		slog.String("event", k.ID.Event), slog.String("actor", e.Actor), slog.String("outcome", e.Outcome))
	k.Verdict = v
	return k, nil
}

// Retried is what became of a page that was tried again.
type Retried struct {
	Tried   int
	LeftOut int        // their own form is gone: nothing can be read anew
	Next    *ReceiptID // where the next page begins; nil when there is none
}

// RetryAll lets a page of those with one word be tried again, as one
// transaction. [post.FaultReceiptCode] when the first page holds none.
func (h *Hands) RetryAll(ctx context.Context, actor post.ClientID, p ParkedPage) (out Retried, err error) {
	page, err := h.List(ctx, p)
	if err != nil {
		return out, err
	}
	if len(page) == 0 && p.After == nil {
		return out, post.FaultReceiptCode
	}
	var all []HandSettled
	for _, k := range page {
		v, err := again(k)
		if errors.Is(err, post.FaultReceiptGone) {
			out.LeftOut++
			continue
		}
		all = append(all, HandSettled{k.ID, v, event("receipt.retried", actor, k, k.Word())})
	}
	if out.Tried, err = h.Drawer.SettleParked(ctx, all); err != nil {
		return Retried{}, fmt.Errorf("retry parked receipts: %w", err)
	}
	if len(page) == min(max(p.Limit, 1), MaxParked) {
		out.Next = &page[len(page)-1].ID
	}
	h.Log.InfoContext(ctx, "parked receipts retried", slog.String("code", p.Word), slog.Int("receipts", out.Tried), slog.String("actor", string(actor)))
	return out, nil
}

// event is about the letter when there is one, so that it is read with it.
func event(kind string, actor post.ClientID, k Kept, outcome string) ledger.Event {
	subject := string(k.Letter)
	if subject == "" {
		subject = k.ID.String()
	}
	e := ledger.New(kind, k.Tenant, subject)
	e.Actor, e.Outcome = string(actor), outcome
	if k.Letter != "" {
		e.Outcome = k.ID.String() + " " + outcome
	}
	return e
}
