package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// ClaimAnswer takes an Idempotency-Key for a request that begins now. It
// answers [post.ErrStale] while another request claims it since after stale;
// or the kept answer (status > 0); or a claim.
func (s *Store) ClaimAnswer(ctx context.Context, client, key string, now, stale time.Time) (claim int64, request []byte, status int, answer []byte, err error) {
	// status 0 is a claim; its time is the claim's name. One statement claims; the
	// other only reads who was first.
	claim = micros(now)
	n, err := s.single(ctx,
		`INSERT INTO idempotency (client, key, request, status, answer, at) VALUES ($1, $2, $3, 0, $3, $4)
		 ON CONFLICT (client, key) DO UPDATE SET at = excluded.at
		 WHERE idempotency.status = 0 AND idempotency.at <= $5`,
		client, key, []byte{}, claim, micros(stale))
	if err == nil && n == 0 {
		err = s.read.QueryRowContext(ctx, `SELECT request, status, answer FROM idempotency WHERE client = $1 AND key = $2`,
			client, key).Scan(&request, &status, &answer)
		if errors.Is(err, sql.ErrNoRows) || err == nil && status == 0 {
			err = post.ErrStale
		}
	}
	if err != nil {
		return 0, nil, 0, nil, fmt.Errorf("claim answer: %w", err)
	}
	return claim, request, status, answer, nil
}

// KeepAnswer ends a claim with the answer of a request. A claim that somebody
// took over changes nothing.
func (s *Store) KeepAnswer(ctx context.Context, client, key string, claim int64, request []byte, status int, answer []byte) error {
	if answer == nil {
		answer = []byte{}
	}
	_, err := s.single(ctx,
		`UPDATE idempotency SET request = $1, status = $2, answer = $3
		 WHERE client = $4 AND key = $5 AND status = 0 AND at = $6`,
		request, status, answer, client, key, claim)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// DropAnswer gives a claim up: nothing happened, and the key may be used again.
func (s *Store) DropAnswer(ctx context.Context, client, key string, claim int64) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`DELETE FROM idempotency WHERE client = $1 AND key = $2 AND status = 0 AND at = $3`, client, key, claim)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop answer: %w", err)
	}
	return nil
}

// ForgetAnswers drops the answers and claims from before a time, a thousand at
// once. What their requests did stays known by the records' own keys.
func (s *Store) ForgetAnswers(ctx context.Context, before time.Time) error {
	for {
		var n int64
		err := s.tx(ctx, func(tx *sql.Tx) (err error) {
			n, err = exec(ctx, tx, `DELETE FROM idempotency WHERE (client, key) IN (
			     SELECT client, key FROM idempotency WHERE at < $1 LIMIT 1000)`, micros(before))
			return err
		})
		if err != nil {
			return fmt.Errorf("forget answers: %w", err)
		}
		if n < 1000 {
			return nil
		}
	}
}
