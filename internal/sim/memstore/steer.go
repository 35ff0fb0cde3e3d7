package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

var (
	_ dispatch.Roots = (*Store)(nil)
	_ letter.Pauses  = (*Store)(nil)
)

// ApproveBatch implements [batch.Steering].
func (s *Store) ApproveBatch(_ context.Context, tenant post.TenantID, id post.BatchID, approver post.ClientID, n int) (left int, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return 0, err
	}
	if approver != "" && approver == b.Client {
		return 0, post.FaultSecondPerson
	}
	switch {
	case b.state == batch.Closed && approver != "":
		b.state, b.approver, b.approvedAt, b.allowed = batch.Approved, approver, s.clock(), cmp.Or(b.Canary, b.Count)
		s.recordBatch("batch.approved", b, string(approver), "")
	case b.state == batch.Approved:
	case b.state == batch.Released:
		return 0, nil
	default:
		return 0, post.FaultBatchState
	}
	return s.release(b, n), nil
}

// release makes up to n held letters that may go ready, with their jobs.
func (s *Store) release(b *lot, n int) (left int) {
	if b.paused || b.Policy == post.SignBatch && b.root == nil {
		return 0
	}
	now := s.clock()
	for _, r := range s.db.lettersOf(b.ID) {
		if r.state != post.LetterHeld || r.line > b.allowed {
			continue
		}
		if n == 0 {
			return 1
		}
		n--
		s.db.move(now, r, post.LetterReady, r.channel, r.generation, "", "batch "+string(b.ID), "")
		s.postpone(jobOf(r.ID), now)
	}
	if b.allowed == b.Count {
		b.state = batch.Released
	}
	return 0
}

// ContinueBatch implements [batch.Steering].
func (s *Store) ContinueBatch(_ context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	switch {
	case err != nil:
		return err
	case by == b.Client:
		return post.FaultSecondPerson
	case b.state == batch.Released:
		return nil
	case b.state != batch.Approved:
		return post.FaultBatchState
	}
	if b.allowed < b.Count {
		b.allowed = b.Count
		s.recordBatch("batch.continued", b, string(by), "")
	}
	return nil
}

// PauseBatch implements [batch.Steering].
func (s *Store) PauseBatch(_ context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID, pause bool) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return err
	}
	if b.state != batch.Approved && b.state != batch.Released {
		return post.FaultBatchState
	}
	if b.paused == pause {
		return nil
	}
	b.paused = pause
	if pause {
		s.recordBatch("batch.paused", b, string(by), "")
		return nil
	}
	s.recordBatch("batch.resumed", b, string(by), "")
	s.wake(func(r *row) bool { return r.batch == id && r.code == batch.CodeHeld }, true)
	return nil
}

// wake makes the waiting steps of letters due at once.
func (s *Store) wake(which func(*row) bool, leased bool) {
	now := s.clock()
	for _, r := range s.db.letters {
		j := s.db.jobs[jobOf(r.ID)]
		if j == nil || !which(r) || !leased && (!j.lease.IsZero() || !j.due.After(now)) {
			continue
		}
		if j.due = now; leased {
			j.road = ""
		}
	}
}

// StopBatch implements [batch.Steering].
func (s *Store) StopBatch(_ context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID, n int) (left int, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot(tenant, id)
	if err != nil {
		return 0, err
	}
	switch b.state {
	case batch.Stopped:
		return 0, nil
	case batch.Stopping:
	case batch.Closing:
		return 0, post.FaultBatchState
	default:
		if by == "" {
			return 0, post.FaultBatchState
		}
		b.state, b.paused = batch.Stopping, false
		s.recordBatch("batch.stopped", b, string(by), "")
	}
	if left = s.cancel(b, n); left == 0 {
		b.state = batch.Stopped
	}
	return left, nil
}

// cancel ends up to n letters of a stopped batch that no carrier has, nor may
// have, and counts those whose fate is open.
func (s *Store) cancel(b *lot, n int) (left int) {
	for _, r := range s.db.lettersOf(b.ID) {
		switch r.state {
		case post.LetterHeld, post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterNotTaken:
			if h := s.db.present(r); n == 0 || h != nil && h.Unsure {
				left++
				continue
			}
			n--
			s.db.move(s.clock(), r, post.LetterCancelled, r.channel, r.generation, batch.CodeStopped, "batch "+string(b.ID), "")
			delete(s.db.jobs, jobOf(r.ID))
		case post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterRefused:
			left++
		default:
		}
	}
	return left
}

// Unfinished are the batches that [Store.ReleaseApproved] would go on with.
func (s *Store) Unfinished() map[post.BatchID]batch.State {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	all := map[post.BatchID]batch.State{}
	for id, b := range s.db.lots {
		if b.state == batch.Approved || b.state == batch.Stopping {
			all[id] = b.state
		}
	}
	return all
}

// ReleaseApproved goes on with batches whose release or stop was cut short.
func (s *Store) ReleaseApproved(ctx context.Context, n int) error {
	s.db.mu.Lock()
	all := sorted(s.db.lots, func(b *lot) bool { return b.state == batch.Approved || b.state == batch.Stopping },
		func(x, y *lot) int { return cmp.Compare(x.ID, y.ID) })
	s.db.mu.Unlock()
	for _, b := range all {
		for before := -1; ; {
			left, err := 0, error(nil)
			if b.stopped() {
				left, err = s.StopBatch(ctx, "", b.ID, "", n)
			} else {
				left, err = s.ApproveBatch(ctx, "", b.ID, "", n)
			}
			if err != nil && !errors.Is(err, post.FaultBatchState) {
				return fmt.Errorf("go on with batch %s: %w", b.ID, err)
			}
			if err != nil || left == 0 || b.stopped() && left == before {
				break
			}
			before = left
		}
	}
	return nil
}

// PauseChannel implements [letter.Pauses].
func (s *Store) PauseChannel(_ context.Context, p letter.Pause) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	same := func(q letter.Pause) bool { return q.Tenant == p.Tenant && q.Channel == p.Channel }
	if slices.ContainsFunc(s.db.pauses, same) {
		return nil
	}
	p.At = s.clock()
	s.db.pauses = append(s.db.pauses, p)
	slices.SortFunc(s.db.pauses, func(a, b letter.Pause) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Channel, b.Channel))
	})
	s.db.record(s.clock(), "channel.paused", p.Tenant, "channel/"+string(p.Channel), string(p.Actor), "", "")
	return nil
}

// ResumeChannel implements [letter.Pauses].
func (s *Store) ResumeChannel(_ context.Context, p letter.Pause) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	before := len(s.db.pauses)
	s.db.pauses = slices.DeleteFunc(s.db.pauses, func(q letter.Pause) bool {
		return q.Tenant == p.Tenant && (p.Channel == "" || q.Channel == p.Channel)
	})
	if len(s.db.pauses) < before {
		s.db.record(s.clock(), "channel.resumed", p.Tenant, "channel/"+string(p.Channel), string(p.Actor), "", "")
	}
	s.wake(func(r *row) bool {
		return r.code == "paused" && (p.Tenant == "" || r.Tenant == p.Tenant) && (p.Channel == "" || r.channel == "" || r.channel == p.Channel)
	}, false)
	return nil
}

// Paused implements [letter.Pauses].
func (s *Store) Paused(context.Context) ([]letter.Pause, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return slices.Clone(s.db.pauses), nil
}

// haltOf refuses an intent of r on ch while people have halted it.
func (db *DB) haltOf(r *row, ch post.Channel) error {
	if db.Blind {
		return nil
	}
	if b := db.lots[r.batch]; b != nil && !b.going() {
		return dispatch.ErrBatchHalted
	}
	if db.pausedFor(r.Tenant, ch) {
		return dispatch.ErrRoadHalted
	}
	return nil
}

func (db *DB) pausedFor(tenant post.TenantID, ch post.Channel) bool {
	return slices.ContainsFunc(db.pauses, func(p letter.Pause) bool {
		return (p.Tenant == "" || p.Tenant == tenant) && (p.Channel == "" || p.Channel == ch)
	})
}

// stands reports whether h has not been lifted.
func (db *DB) stands(h dispatch.Halt) bool {
	switch {
	case h.Batch != "":
		b := db.lots[h.Batch]
		return b != nil && !b.going()
	case h.Channel != "":
		return db.pausedFor(h.Tenant, h.Channel)
	}
	return db.pausedFor(h.Tenant, post.Digital) && db.pausedFor(h.Tenant, post.Physical)
}

// BatchesToSign implements [dispatch.Roots].
func (s *Store) BatchesToSign(_ context.Context, now time.Time) (all []dispatch.Signing, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	for _, b := range sorted(s.db.lots, func(b *lot) bool {
		return b.Policy == post.SignBatch && b.state == batch.Approved && b.root == nil && !b.paused
	}, func(x, y *lot) int { return cmp.Compare(x.ID, y.ID) }) {
		if b.signAt.IsZero() {
			b.signAt = micros(now)
		}
		all = append(all, dispatch.Signing{Batch: b.ID, Tenant: b.Tenant, At: b.signAt, Lines: b.Count, Leaves: len(b.leaves)})
	}
	return all, nil
}

// LettersToSign implements [dispatch.Roots].
func (s *Store) LettersToSign(_ context.Context, id post.BatchID, after, n int) (all []dispatch.Record, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	for _, r := range s.db.lettersOf(id) {
		if r.line > after && len(all) < n {
			all = append(all, dispatch.Record{ID: r.ID, Reference: r.Reference, Tenant: r.Tenant, Batch: r.batch, Line: r.line,
				Recipient: r.Recipient, Content: r.Content, Documents: r.Documents})
		}
	}
	return all, nil
}

// KeepLeaves implements [dispatch.Roots].
func (s *Store) KeepLeaves(_ context.Context, id post.BatchID, after int, leaves []tlog.Hash) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot("", id)
	if err != nil {
		return err
	}
	if len(b.leaves) != after {
		return post.ErrStale
	}
	b.leaves = append(b.leaves, leaves...)
	return nil
}

// KeepRoot implements [dispatch.Roots].
func (s *Store) KeepRoot(_ context.Context, id post.BatchID, signed []byte) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot("", id)
	if err != nil {
		return err
	}
	if b.root != nil && !s.db.Resign {
		return post.ErrStale
	}
	b.root = signed
	s.db.record(s.clock(), "batch.signed", b.Tenant, string(id), "dispatcher", "", verify.ManifestDigest(signed))
	return nil
}

// SignedBatch implements [dispatch.Roots].
func (s *Store) SignedBatch(_ context.Context, id post.BatchID) (root []byte, leaves []tlog.Hash, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	b, err := s.db.lot("", id)
	if err != nil {
		return nil, nil, err
	}
	return b.root, slices.Clone(b.leaves), nil
}
