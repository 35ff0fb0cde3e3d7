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
)

var _ mailroom.Drawer = (*Store)(nil)

// mailFiled is the code of a kept message that an operator filed.
const mailFiled = "filed"

// ListParkedMail implements [mailroom.Drawer]. Ids are in the order of coming.
func (s *Store) ListParkedMail(ctx context.Context, after string, n int) ([]mailroom.Parked, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT id, tenant, received_at, code FROM mail WHERE state = 'parked' AND id > $1 ORDER BY id LIMIT $2`, after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []mailroom.Parked
	for rows.Next() {
		p, err := scanParked(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

func scanParked(scan func(...any) error) (p mailroom.Parked, err error) {
	var at int64
	err = scan(&p.ID, &p.Tenant, &at, &p.Code)
	p.Since = fromMicros(at)
	return p, err
}

// FindParkedMail implements [mailroom.Drawer].
func (s *Store) FindParkedMail(ctx context.Context, id string) (mailroom.Parked, error) {
	p, err := scanParked(s.read.QueryRowContext(ctx, `SELECT id, tenant, received_at, code FROM mail WHERE state = 'parked' AND id = $1`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return p, post.ErrNotFound
	}
	return p, err
}

// RetryParkedMail implements [mailroom.Drawer].
func (s *Store) RetryParkedMail(ctx context.Context, id string, e ledger.Event) error {
	return s.unpark(ctx, id, "", e, func(cut int, code string) error {
		if cut == 1 || code == mailOther {
			return post.FaultMailNotWhole
		}
		return nil
	})
}

// FileParkedMail implements [mailroom.Drawer].
func (s *Store) FileParkedMail(ctx context.Context, id string, e ledger.Event) error {
	return s.unpark(ctx, id, mailFiled, e, func(cut int, code string) error {
		if cut == 1 || code != "unknown-contact-point" {
			return post.FaultMailNotFiled
		}
		return nil
	})
}

// unpark makes a parked message kept again, when may says so.
func (s *Store) unpark(ctx context.Context, id, code string, e ledger.Event, may func(cut int, code string) error) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var cut int
		var was string
		err := tx.QueryRowContext(ctx, `SELECT cut, code FROM mail WHERE id = $1 AND state = 'parked'`, id).Scan(&cut, &was)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrNotFound
		}
		if err == nil {
			err = may(cut, was)
		}
		if err != nil {
			return err
		}
		if err := swap(ctx, tx, `UPDATE mail SET state = 'kept', code = $1, due_at = $2, attempts = 0 WHERE id = $3 AND state = 'parked' AND code = $4`,
			code, micros(time.Now()), id, was); err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("unpark mail %s: %w", id, err)
	}
	return nil
}
