package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// postpone writes or moves the job that continues a record. The job of an urgent
// letter is in the urgent lane; one that exists keeps its lane. The fences of a new
// job begin at the clock, above those of a former job of the same record: whoever
// held that one must not pass for a holder of this one.
func postpone(ctx context.Context, tx *sql.Tx, kind queue.Kind, id string, due time.Time) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO job (kind, id, due_at, fence, lane)
		 VALUES ($1, $2, $3, $4, CASE WHEN EXISTS (SELECT 1 FROM letter WHERE letter.id = $2 AND letter.urgent = 1) THEN 0 ELSE 1 END)
		 ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at`, string(kind), id, micros(due), time.Now().UnixMicro())
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
			`UPDATE job SET fence = fence + 1, lease_until = $1
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

// dueJobs selects the ids of up to $3 due jobs of the kind $1 at the time $2 that
// nobody holds, as did. Each lane is read by itself, so that the index ends where
// the due ones end. and may say more; claim keeps others from claiming the same.
func (s *Store) dueJobs(and string) string {
	lane := func(n queue.Lane) string {
		return fmt.Sprintf(`SELECT id, lane, due_at FROM (SELECT id, lane, due_at FROM job
		     WHERE kind = $1 AND lane = %d AND due_at <= $2 AND lease_until <= $2%s ORDER BY due_at LIMIT $3%s) AS lane%d`,
			n, and, s.d.skipLocked, n)
	}
	return `SELECT id AS did FROM (` + lane(queue.Urgent) + ` UNION ALL ` + lane(queue.Ordinary) + `) AS lanes ORDER BY lane, due_at LIMIT $3`
}

// LeaseDue takes up to n due jobs of kind for d, in one statement: that of prefer
// whatever its place, if it names one, then lane by lane those that have been due
// the longest. A job whose lease ran out is due like any other.
func (s *Store) LeaseDue(ctx context.Context, kind queue.Kind, prefer string, n int, d time.Duration) ([]queue.Lease, error) {
	now, limit := time.Now(), n
	query, args := s.dueJobs(""), []any{string(kind), micros(now), limit, micros(now.Add(d))}
	if prefer != "" {
		limit--
		query = `SELECT did FROM (` + query + `) AS others UNION SELECT CAST($5 AS TEXT)`
		args = []any{string(kind), micros(now), limit, micros(now.Add(d)), prefer}
	}
	// The outer conditions hold when another has taken a row since it was read.
	all, err := s.claim(ctx, `WITH due AS MATERIALIZED (`+query+`)
		 UPDATE job SET fence = fence + 1, lease_until = $4 FROM due
		 WHERE kind = $1 AND id = did AND lease_until <= $2 AND due_at <= $2
		 RETURNING id, lane, due_at, fence, attempt`, args...)
	if err != nil {
		return nil, fmt.Errorf("lease due jobs: %w", err)
	}
	slices.SortStableFunc(all, func(a, b claimed) int { return cmp.Compare(rank(b.id == prefer), rank(a.id == prefer)) })
	leases := make([]queue.Lease, len(all))
	for i, c := range all {
		leases[i] = queue.Lease{Kind: kind, ID: c.id, Fence: c.fence, Attempt: c.attempt}
	}
	return leases, nil
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

// Backlog counts the due jobs of kind that nobody holds, up to most.
func (s *Store) Backlog(ctx context.Context, kind queue.Kind, most int) (n int, err error) {
	lane := func(l queue.Lane) string {
		return fmt.Sprintf(`SELECT 1 AS one FROM (SELECT id FROM job WHERE kind = $1 AND lane = %d AND due_at <= $2 AND lease_until <= $2 LIMIT $3) AS lane%d`, l, l)
	}
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM (`+lane(queue.Urgent)+` UNION ALL `+lane(queue.Ordinary)+`) AS due`,
		string(kind), micros(time.Now()), most).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count due jobs: %w", err)
	}
	return min(n, most), nil
}

// Due returns up to n jobs of kind that are due and that nobody holds, lane by
// lane those that have been due the longest, and counts an attempt for each: the
// next ring has another task id. quiet is how long a job is left alone after it
// was rung.
func (s *Store) Due(ctx context.Context, kind queue.Kind, n int, quiet time.Duration) ([]queue.Ring, error) {
	now := time.Now()
	all, err := s.claim(ctx, `WITH due AS MATERIALIZED (`+s.dueJobs(" AND rung_at <= $4")+`)
		 UPDATE job SET attempt = attempt + 1, rung_at = $2 FROM due WHERE kind = $1 AND id = did
		 RETURNING id, lane, due_at, fence, attempt`, string(kind), micros(now), n, micros(now.Add(-quiet)))
	if err != nil {
		return nil, fmt.Errorf("find due jobs: %w", err)
	}
	rings := make([]queue.Ring, len(all))
	for i, c := range all {
		rings[i] = queue.Ring{Kind: kind, ID: c.id, Attempt: c.attempt}
	}
	return rings, nil
}

// claimed is a job that a claim has changed.
type claimed struct {
	id                        string
	lane, due, fence, attempt int64
}

// claim runs one statement that is a transaction by itself and changes jobs, and
// returns them in the order in which they are to be taken.
func (s *Store) claim(ctx context.Context, query string, args ...any) (all []claimed, err error) {
	err = insist(ctx, func() error {
		all = nil
		return each(ctx, s.write, func(rows *sql.Rows) error {
			var c claimed
			err := rows.Scan(&c.id, &c.lane, &c.due, &c.fence, &c.attempt)
			all = append(all, c)
			return err
		}, query, args...)
	})
	slices.SortFunc(all, func(a, b claimed) int {
		return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.due, b.due), cmp.Compare(a.id, b.id))
	})
	return all, err
}
