package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ ledger.Store       = (*Store)(nil)
	_ ledger.ProofSource = (*Store)(nil)
)

// HoldSole takes or renews a sole right. See [ledger.Store].
func (s *Store) HoldSole(ctx context.Context, name, owner string, d time.Duration) (fence int64, ok bool, err error) {
	now := time.Now()
	err = s.tx(ctx, func(tx *sql.Tx) error {
		fence, ok = 0, false
		err := tx.QueryRowContext(ctx,
			`INSERT INTO sole (name, owner, until, fence) VALUES ($1, $2, $3, 1)
			 ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until,
			     fence = CASE WHEN sole.owner = excluded.owner THEN sole.fence ELSE sole.fence + 1 END
			 WHERE sole.owner = excluded.owner OR sole.until <= $4
			 RETURNING fence`, name, owner, micros(now.Add(d)), micros(now)).Scan(&fence)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("hold %s: %w", name, err)
	}
	return fence, ok, nil
}

// soleStill answers [post.ErrStale] unless fence is the newest of the right,
// and keeps anybody from taking it over before the transaction ends.
func soleStill(ctx context.Context, tx *sql.Tx, name string, fence int64) error {
	return swap(ctx, tx, `UPDATE sole SET until = until WHERE name = $1 AND fence = $2`, name, fence)
}

// PlaceEvents gives events their places in the log. See [ledger.Store].
func (s *Store) PlaceEvents(ctx context.Context, name string, fence int64, n int) (placed int, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		placed = 0
		if err := soleStill(ctx, tx, name, fence); err != nil {
			return err
		}
		next, rest, err := unplaced(ctx, tx, n)
		if err != nil || len(next) == 0 {
			return err
		}
		size, err := ledgerSize(ctx, tx)
		if err != nil {
			return err
		}
		leaves := make([][]byte, len(next))
		for i, e := range next {
			leaves[i] = e.leaf
		}
		fresh, err := ledger.Extend(size, leaves, tlog.HashReaderFunc(func(x []int64) ([]tlog.Hash, error) {
			return s.d.ledgerHashes(ctx, tx, x)
		}))
		if err != nil {
			return err
		}
		if err := s.givePlaces(ctx, tx, size, next); err != nil {
			return err
		}
		if err := s.noLongerWaiting(ctx, tx, next, rest); err != nil {
			return err
		}
		placed = len(next)
		return s.d.storeHashes(ctx, tx, tlog.StoredHashIndex(0, size), fresh)
	})
	if err != nil {
		return 0, fmt.Errorf("place events: %w", err)
	}
	return placed, nil
}

// givePlaces gives the events their places, size and up. All of them were found
// waiting in this transaction, and only the holder of the right gives any.
func (s *Store) givePlaces(ctx context.Context, tx *sql.Tx, size int64, events []awaiting) error {
	rows := make([][]any, len(events))
	for i, e := range events {
		rows[i] = []any{size + int64(i), e.id}
	}
	_, err := s.d.insertRows(ctx, tx, "ledger_place", "idx, event", "", rows)
	return err
}

// ledgerSize returns how many events have a place. It refuses when the stored
// hashes are not those of a log of that size, or when the last event is gone:
// somebody has removed rows.
func ledgerSize(ctx context.Context, q querier) (int64, error) {
	var size, stored, there int64
	err := q.QueryRowContext(ctx,
		`SELECT coalesce(p.last + 1, 0), `+storedHashes+`,
		     (SELECT count(*) FROM ledger_place l JOIN ledger_event e ON e.id = l.event WHERE l.idx = p.last)
		 FROM (SELECT max(idx) AS last FROM ledger_place) AS p`).
		Scan(&size, &stored, &there)
	if err != nil {
		return 0, err
	}
	if size > 0 && there == 0 {
		return 0, fmt.Errorf("%w: %d entries, the last of which is gone", ledger.ErrDiverged, size)
	}
	if stored != tlog.StoredHashCount(size) {
		return 0, fmt.Errorf("%w: %d entries, %d stored hashes", ledger.ErrDiverged, size, stored)
	}
	return size, nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// inList returns the placeholders of an IN list, the first of which is $first,
// and its arguments.
func inList[T any](values []T, first int) (string, []any) {
	marks, args := make([]string, len(values)), make([]any, len(values))
	for i, v := range values {
		marks[i], args[i] = fmt.Sprintf("$%d", first+i), v
	}
	return strings.Join(marks, ", "), args
}

// LedgerHashes returns stored hashes. See [ledger.Reader].
func (s *Store) LedgerHashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	out, err := s.d.ledgerHashes(ctx, s.read, indexes)
	if err != nil {
		return nil, fmt.Errorf("read ledger hashes: %w", err)
	}
	return out, nil
}

// LedgerState returns size and last checkpoint. See [ledger.Reader].
func (s *Store) LedgerState(ctx context.Context) (size int64, checkpoint []byte, err error) {
	if size, err = ledgerSize(ctx, s.read); err != nil {
		return 0, nil, fmt.Errorf("read ledger state: %w", err)
	}
	err = s.read.QueryRowContext(ctx, `SELECT note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1`).Scan(&checkpoint)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, nil, fmt.Errorf("read ledger state: %w", err)
	}
	return size, checkpoint, nil
}

// KeepCheckpoint remembers a checkpoint. See [ledger.Store].
func (s *Store) KeepCheckpoint(ctx context.Context, name string, fence, size int64, checkpoint []byte) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := soleStill(ctx, tx, name, fence); err != nil {
			return err
		}
		var kept int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(size), 0) FROM ledger_checkpoint`).Scan(&kept); err != nil {
			return err
		}
		if kept > size {
			return post.ErrStale
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO ledger_checkpoint (size, note, at) VALUES ($1, $2, $3)
			 ON CONFLICT (size) DO UPDATE SET note = excluded.note, at = excluded.at`,
			size, checkpoint, micros(time.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	return nil
}

// LedgerRows returns placed events in order. See [ledger.Reader].
func (s *Store) LedgerRows(ctx context.Context, from, to int64) ([]ledger.Placed, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT e.id, p.idx, e.body, e.salt, e.commitment FROM ledger_place p JOIN ledger_event e ON e.id = p.event
		 WHERE p.idx >= $1 AND p.idx < $2 ORDER BY p.idx`, from, to)
	if err != nil {
		return nil, fmt.Errorf("read ledger rows: %w", err)
	}
	defer rows.Close()
	var out []ledger.Placed
	for rows.Next() {
		var p ledger.Placed
		if err := rows.Scan(&p.ID, &p.Index, &p.Body, &p.Salt, &p.Leaf); err != nil {
			return nil, fmt.Errorf("read ledger rows: %w", err)
		}
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read ledger rows: %w", err)
	}
	return out, nil
}

// LedgerLeaves returns the leaves of placed events in order. See [ledger.Reader].
func (s *Store) LedgerLeaves(ctx context.Context, from, to int64) ([][]byte, error) {
	leaves := make([][]byte, 0, max(0, to-from))
	err := each(ctx, s.read, func(r *sql.Rows) error {
		var leaf []byte
		err := r.Scan(&leaf)
		leaves = append(leaves, leaf)
		return err
	}, `SELECT e.commitment FROM ledger_place p JOIN ledger_event e ON e.id = p.event WHERE p.idx >= $1 AND p.idx < $2 ORDER BY p.idx`, from, to)
	if err != nil {
		return nil, fmt.Errorf("read ledger leaves: %w", err)
	}
	return leaves, nil
}

// LedgerRow returns one event. See [ledger.ProofSource].
func (s *Store) LedgerRow(ctx context.Context, id string) (ledger.Placed, error) {
	var p ledger.Placed
	err := s.read.QueryRowContext(ctx,
		`SELECT e.id, coalesce(p.idx, -1), e.body, e.salt, e.commitment FROM ledger_event e LEFT JOIN ledger_place p ON p.event = e.id WHERE e.id = $1`, id).
		Scan(&p.ID, &p.Index, &p.Body, &p.Salt, &p.Leaf)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Placed{}, fmt.Errorf("read event: %w", post.ErrNotFound)
	}
	if err != nil {
		return ledger.Placed{}, fmt.Errorf("read event %s: %w", id, err)
	}
	return p, nil
}
