package letter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Events of a hold, about the letter, in the ledger.
const (
	EventHeld   = "hold.placed"
	EventLifted = "hold.lifted"
)

// A Hold keeps a letter, its documents, its carriers' receipts and the inquiry
// that it answers from being purged, however old they are.
type Hold struct {
	Tenant post.TenantID // "" is an operator's
	Letter post.LetterID
	Actor  post.ClientID
	Reason post.HoldReason // of placing it, or of lifting it
}

// Holds keeps holds. Each method is one transaction with its ledger event, and
// answers [post.ErrNotFound] for another tenant's letter.
type Holds interface {
	// HoldLetter puts a letter on hold. One on hold for the same reason stays as
	// it is; for another reason the newer one counts. A purged letter is
	// [post.FaultNothingToHold].
	HoldLetter(ctx context.Context, h Hold) (since time.Time, err error)
	// UnholdLetter lifts the hold; a letter without one stays as it is.
	UnholdLetter(ctx context.Context, h Hold) error
}

// Hold puts a letter on hold and returns since when it is.
func (d *Desk) Hold(ctx context.Context, h Hold) (since time.Time, err error) {
	if err := d.mayHold(h); err != nil {
		return time.Time{}, err
	}
	if since, err = d.Holds.HoldLetter(ctx, h); err != nil {
		return time.Time{}, fmt.Errorf("hold letter %s: %w", h.Letter, err)
	}
	d.Log.InfoContext(ctx, "letter held", slog.String("letter", string(h.Letter)), slog.String("client", string(h.Actor)), slog.String("reason", string(h.Reason)))
	return since, nil
}

// Unhold lifts a hold.
func (d *Desk) Unhold(ctx context.Context, h Hold) error {
	if err := d.mayHold(h); err != nil {
		return err
	}
	if err := d.Holds.UnholdLetter(ctx, h); err != nil {
		return fmt.Errorf("unhold letter %s: %w", h.Letter, err)
	}
	d.Log.InfoContext(ctx, "hold lifted", slog.String("letter", string(h.Letter)), slog.String("client", string(h.Actor)), slog.String("reason", string(h.Reason)))
	return nil
}

func (d *Desk) mayHold(h Hold) error {
	if !h.Reason.Known() {
		return post.FaultHoldReason
	}
	if d.Holds == nil {
		return errors.New("letter: Holds is required to place or lift a hold")
	}
	return nil
}
