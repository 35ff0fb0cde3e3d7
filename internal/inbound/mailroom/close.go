package mailroom

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// CloseReasons are why a parked message needs nobody any more.
var CloseReasons = []string{
	"answered",   // its sender was written to
	"sent-again", // the sender sent another, which was taken
	"harmful",    // malware, or abuse
	"not-ours",   // it was meant for another authority, which was told
	"duplicate",  // another message says the same
}

// Close says that a parked message needs nobody any more. It leaves the alarm and
// stays stored, sealed as it came, for as long as a closed inquiry does; the same
// message, delivered again, is known. Closing it again changes nothing.
func (h *Hands) Close(ctx context.Context, actor post.ClientID, id, reason string) (Parked, error) {
	if !slices.Contains(CloseReasons, reason) {
		return Parked{}, fmt.Errorf("close mail %s: %w: reason", id, post.ErrPermanent)
	}
	e := ledger.New("mail.closed", "", id)
	e.Actor = string(actor)
	p, closed, err := h.Drawer.CloseParkedMail(ctx, id, func(p Parked) ledger.Event {
		e.Tenant, e.Outcome = p.Tenant, reason+" (was "+p.Code+")"
		return e
	})
	if err != nil {
		return p, fmt.Errorf("close mail %s: %w", id, err)
	}
	if closed {
		h.Log.InfoContext(ctx, "mail closed", slog.String("mail", id), slog.String("code", p.Code), slog.String("reason", reason), slog.String("actor", string(actor)))
	}
	return p, nil
}
