package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ letter.Holds = (*Store)(nil)

// HoldLetter implements [letter.Holds]. The hold stands in the letter's own row:
// a purge of the same moment comes wholly before it or finds it.
func (s *Store) HoldLetter(ctx context.Context, h letter.Hold) (since time.Time, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		owner, state, held, reason, err := holdRow(ctx, tx, h)
		if err != nil {
			return err
		}
		if state == post.LetterPurged {
			return post.FaultNothingToHold
		}
		if since = fromMicros(held); held > 0 && reason == h.Reason {
			return nil
		}
		if held == 0 {
			since = fromMicros(micros(time.Now()))
		}
		if err := swap(ctx, tx, `UPDATE letter SET hold_at = $1, hold_reason = $2 WHERE id = $3 AND state <> $4`,
			micros(since), string(h.Reason), string(h.Letter), string(post.LetterPurged)); err != nil {
			return err
		}
		// A purge of the inquiry that it answers waits for us, or we for it.
		if _, err := exec(ctx, tx, `UPDATE inquiry SET settled_at = settled_at WHERE id IN (SELECT inquiry FROM letter WHERE id = $1)`,
			string(h.Letter)); err != nil {
			return err
		}
		return recordHold(ctx, tx, letter.EventHeld, owner, h)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("hold letter %s: %w", h.Letter, err)
	}
	return since, nil
}

// UnholdLetter implements [letter.Holds].
func (s *Store) UnholdLetter(ctx context.Context, h letter.Hold) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		owner, _, held, _, err := holdRow(ctx, tx, h)
		if err != nil || held == 0 {
			return err
		}
		if err := swap(ctx, tx, `UPDATE letter SET hold_at = 0, hold_reason = '' WHERE id = $1 AND hold_at > 0`, string(h.Letter)); err != nil {
			return err
		}
		return recordHold(ctx, tx, letter.EventLifted, owner, h)
	})
	if err != nil {
		return fmt.Errorf("unhold letter %s: %w", h.Letter, err)
	}
	return nil
}

func holdRow(ctx context.Context, tx *sql.Tx, h letter.Hold) (owner post.TenantID, state post.LetterState, held int64, reason post.HoldReason, err error) {
	err = tx.QueryRowContext(ctx, `SELECT tenant, state, hold_at, hold_reason FROM letter WHERE id = $1 AND ($2 = '' OR tenant = $2)`,
		string(h.Letter), string(h.Tenant)).Scan(&owner, &state, &held, &reason)
	if errors.Is(err, sql.ErrNoRows) {
		err = post.ErrNotFound
	}
	return owner, state, held, reason, err
}

func recordHold(ctx context.Context, tx *sql.Tx, kind string, owner post.TenantID, h letter.Hold) error {
	e := ledger.New(kind, owner, string(h.Letter))
	e.Actor, e.Outcome = string(h.Actor), string(h.Reason)
	return record(ctx, tx, e)
}
