package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
)

var _ login.ArchiveStore = (*Store)(nil)

// KeepMessage implements [login.ArchiveStore].
func (s *Store) KeepMessage(ctx context.Context, m login.Sealed) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT INTO login_message (id, at, out, kind, request, outcome, sealed, expires_at)
			 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			m.ID, micros(m.At), m.Out, m.Kind, m.Request, m.Outcome, m.Body, micros(m.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep log-in message %s: %w", m.ID, err)
	}
	return nil
}

// PurgeMessages implements [login.ArchiveStore].
func (s *Store) PurgeMessages(ctx context.Context, now time.Time, n int) (int, error) {
	var gone int64
	err := s.tx(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx,
			`DELETE FROM login_message WHERE id IN
			 (SELECT id FROM login_message WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, micros(now), n)
		if err != nil {
			return err
		}
		gone, err = done.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge log-in messages: %w", err)
	}
	return int(gone), nil
}
