package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

// mailClosed is the state of a message that a person has dealt with; due_at is
// since when.
const mailClosed = "closed"

// CloseParkedMail implements [mailroom.Drawer].
func (s *Store) CloseParkedMail(ctx context.Context, id string, e func(mailroom.Parked) ledger.Event) (p mailroom.Parked, closed bool, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		var at int64
		var state string
		err := tx.QueryRowContext(ctx, `SELECT id, tenant, received_at, code, state FROM mail WHERE id = $1`, id).Scan(&p.ID, &p.Tenant, &at, &p.Code, &state)
		p.Since = fromMicros(at)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return post.ErrNotFound
		case err != nil:
			return err
		case state == mailClosed:
			return nil
		case state != mailParked:
			return post.FaultMailNotParked
		}
		if err := swap(ctx, tx, `UPDATE mail SET state = $1, due_at = $2 WHERE id = $3 AND state = $4`, mailClosed, micros(time.Now()), id, mailParked); err != nil {
			return err
		}
		closed = true
		return record(ctx, tx, e(p))
	})
	if err != nil {
		return p, false, fmt.Errorf("close mail %s: %w", id, err)
	}
	return p, closed, nil
}

// MailShelf returns the messages that a person has closed and that are still here
// as they came, for retention. Seal and bytes go; the row stays, so that the same
// message, delivered again, is known.
func (s *Store) MailShelf(of Whose) retention.Shelf { return mailShelf{s, of} }

type mailShelf struct {
	s  *Store
	of Whose
}

// Overdue implements [retention.Shelf].
func (h mailShelf) Overdue(ctx context.Context, before time.Time, n int) ([]retention.Item, error) {
	whose, args := h.of.and(3)
	items, err := overdue(ctx, h.s.read, `SELECT id, tenant, due_at FROM mail WHERE state = 'closed' AND blob <> '' AND due_at <= $1`+whose+`
		 ORDER BY due_at, id LIMIT $2`, append([]any{micros(before), n}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("find overdue mail: %w", err)
	}
	return items, nil
}

// Purge implements [retention.Shelf].
func (h mailShelf) Purge(ctx context.Context, item retention.Item, before time.Time) (blobs []string, err error) {
	err = h.s.tx(ctx, func(tx *sql.Tx) error {
		var blob string
		err := tx.QueryRowContext(ctx, `SELECT blob FROM mail WHERE id = $1 AND state = 'closed' AND due_at <= $2 AND blob <> ''`, item.ID, micros(before)).Scan(&blob)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrStale
		}
		if err != nil {
			return err
		}
		if err := swap(ctx, tx, `UPDATE mail SET header = $2, blob = '' WHERE id = $1 AND state = 'closed' AND blob <> ''`, item.ID, []byte{}); err != nil {
			return err
		}
		blobs = []string{blob}
		e := ledger.New("mail.purged", post.TenantID(item.Tenant), item.ID)
		e.Actor = "retention"
		return record(ctx, tx, e)
	})
	if err != nil {
		return nil, fmt.Errorf("purge mail %s: %w", item.ID, err)
	}
	return blobs, nil
}
