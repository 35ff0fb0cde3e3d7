package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// A pause or a stop and the commit of an intent are told apart by a lock that has
// no row: those who commit intents share it, who halts has it alone. So the intent
// either was committed before the halt was, or sees it. It is taken before any
// row's, so that no two can block each other, and ends with the transaction.
// SQLite needs none: there one transaction writes at a time.
const (
	shareHalts = `SELECT pg_advisory_xact_lock_shared(7203041)`
	ownHalts   = `SELECT pg_advisory_xact_lock(7203041)`
)

// mindHalts takes the lock in one of its ways.
func (s *Store) mindHalts(ctx context.Context, tx *sql.Tx, how string) error {
	if !s.d.locks() {
		return nil
	}
	_, err := tx.ExecContext(ctx, how)
	return err
}

// locks reports whether transactions that write run side by side.
func (d dialect) locks() bool { return d.skipLocked != "" }

// turnBack moves those members whose intents may not be committed now from good to
// halted.
func (s *Store) turnBack(ctx context.Context, tx *sql.Tx, all *standings) error {
	var moves []*dispatch.Move
	for _, m := range all.good {
		if m.ask.brings() {
			moves = append(moves, m.ask.move)
		}
	}
	if len(moves) == 0 {
		return nil
	}
	halts, err := s.haltsOf(ctx, tx, moves)
	if err != nil || len(halts) == 0 {
		return err
	}
	all.halted = map[*writer]error{}
	all.good = slices.DeleteFunc(all.good, func(m *writer) bool {
		if !m.ask.brings() {
			return false
		}
		err := halts.of(m.ask.move)
		if err != nil {
			all.halted[m] = err
		}
		return err != nil
	})
	return nil
}

// brings reports whether the step commits an intent.
func (s step) brings() bool { return s.move != nil && s.move.Intent != nil }

// A halt is a batch of which nothing may be handed over, or a pause.
type halt struct {
	batch   post.BatchID // "": a pause
	tenant  post.TenantID
	channel post.Channel
}

type halts []halt

// of returns what keeps m back, its batch before a pause; nil is nothing.
func (all halts) of(m *dispatch.Move) (err error) {
	for _, h := range all {
		switch {
		case h.batch != "":
			if h.batch == m.Batch {
				return dispatch.ErrBatchHalted
			}
		case (h.tenant == "" || h.tenant == m.Tenant) && (h.channel == "" || h.channel == m.Channel):
			err = dispatch.ErrRoadHalted
		}
	}
	return err
}

// haltsOf reads what may keep moves back: nearly always nothing.
func (s *Store) haltsOf(ctx context.Context, tx *sql.Tx, moves []*dispatch.Move) (all halts, err error) {
	batches := make([]string, 0, len(moves))
	for _, m := range moves {
		if !slices.Contains(batches, string(m.Batch)) {
			batches = append(batches, string(m.Batch))
		}
	}
	among, args := s.d.among("id", batches)
	err = each(ctx, tx, func(r *sql.Rows) error {
		var h halt
		err := r.Scan(&h.batch, &h.tenant, &h.channel)
		all = append(all, h)
		return err
	}, `SELECT id, '', '' FROM batch WHERE `+among+` AND NOT (state IN ('approved', 'released') AND paused = 0)
		 UNION ALL SELECT '', tenant, channel FROM pause`, args...)
	return all, err
}

// haltedAlone refuses the intent of one move.
func (s *Store) haltedAlone(ctx context.Context, tx *sql.Tx, m dispatch.Move) error {
	if m.Intent == nil {
		return nil
	}
	all, err := s.haltsOf(ctx, tx, []*dispatch.Move{&m})
	if err != nil {
		return err
	}
	return all.of(&m)
}
