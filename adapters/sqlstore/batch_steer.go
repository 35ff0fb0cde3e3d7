package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// ApproveBatch implements [batch.Steering].
func (s *Store) ApproveBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, approver post.ClientID, n int) (left int, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		left = 0
		state, client, owner, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		if approver != "" && approver == client {
			return post.FaultSecondPerson
		}
		switch {
		case state == batch.Closed && approver != "":
			if err := swap(ctx, tx,
				`UPDATE batch SET state = $1, approver = $2, approved_at = $3, allowed = CASE WHEN canary > 0 THEN canary ELSE lines END
				 WHERE id = $4 AND state = $5`,
				string(batch.Approved), string(approver), micros(time.Now()), string(id), string(batch.Closed)); err != nil {
				return err
			}
			e := ledger.New("batch.approved", owner, string(id))
			e.Actor = string(approver)
			if err := record(ctx, tx, e); err != nil {
				return err
			}
		case state == batch.Approved:
		case state == batch.Released:
			return nil
		default:
			return post.FaultBatchState
		}
		left, err = s.releaseLetters(ctx, tx, owner, id, n)
		return err
	})
	return left, err
}

// releaseLetters moves up to n held letters of an approved batch that may go to
// ready and makes their jobs; with the last one the batch is released.
func (s *Store) releaseLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.BatchID, n int) (left int, err error) {
	var lines, allowed, urgent, blocked int
	err = tx.QueryRowContext(ctx,
		`SELECT lines, allowed, urgent, CASE WHEN paused = 1 OR (policy = $1 AND root IS NULL) THEN 1 ELSE 0 END FROM batch WHERE id = $2`,
		string(post.SignBatch), string(id)).Scan(&lines, &allowed, &urgent, &blocked)
	if err != nil || blocked == 1 {
		return 0, err
	}
	ids, err := lettersIn(ctx, tx, id, []post.LetterState{post.LetterHeld}, allowed, n+1)
	if err != nil {
		return 0, err
	}
	if len(ids) > n {
		ids, left = ids[:n], 1
	}
	now := time.Now()
	lane := queue.Ordinary
	if urgent == 1 {
		lane = queue.Urgent
	}
	if err := s.moveMany(ctx, tx, ids, tenant, []post.LetterState{post.LetterHeld}, post.LetterReady, "", "batch "+string(id)); err != nil {
		return 0, err
	}
	jobs := make([][]any, 0, len(ids))
	for _, l := range ids {
		jobs = append(jobs, []any{string(queue.AdvanceLetter), l, micros(now), int64(lane), string(tenant)})
	}
	if _, err := s.d.insertRows(ctx, tx, "job", "kind, id, due_at, lane, tenant",
		` ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at, lane = excluded.lane`, jobs); err != nil {
		return 0, err
	}
	if left > 0 || allowed < lines {
		return left, nil
	}
	return 0, swap(ctx, tx, `UPDATE batch SET state = $1 WHERE id = $2 AND state = $3`, string(batch.Released), string(id), string(batch.Approved))
}

// lettersIn lists up to n letters of a batch that are in one of states, by
// line, up to the line last; none that a carrier may have all the same, because an
// attempt was unclear before a person let it be sent again.
func lettersIn(ctx context.Context, tx *sql.Tx, id post.BatchID, states []post.LetterState, last, n int) (ids []string, err error) {
	args := []any{string(id), last, n}
	for _, st := range states {
		args = append(args, string(st))
	}
	rows, err := tx.QueryContext(ctx, `SELECT id FROM letter WHERE batch = $1 AND batch <> '' AND line <= $2 AND state IN (`+
		placeholders(4, len(states))+`)
		 AND NOT EXISTS (SELECT 1 FROM hand_over h WHERE h.letter = letter.id AND h.channel = letter.channel AND h.generation = letter.generation AND h.unsure = 1)
		 ORDER BY line LIMIT $3`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l string
		if err := rows.Scan(&l); err != nil {
			return nil, err
		}
		ids = append(ids, l)
	}
	return ids, rows.Err()
}

// moveMany moves letters from any of states to another, with their ledger
// entries. When one of them has moved meanwhile it answers [post.ErrStale].
func (s *Store) moveMany(ctx context.Context, tx *sql.Tx, ids []string, tenant post.TenantID, from []post.LetterState, to post.LetterState, code, actor string) error {
	if len(ids) == 0 {
		return nil
	}
	events := make([]ledger.Event, 0, len(ids))
	for _, id := range ids {
		e := ledger.New("letter."+string(to), tenant, id)
		e.Actor, e.Outcome = actor, code
		events = append(events, e)
	}
	among, args := s.d.among("id", ids)
	n := len(args)
	args = append(args, string(to), micros(time.Now()), code)
	for _, st := range from {
		args = append(args, string(st))
	}
	moved, err := exec(ctx, tx, fmt.Sprintf(`UPDATE letter SET state = $%d, version = version + 1, since = $%d, code = $%d, failures = 0
		 WHERE %s AND state || '' IN (%s)`, n+1, n+2, n+3, among, placeholders(n+4, len(from))), args...)
	if err != nil {
		return err
	}
	if moved != int64(len(ids)) {
		return post.ErrStale
	}
	return s.recordAll(ctx, tx, events)
}

// ContinueBatch implements [batch.Steering].
func (s *Store) ContinueBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		state, client, owner, err := batchRow(ctx, tx, tenant, id)
		switch {
		case err != nil:
			return err
		case by == client:
			return post.FaultSecondPerson
		case state == batch.Released:
			return nil
		case state != batch.Approved:
			return post.FaultBatchState
		}
		n, err := exec(ctx, tx, `UPDATE batch SET allowed = lines WHERE id = $1 AND allowed < lines`, string(id))
		if err != nil || n == 0 {
			return err
		}
		e := ledger.New("batch.continued", owner, string(id))
		e.Actor = string(by)
		return record(ctx, tx, e)
	})
}

// PauseBatch implements [batch.Steering].
func (s *Store) PauseBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID, pause bool) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		// Before the state is read: a stop may be answered while this one waits.
		if err := s.mindHalts(ctx, tx, ownHalts); err != nil {
			return err
		}
		state, _, owner, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		if state != batch.Approved && state != batch.Released {
			return post.FaultBatchState
		}
		n, err := exec(ctx, tx, `UPDATE batch SET paused = $1 WHERE id = $2 AND paused <> $1 AND state IN ('approved', 'released')`, truth(pause), string(id))
		if err != nil || n == 0 {
			return err
		}
		e := ledger.New("batch.resumed", owner, string(id))
		if pause {
			e = ledger.New("batch.paused", owner, string(id))
		} else if _, err := exec(ctx, tx, // those that were turned away meanwhile need not wait
			`UPDATE job SET due_at = $1, road = '' WHERE kind = $2 AND id IN (SELECT id FROM letter WHERE batch = $3 AND code = $4)`,
			micros(time.Now()), string(queue.AdvanceLetter), string(id), batch.CodeHeld); err != nil {
			return err
		}
		e.Actor = string(by)
		return record(ctx, tx, e)
	})
}

// stoppable are the states of letters that no carrier has, nor may have.
var stoppable = []post.LetterState{
	post.LetterHeld, post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterNotTaken,
}

// undecided are those from which a letter may become stoppable again.
var undecided = []post.LetterState{post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterRefused}

// StopBatch implements [batch.Steering]. It is one transaction for n letters;
// by is "" when the dispatcher goes on with it.
func (s *Store) StopBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID, n int) (left int, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		left = 0
		if by != "" { // a person halts it; the dispatcher only goes on with that
			if err := s.mindHalts(ctx, tx, ownHalts); err != nil {
				return err
			}
		}
		state, _, owner, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		switch state {
		case batch.Stopped:
			return nil
		case batch.Stopping:
		case batch.Closing: // lines are becoming letters: finish that first
			return post.FaultBatchState
		default:
			if by == "" {
				return post.FaultBatchState
			}
			if err := swap(ctx, tx, `UPDATE batch SET state = $1, paused = 0 WHERE id = $2 AND state = $3`, string(batch.Stopping), string(id), string(state)); err != nil {
				return err
			}
			e := ledger.New("batch.stopped", owner, string(id))
			e.Actor = string(by)
			if err := record(ctx, tx, e); err != nil {
				return err
			}
		}
		left, err = s.cancelLetters(ctx, tx, owner, id, n)
		if err != nil || left > 0 {
			return err
		}
		return swap(ctx, tx, `UPDATE batch SET state = $1 WHERE id = $2 AND state = $3`, string(batch.Stopped), string(id), string(batch.Stopping))
	})
	return left, err
}

func (s *Store) cancelLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.BatchID, n int) (left int, err error) {
	ids, err := lettersIn(ctx, tx, id, stoppable, batch.MaxAnnounced, n)
	if err != nil {
		return 0, err
	}
	if err := s.moveMany(ctx, tx, ids, tenant, stoppable, post.LetterCancelled, batch.CodeStopped, "batch "+string(id)); err != nil {
		return 0, err
	}
	if err := s.finishAll(ctx, tx, queue.AdvanceLetter, ids); err != nil {
		return 0, err
	}
	args := []any{string(id)}
	for _, st := range append(undecided[:len(undecided):len(undecided)], stoppable...) {
		args = append(args, string(st))
	}
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM letter WHERE batch = $1 AND batch <> '' AND state IN (`+placeholders(2, len(args)-1)+`)`, args...).
		Scan(&left)
	return left, err
}

// ReleaseApproved goes on with the batches whose release or stop was cut short,
// in steps of n letters, until nothing is left that can be done now, and calls
// released, unless it is nil, after each step of a release: its letters may go
// while the next ones are released. The dispatcher calls it with every sweep.
func (s *Store) ReleaseApproved(ctx context.Context, n int, released func()) error {
	rows, err := s.read.QueryContext(ctx,
		`SELECT id, state FROM batch WHERE state IN ('`+string(batch.Approved)+`', '`+string(batch.Stopping)+`') ORDER BY urgent DESC, approved_at`)
	if err != nil {
		return fmt.Errorf("list approved batches: %w", err)
	}
	type open struct {
		id    post.BatchID
		state batch.State
	}
	var all []open
	for rows.Next() {
		var o open
		if err := rows.Scan(&o.id, &o.state); err != nil {
			return fmt.Errorf("list approved batches: %w", errors.Join(err, rows.Close())) //nolint:sqlclosecheck // closed before the next statement of the same connection
		}
		all = append(all, o)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("list approved batches: %w", err)
	}
	for _, o := range all {
		if err := s.goOn(ctx, o.id, o.state, n, released); err != nil && !errors.Is(err, post.ErrStale) && !errors.Is(err, post.FaultBatchState) {
			return fmt.Errorf("go on with batch %s: %w", o.id, err)
		}
	}
	return nil
}

func (s *Store) goOn(ctx context.Context, id post.BatchID, state batch.State, n int, released func()) error {
	for before := -1; ; {
		left, err := 0, error(nil)
		if state == batch.Stopping {
			if left, err = s.StopBatch(ctx, "", id, "", n); left == before {
				return err // what is left waits for its carriers
			}
			before = left
		} else {
			left, err = s.ApproveBatch(ctx, "", id, "", n)
			if err == nil && released != nil {
				released()
			}
		}
		if err != nil || left == 0 {
			return err
		}
	}
}
