package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/queue"
)

// turns remember whose jobs this process leased and rang for last.
type turns struct {
	leases, rings map[queue.Kind]*queue.Turns
}

func newTurns() turns {
	t := turns{map[queue.Kind]*queue.Turns{}, map[queue.Kind]*queue.Turns{}}
	for _, kind := range []queue.Kind{queue.AdvanceLetter, queue.ForwardInquiry} {
		t.leases[kind], t.rings[kind] = new(queue.Turns), new(queue.Turns)
	}
	return t
}

// whenever is after each time at which a job may have been rung for.
var whenever = time.Unix(1<<40, 0)

// shares counts the due jobs of kind that nobody holds and that have not been rung
// for since rung, up to most in each share. It steps from share to share in the
// index and reads no more of each than it counts.
func (s *Store) shares(ctx context.Context, kind queue.Kind, now, rung time.Time, most int) (all []queue.Share, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var one queue.Share
		err := rows.Scan(&one.Lane, &one.Road, &one.Tenant, &one.Jobs)
		if one.Jobs > 0 {
			all = append(all, one)
		}
		return err
	}, `WITH RECURSIVE lanes (lane) AS (VALUES (0), (1)),
	     roads (lane, road) AS (
	         SELECT lane, (SELECT min(job.road) FROM job WHERE job.kind = $1 AND job.lane = lanes.lane) FROM lanes
	         UNION ALL
	         SELECT lane, (SELECT min(job.road) FROM job WHERE job.kind = $1 AND job.lane = roads.lane AND job.road > roads.road)
	             FROM roads WHERE road IS NOT NULL),
	     whose (lane, road, tenant) AS (
	         SELECT lane, road, (SELECT min(job.tenant) FROM job WHERE job.kind = $1 AND job.lane = roads.lane AND job.road = roads.road)
	             FROM roads WHERE road IS NOT NULL
	         UNION ALL
	         SELECT lane, road, (SELECT min(job.tenant) FROM job
	             WHERE job.kind = $1 AND job.lane = whose.lane AND job.road = whose.road AND job.tenant > whose.tenant)
	             FROM whose WHERE tenant IS NOT NULL)
	 SELECT lane, road, tenant, (SELECT count(*) FROM (SELECT 1 AS one FROM job
	     WHERE job.kind = $1 AND job.lane = whose.lane AND job.road = whose.road AND job.tenant = whose.tenant
	         AND due_at <= $2 AND lease_until <= $2 AND rung_at <= $3 ORDER BY due_at LIMIT $4) AS few)
	     FROM whose WHERE tenant IS NOT NULL`, string(kind), micros(now), micros(rung), most)
	if err != nil {
		return nil, fmt.Errorf("count due jobs: %w", err)
	}
	return all, nil
}

// dueOf selects as did the ids of due jobs of the kind $1 at the time $2 that nobody
// holds and that have not been rung for since $3: of each share those that have been
// due the longest. Others claim others meanwhile.
func (s *Store) dueOf(shares []queue.Share, args []any) (string, []any) {
	var b strings.Builder
	b.WriteString(`SELECT did FROM (`)
	for i, one := range stretched(shares) {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		n := len(args)
		fmt.Fprintf(&b, `SELECT did FROM (SELECT id AS did FROM job WHERE kind = $1 AND lane = $%d AND road = $%d AND tenant = $%d
		     AND due_at <= $2 AND lease_until <= $2 AND rung_at <= $3 ORDER BY due_at LIMIT $%d%s) AS share%d`,
			n+1, n+2, n+3, n+4, s.d.skipLocked, i)
		args = append(args, int64(one.Lane), one.Road, one.Tenant, one.Jobs)
	}
	b.WriteString(`) AS shares`)
	return b.String(), args
}

// stretched fills up to a power of two, so that the texts of a statement are few,
// with shares of which nothing is taken.
func stretched(shares []queue.Share) []queue.Share {
	n := 1
	for n < len(shares) {
		n *= 2
	}
	return append(slices.Clone(shares), make([]queue.Share, n-len(shares))...)
}

// LeaseDue implements [dispatch.Store], in one statement after one that counts. A
// job whose lease ran out is due like any other.
func (s *Store) LeaseDue(ctx context.Context, c queue.Claim) ([]queue.Lease, error) {
	now, n := time.Now(), c.N
	counted, err := s.shares(ctx, c.Kind, now, whenever, n)
	if err != nil || len(counted) == 0 {
		return nil, err
	}
	if c.Prefer != "" {
		n-- // its place is not another's
	}
	query, args := s.dueOf(s.turns.leases[c.Kind].Deal(n, counted, c.Shut),
		[]any{string(c.Kind), micros(now), micros(whenever), micros(now.Add(c.For)), c.Prefer})
	// The outer conditions hold when another has taken a row since it was read.
	all, err := s.claim(ctx, `WITH due AS MATERIALIZED (`+query+` UNION SELECT CAST($5 AS TEXT))
		 UPDATE job SET fence = fence + 1, lease_until = $4, road = ''
		 WHERE `+jobKind+` = $1 AND id IN (SELECT did FROM due) AND lease_until <= $2 AND due_at <= $2
		 RETURNING id, lane, due_at, fence, attempt`, args...)
	if err != nil {
		return nil, fmt.Errorf("lease due jobs: %w", err)
	}
	slices.SortStableFunc(all, func(a, b claimed) int { return cmp.Compare(rank(b.id == c.Prefer), rank(a.id == c.Prefer)) })
	leases := make([]queue.Lease, len(all))
	for i, j := range all {
		leases[i] = queue.Lease{Kind: c.Kind, ID: j.id, Fence: j.fence, Attempt: j.attempt}
	}
	return leases, nil
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

// Backlog implements [queue.Jobs].
func (s *Store) Backlog(ctx context.Context, kind queue.Kind, most int) (n int, err error) {
	all, err := s.shares(ctx, kind, time.Now(), whenever, most)
	for _, one := range all {
		n += one.Jobs
	}
	return min(n, most), err
}

// Due implements [queue.Jobs]. The next ring for a job has another task id.
func (s *Store) Due(ctx context.Context, kind queue.Kind, n int, quiet time.Duration) ([]queue.Ring, error) {
	now := time.Now()
	rung := now.Add(-quiet)
	counted, err := s.shares(ctx, kind, now, rung, n)
	if err != nil || len(counted) == 0 {
		return nil, err
	}
	query, args := s.dueOf(s.turns.rings[kind].Deal(n, counted, nil), []any{string(kind), micros(now), micros(rung)})
	all, err := s.claim(ctx, `WITH due AS MATERIALIZED (`+query+`)
		 UPDATE job SET attempt = attempt + 1, rung_at = $2 WHERE `+jobKind+` = $1 AND id IN (SELECT did FROM due)
		 RETURNING id, lane, due_at, fence, attempt`, args...)
	if err != nil {
		return nil, fmt.Errorf("find due jobs: %w", err)
	}
	rings := make([]queue.Ring, len(all))
	for i, j := range all {
		rings[i] = queue.Ring{Kind: kind, ID: j.id, Attempt: j.attempt}
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
