package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// postpone writes or moves the job that continues a record. The job of an urgent
// letter is in the urgent lane; one that exists keeps its lane, and nothing keeps it
// back any more. The fences of a new
// job begin at the clock, above those of a former job of the same record: whoever
// held that one must not pass for a holder of this one.
func postpone(ctx context.Context, tx *sql.Tx, kind queue.Kind, id string, due time.Time) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO job (kind, id, due_at, fence, lane, tenant)
		 VALUES ($1, $2, $3, $4, CASE WHEN EXISTS (SELECT 1 FROM letter WHERE letter.id = $2 AND letter.urgent = 1) THEN 0 ELSE 1 END,
		     COALESCE((SELECT tenant FROM letter WHERE letter.id = $2), (SELECT tenant FROM inquiry WHERE inquiry.id = $2), ''))
		 ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at, road = ''`, string(kind), id, micros(due), time.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("postpone %s %s: %w", kind, id, err)
	}
	return nil
}

// finish removes the job: nothing is left to do for the record.
func finish(ctx context.Context, tx *sql.Tx, kind queue.Kind, id string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM job WHERE kind = $1 AND id = $2`, string(kind), id); err != nil {
		return fmt.Errorf("finish %s %s: %w", kind, id, err)
	}
	return nil
}

// finishAll removes the jobs of many records.
func (s *Store) finishAll(ctx context.Context, tx *sql.Tx, kind queue.Kind, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	among, args := s.d.among("id", ids)
	if _, err := exec(ctx, tx, `DELETE FROM job WHERE `+among+` AND `+jobKind+` = '`+string(kind)+`'`, args...); err != nil { //nolint:gosec // among holds placeholders, kind is a constant of ours
		return fmt.Errorf("finish %d of %s: %w", len(ids), kind, err)
	}
	return nil
}

// jobKind is the kind of a job where rows are named by their ids; see [byKeys].
const jobKind = `job.kind || ''`

// fenced answers [post.ErrStale] unless the lease that fence stands for is
// still the newest. An expired lease that nobody took over still counts: it is
// the token, not the clock, that protects the record.
func fenced(ctx context.Context, tx *sql.Tx, kind queue.Kind, id string, fence int64) error {
	var held int64
	err := tx.QueryRowContext(ctx, `SELECT fence FROM job WHERE kind = $1 AND id = $2`, string(kind), id).Scan(&held)
	if errors.Is(err, sql.ErrNoRows) || err == nil && held != fence {
		return post.ErrStale
	}
	return err
}

// Lease takes the job of a record for d, whatever rang the bell. It answers
// ok=false when somebody else holds it, when it is not due, or when there is
// nothing left to do.
func (s *Store) Lease(ctx context.Context, kind queue.Kind, id string, d time.Duration) (l queue.Lease, ok bool, err error) {
	now := time.Now()
	l = queue.Lease{Kind: kind, ID: id}
	err = insist(ctx, func() error { // one statement is a transaction by itself
		return s.write.QueryRowContext(ctx,
			`UPDATE job SET fence = fence + 1, lease_until = $1, road = ''
			 WHERE kind = $2 AND id = $3 AND lease_until <= $4 AND due_at <= $4
			 RETURNING fence, attempt`,
			micros(now.Add(d)), string(kind), id, micros(now)).Scan(&l.Fence, &l.Attempt)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return l, false, nil
	}
	if err != nil {
		return queue.Lease{}, false, fmt.Errorf("lease %s %s: %w", kind, id, err)
	}
	return l, true, nil
}

// ExtendLease makes a lease that is still held last d from now. It answers
// [post.ErrStale] when the lease was given back or taken over.
func (s *Store) ExtendLease(ctx context.Context, l queue.Lease, d time.Duration) error {
	n, err := s.single(ctx, `UPDATE job SET lease_until = $1 WHERE kind = $2 AND id = $3 AND fence = $4 AND lease_until > 0`,
		micros(time.Now().Add(d)), string(l.Kind), l.ID, l.Fence)
	if err == nil && n == 0 {
		err = post.ErrStale
	}
	if err != nil {
		return fmt.Errorf("extend lease of %s %s: %w", l.Kind, l.ID, err)
	}
	return nil
}

// HeldJobs returns the leases that were taken and not given back, run out or
// not: the work that a dead process leaves behind until somebody goes on.
func (s *Store) HeldJobs(ctx context.Context) ([]queue.Lease, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT kind, id, fence, attempt FROM job WHERE lease_until > 0`)
	if err != nil {
		return nil, fmt.Errorf("list held jobs: %w", err)
	}
	defer rows.Close()
	var all []queue.Lease
	for rows.Next() {
		var l queue.Lease
		if err := rows.Scan(&l.Kind, &l.ID, &l.Fence, &l.Attempt); err != nil {
			return nil, fmt.Errorf("list held jobs: %w", err)
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// Release gives the lease back; the job is due again at due. A stale fence
// changes nothing.
func (s *Store) Release(ctx context.Context, l queue.Lease, due time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`UPDATE job SET lease_until = 0, due_at = $1 WHERE kind = $2 AND id = $3 AND fence = $4`,
			micros(due), string(l.Kind), l.ID, l.Fence)
		if err != nil {
			return fmt.Errorf("release %s %s: %w", l.Kind, l.ID, err)
		}
		return nil
	})
}
