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
	var ids []string
	for _, m := range all.good {
		if m.ask.brings() {
			ids = append(ids, m.ask.lease.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	halts, err := s.haltsOf(ctx, tx, ids)
	if err != nil {
		return err
	}
	all.halted = map[*writer]error{}
	all.good = slices.DeleteFunc(all.good, func(m *writer) bool {
		if !m.ask.brings() {
			return false
		}
		err := halts[m.ask.lease.ID].of(m.ask.move.Channel)
		if err != nil {
			all.halted[m] = err
		}
		return err != nil
	})
	return nil
}

// brings reports whether the step commits an intent.
func (s step) brings() bool { return s.move != nil && s.move.Intent != nil }

// A halt is what keeps one letter back.
type halt struct{ batch, digital, physical bool }

func (h halt) of(ch post.Channel) error {
	switch {
	case h.batch:
		return dispatch.ErrBatchHalted
	case ch == post.Digital && h.digital, ch == post.Physical && h.physical:
		return dispatch.ErrRoadHalted
	}
	return nil
}

// haltsOf reads what keeps letters back; one that is not in the answer is free.
func (s *Store) haltsOf(ctx context.Context, tx *sql.Tx, ids []string) (map[string]halt, error) {
	among, args := s.d.among("l.id", ids)
	halts := map[string]halt{}
	err := each(ctx, tx, func(r *sql.Rows) error {
		var id string
		var going, digital, physical int64
		err := r.Scan(&id, &going, &digital, &physical)
		halts[id] = halt{batch: going == 0, digital: digital > 0, physical: physical > 0}
		return err
	}, `SELECT l.id,
		     CASE WHEN l.batch = '' THEN 1 ELSE (SELECT count(*) FROM batch b WHERE b.id = l.batch AND b.state IN ('approved', 'released') AND b.paused = 0) END,
		     (SELECT count(*) FROM pause p WHERE p.tenant IN ('', l.tenant) AND p.channel IN ('', 'digital')),
		     (SELECT count(*) FROM pause p WHERE p.tenant IN ('', l.tenant) AND p.channel IN ('', 'physical'))
		 FROM letter l WHERE `+among, args...)
	return halts, err
}

// haltedAlone refuses the intent of one move.
func (s *Store) haltedAlone(ctx context.Context, tx *sql.Tx, m dispatch.Move) error {
	if m.Intent == nil {
		return nil
	}
	halts, err := s.haltsOf(ctx, tx, []string{string(m.Letter)})
	if err != nil {
		return err
	}
	return halts[string(m.Letter)].of(m.Channel)
}
