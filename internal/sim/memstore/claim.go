package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/queue"
)

// LeaseDue implements [dispatch.Store].
func (s *Store) LeaseDue(_ context.Context, c queue.Claim) ([]queue.Lease, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	now, n := s.clock(), c.N
	due := s.db.claimed(s.db.due(c.Kind, now, func(*job) bool { return true }))
	var all []dueJob
	if c.Prefer != "" {
		n-- // its place is not another's
		if at := slices.IndexFunc(due, func(j dueJob) bool { return j.id == c.Prefer }); at >= 0 {
			all = append(all, due[at])
		}
	}
	for _, j := range dealt(&s.db.leases, n, due, c.Shut) {
		if j.id != c.Prefer {
			all = append(all, j)
		}
	}
	var leases []queue.Lease
	for _, j := range all {
		j.fence++
		j.lease, j.road = micros(now.Add(c.For)), ""
		leases = append(leases, queue.Lease{Kind: c.Kind, ID: j.id, Fence: j.fence, Attempt: j.attempt})
	}
	return leases, nil
}

type dueJob struct {
	id string
	*job
}

// due lists the due jobs of kind that nobody holds, lane by lane those that have
// been due the longest.
func (db *DB) due(kind queue.Kind, now time.Time, also func(*job) bool) []dueJob {
	var all []dueJob
	for k, j := range db.jobs {
		if k.kind == kind && !j.due.After(now) && !j.lease.After(now) && also(j) {
			all = append(all, dueJob{k.id, j})
		}
	}
	slices.SortFunc(all, func(a, b dueJob) int {
		return cmp.Or(cmp.Compare(a.lane, b.lane), a.due.Compare(b.due), cmp.Compare(a.id, b.id))
	})
	return all
}

// claimed leaves out what the claim passes over.
func (db *DB) claimed(due []dueJob) []dueJob {
	if db.PassOver == nil {
		return due
	}
	return slices.DeleteFunc(due, func(dueJob) bool { return db.PassOver() })
}

// dealt returns those of due whose turn it is, in the order of due.
func dealt(t *queue.Turns, n int, due []dueJob, shut func(queue.Share) bool) []dueJob {
	jobs := map[queue.Share]int{}
	for _, j := range due {
		jobs[shareOf(j)]++
	}
	var shares []queue.Share
	for s, n := range jobs {
		s.Jobs = n
		shares = append(shares, s)
	}
	left := map[queue.Share]int{}
	for _, s := range t.Deal(n, shares, shut) {
		n := s.Jobs
		s.Jobs = 0
		left[s] = n
	}
	var all []dueJob
	for _, j := range due {
		if s := shareOf(j); left[s] > 0 {
			left[s]--
			all = append(all, j)
		}
	}
	return all
}

func shareOf(j dueJob) queue.Share {
	return queue.Share{Lane: j.lane, Road: j.road, Tenant: j.tenant}
}

// Backlog implements [queue.Jobs].
func (s *Store) Backlog(_ context.Context, kind queue.Kind, most int) (int, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return min(most, len(s.db.due(kind, s.clock(), func(*job) bool { return true }))), nil
}

// Due implements [queue.Jobs].
func (s *Store) Due(_ context.Context, kind queue.Kind, n int, quiet time.Duration) ([]queue.Ring, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	now := s.clock()
	all := s.db.claimed(s.db.due(kind, now, func(j *job) bool { return !j.rung.After(now.Add(-quiet)) }))
	var rings []queue.Ring
	for _, d := range dealt(&s.db.rings, n, all, nil) {
		d.attempt++
		d.rung = now
		rings = append(rings, queue.Ring{Kind: kind, ID: d.id, Attempt: d.attempt})
	}
	return rings, nil
}
