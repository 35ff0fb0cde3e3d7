package mailroom

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// Parked is a message that waits for a person. It says nothing of the message.
type Parked struct {
	ID     string
	Tenant post.TenantID // whose system received it
	Since  time.Time     // when it came
	Code   string        // why; a closed list
}

// MaxParked bounds one page of [Hands.List].
const MaxParked = 1000

// Drawer is where parked messages lie. Each method is one transaction; a message
// that is not there, or not parked, is [post.ErrNotFound].
type Drawer interface {
	// ListParkedMail returns up to n parked messages with ids after after, by id.
	ListParkedMail(ctx context.Context, after string, n int) ([]Parked, error)
	// FindParkedMail returns one.
	FindParkedMail(ctx context.Context, id string) (Parked, error)
	// RetryParkedMail lets a message be read again, and records e.
	// [post.FaultMailNotWhole] when it is cut or beside another under its id.
	RetryParkedMail(ctx context.Context, id string, e ledger.Event) error
	// FileParkedMail lets a message be read again as one to the DPO of its own
	// tenant, and records e. [post.FaultMailNotFiled] when an unknown contact
	// point is not its one fault.
	FileParkedMail(ctx context.Context, id string, e ledger.Event) error
	// CloseParkedMail closes a message and records what e makes of it; one that is
	// closed already it leaves, and says so. [post.FaultMailNotParked] for a
	// message that does not wait for a person.
	CloseParkedMail(ctx context.Context, id string, e func(Parked) ledger.Event) (p Parked, closed bool, err error)
}

// Hands are what operators may do about parked mail. They open nothing: what
// they decide is carried out by the program that can, after all of its checks.
type Hands struct {
	Drawer  Drawer
	Tenants []post.Tenant
	Log     *slog.Logger
}

// List returns a page of what is parked, in the order in which it came.
func (h *Hands) List(ctx context.Context, after string, n int) ([]Parked, error) {
	all, err := h.Drawer.ListParkedMail(ctx, after, min(max(n, 1), MaxParked))
	if err != nil {
		return nil, fmt.Errorf("list parked mail: %w", err)
	}
	return all, nil
}

// Retry lets a message be read again, as if it had just come: its checks are
// made anew, and it is parked again when it fails them.
func (h *Hands) Retry(ctx context.Context, actor post.ClientID, id string) (Parked, error) {
	p, err := h.Drawer.FindParkedMail(ctx, id)
	if err != nil {
		return p, fmt.Errorf("find mail %s: %w", id, err)
	}
	e := ledger.New("mail.retried", p.Tenant, id)
	e.Actor, e.Outcome = string(actor), p.Code
	if err := h.Drawer.RetryParkedMail(ctx, id, e); err != nil {
		return p, fmt.Errorf("retry mail %s: %w", id, err)
	}
	h.Log.InfoContext(ctx, "mail retried", slog.String("mail", id), slog.String("code", p.Code), slog.String("actor", string(actor)))
	return p, nil
}

// File puts a message to a contact point behind which no inbox stands into the
// inbox of its own municipality's DPO. Only that inbox can be named, so that a
// slip of the hand shows nobody what another authority was written; naming it is
// the operator's word that it was meant. Every other check is made as ever.
func (h *Hands) File(ctx context.Context, actor post.ClientID, id string, inbox post.InboxID) (Parked, error) {
	p, err := h.Drawer.FindParkedMail(ctx, id)
	if err != nil {
		return p, fmt.Errorf("find mail %s: %w", id, err)
	}
	var own post.InboxID
	for _, t := range h.Tenants {
		if t.ID == p.Tenant {
			own = t.Inbox
		}
	}
	if own == "" || inbox != own {
		return p, post.FaultMailInbox
	}
	e := ledger.New("mail.filed", p.Tenant, id)
	e.Actor, e.Outcome = string(actor), "inbox "+string(inbox)
	if err := h.Drawer.FileParkedMail(ctx, id, e); err != nil {
		return p, fmt.Errorf("file mail %s: %w", id, err)
	}
	h.Log.InfoContext(ctx, "mail filed", slog.String("mail", id), slog.String("inbox", string(inbox)), slog.String("actor", string(actor)))
	return p, nil
}
