package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// A halt or its end and the commit of what minds it are told apart by a lock that has
// no row: those who commit intents, or waits for the end of a halt, share it, who halts
// or lifts has it alone. So an intent either was committed before the halt was, or sees
// it; and a wait was committed before the halt was lifted, so that it is woken, or sees
// that it was. It is taken before any row's, so that no two can block each other, and
// ends with the transaction. SQLite needs none: there one transaction writes at a time.
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

// turnBack moves those members that a halt, or its end, keeps from being committed now
// from good to halted.
func (s *Store) turnBack(ctx context.Context, tx *sql.Tx, all *standings) error {
	var minding []step
	for _, m := range all.good {
		if m.ask.minds() {
			minding = append(minding, m.ask)
		}
	}
	if len(minding) == 0 {
		return nil
	}
	halts, err := s.haltsOf(ctx, tx, minding...)
	if err != nil {
		return err
	}
	all.halted = map[*writer]error{}
	all.good = slices.DeleteFunc(all.good, func(m *writer) bool {
		err := halts.refuse(m.ask)
		if err != nil {
			all.halted[m] = err
		}
		return err != nil
	})
	return nil
}

// minds reports whether it matters to the step's commit what is halted: it commits an
// intent, or a wait for the end of a halt.
func (s step) minds() bool {
	return s.move != nil && s.move.Intent != nil || s.wait != nil && s.wait.While != (dispatch.Halt{})
}

// mindedBatch is whose halt matters to a step that minds; "" is none's.
func (s step) mindedBatch() string {
	if s.move != nil {
		return string(s.move.Batch)
	}
	return string(s.wait.While.Batch)
}

// A halt is a batch of which nothing may be handed over, or a pause.
type halt struct {
	batch   post.BatchID // "": a pause
	tenant  post.TenantID
	channel post.Channel
}

type halts []halt

// refuse returns why the step may not be committed now; nil when it may.
func (all halts) refuse(s step) error {
	switch {
	case !s.minds():
	case s.move != nil:
		return all.of(s.move)
	case !all.stand(s.wait.While):
		return dispatch.ErrNotHalted
	}
	return nil
}

// stand reports whether h has not been lifted.
func (all halts) stand(h dispatch.Halt) bool {
	switch {
	case h.Batch != "":
		return slices.ContainsFunc(all, func(one halt) bool { return one.batch == h.Batch })
	case h.Channel != "":
		return all.paused(h.Tenant, h.Channel)
	}
	return all.paused(h.Tenant, post.Digital) && all.paused(h.Tenant, post.Physical)
}

func (all halts) paused(tenant post.TenantID, ch post.Channel) bool {
	return slices.ContainsFunc(all, func(h halt) bool {
		return h.batch == "" && (h.tenant == "" || h.tenant == tenant) && (h.channel == "" || h.channel == ch)
	})
}

// of returns what keeps m back, its batch before a pause; nil is nothing.
func (all halts) of(m *dispatch.Move) error {
	switch {
	case m.Batch != "" && all.stand(dispatch.Halt{Batch: m.Batch}):
		return dispatch.ErrBatchHalted
	case all.paused(m.Tenant, m.Channel):
		return dispatch.ErrRoadHalted
	}
	return nil
}

// haltsOf reads what may matter to steps: nearly always nothing.
func (s *Store) haltsOf(ctx context.Context, tx *sql.Tx, steps ...step) (all halts, err error) {
	batches := make([]string, 0, len(steps))
	for _, one := range steps {
		if b := one.mindedBatch(); !slices.Contains(batches, b) {
			batches = append(batches, b)
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

// haltedAlone refuses one step that may not be committed now.
func (s *Store) haltedAlone(ctx context.Context, tx *sql.Tx, one step) error {
	if !one.minds() {
		return nil
	}
	all, err := s.haltsOf(ctx, tx, one)
	if err != nil {
		return err
	}
	return all.refuse(one)
}
