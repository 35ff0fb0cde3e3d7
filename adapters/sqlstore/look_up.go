package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ lookup.Drawer    = (*Store)(nil)
	_ lookup.Questions = (*Store)(nil)
)

// reachLetters are how answers are kept: one letter each, a capital one for a line
// that bears an address.
var reachLetters = map[lookup.Reach]byte{lookup.Reachable: 'r', lookup.Unreachable: 'u', lookup.Unsure: 'q'}

func lettersOf(answers []lookup.Answer) string {
	b := make([]byte, len(answers))
	for i, a := range answers {
		c, ok := reachLetters[a.Reach]
		if !ok {
			c = reachLetters[lookup.Unsure]
		}
		if a.Address {
			c -= 'a' - 'A'
		}
		b[i] = c
	}
	return string(b)
}

func answersOf(letters string) []lookup.Answer {
	all := make([]lookup.Answer, 0, len(letters))
	for _, c := range []byte(letters) {
		a := lookup.Answer{Reach: lookup.Unsure, Address: c >= 'A' && c <= 'Z'}
		for reach, l := range reachLetters {
			if c|0x20 == l {
				a.Reach = reach
			}
		}
		all = append(all, a)
	}
	return all
}

// forgetLookUps deletes look-ups asked for before a moment, and one more when it
// is named.
func forgetLookUps(ctx context.Context, tx *sql.Tx, before time.Time, also post.BatchID) error {
	const old = `SELECT batch FROM look_up WHERE asked_at <= $1 OR batch = $2`
	if _, err := exec(ctx, tx, `DELETE FROM look_up_line WHERE batch IN (`+old+`)`, micros(before), string(also)); err != nil {
		return err
	}
	_, err := exec(ctx, tx, `DELETE FROM look_up WHERE asked_at <= $1 OR batch = $2`, micros(before), string(also))
	return err
}

// AskLookUp implements [lookup.Drawer].
func (s *Store) AskLookUp(ctx context.Context, r lookup.Request, open int) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		state, _, owner, err := batchRow(ctx, tx, r.Tenant, r.Batch)
		if err != nil {
			return err
		}
		if state != batch.Closed {
			return post.FaultLookUpState
		}
		if err := forgetLookUps(ctx, tx, r.At.Add(-lookup.Life), ""); err != nil {
			return err
		}
		var ended string
		switch err := tx.QueryRowContext(ctx, `SELECT ended FROM look_up WHERE batch = $1`, string(r.Batch)).Scan(&ended); {
		case err == nil && ended == "":
			return nil // it is under way, or answered
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if err := forgetLookUps(ctx, tx, time.Time{}, r.Batch); err != nil {
			return err
		}
		var waiting int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM look_up WHERE ended = '' AND done < lines`).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= open {
			return post.FaultLookUpsMany
		}
		if err := swap(ctx, tx, `INSERT INTO look_up (batch, tenant, actor, asked_at, lines) SELECT id, tenant, $1, $2, lines FROM batch WHERE id = $3`,
			string(r.Actor), micros(r.At), string(r.Batch)); err != nil {
			return err
		}
		e := ledger.New("batch.look-up-asked", owner, string(r.Batch))
		e.Actor = string(r.Actor)
		return record(ctx, tx, e)
	})
	if unique(err) {
		return post.FaultKeyBusy // somebody else asked at this very moment
	}
	return err
}

// FindLookUp implements [lookup.Drawer].
func (s *Store) FindLookUp(ctx context.Context, tenant post.TenantID, id post.BatchID, since time.Time) (v lookup.View, err error) {
	found := false
	var letters strings.Builder
	// One statement, so that the answers are those of the look-up that it names.
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var at int64
		var some string
		if err := rows.Scan(&v.Batch, &at, &v.Lines, &v.Ended, &some); err != nil {
			return err
		}
		found, v.AskedAt = true, fromMicros(at)
		letters.WriteString(some)
		return nil
	}, `SELECT u.batch, u.asked_at, u.lines, u.ended, coalesce(l.answers, '') FROM look_up u LEFT JOIN look_up_line l ON l.batch = u.batch
	    WHERE u.batch = $1 AND u.tenant = $2 AND u.asked_at > $3 ORDER BY l.first`, string(id), string(tenant), micros(since))
	if err == nil && !found {
		err = post.FaultLookUpNone
	}
	if err != nil {
		return lookup.View{}, fmt.Errorf("show look-up of batch %s: %w", id, err)
	}
	v.Answers = answersOf(letters.String())
	return v, nil
}

// LookUpItems implements [lookup.Drawer].
func (s *Store) LookUpItems(ctx context.Context, tenant post.TenantID, id post.BatchID, after, n int) (all []lookup.Item, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var i lookup.Item
		var registered int64
		err := rows.Scan(&i.Line, &i.Arrive, &registered)
		i.Registered = registered == 1
		all = append(all, i)
		return err
	}, `SELECT l.n, l.arrive, l.registered FROM batch_line l JOIN batch b ON b.id = l.batch
	    WHERE l.batch = $1 AND b.tenant = $2 AND l.n > $3 ORDER BY l.n LIMIT $4`, string(id), string(tenant), after, n)
	return all, err
}

// TakeLookUp implements [lookup.Questions].
func (s *Store) TakeLookUp(ctx context.Context, now, old time.Time, holds time.Duration) (w lookup.Work, ok bool, err error) {
	const due = `FROM look_up WHERE asked_at <= $1 OR ended = '' AND done < lines AND due_at <= $2`
	var n int
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) `+due, micros(old), micros(now)).Scan(&n); err != nil || n == 0 {
		return w, false, err // nothing to write, nearly always
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		w, ok = lookup.Work{}, false
		if err := forgetLookUps(ctx, tx, old, ""); err != nil {
			return err
		}
		var state batch.State
		var at, until int64
		err := tx.QueryRowContext(ctx, `SELECT u.batch, u.tenant, u.actor, u.asked_at, u.lines, u.done, u.tries, u.due_at, coalesce(b.state, '')
			FROM look_up u LEFT JOIN batch b ON b.id = u.batch WHERE u.ended = '' AND u.done < u.lines AND u.due_at <= $1
			ORDER BY u.due_at, u.asked_at LIMIT 1`, micros(now)).
			Scan(&w.Batch, &w.Tenant, &w.Actor, &at, &w.Lines, &w.Done, &w.Tries, &until, &state)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		w.At, w.Waits, ok = fromMicros(at), state == batch.Closed, true
		return swap(ctx, tx, `UPDATE look_up SET due_at = $1 WHERE batch = $2 AND due_at = $3`, micros(now.Add(holds)), string(w.Batch), until)
	})
	if errors.Is(err, post.ErrStale) { // another dispatcher was first
		return lookup.Work{}, false, nil
	}
	return w, ok && err == nil, err
}

// LinesToLookUp implements [lookup.Questions].
func (s *Store) LinesToLookUp(ctx context.Context, id post.BatchID, after, n int) (all []lookup.Line, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var l lookup.Line
		err := rows.Scan(&l.N, &l.Recipient)
		all = append(all, l)
		return err
	}, `SELECT n, recipient FROM batch_line WHERE batch = $1 AND n > $2 ORDER BY n LIMIT $3`, string(id), after, n)
	return all, err
}

// sameLookUp is true of the look-up that was taken, as it was, from argument $2 on.
const sameLookUp = ` WHERE batch = $2 AND asked_at = $3 AND done = $4 AND tries = $5 AND ended = ''`

// KeepLooked implements [lookup.Questions].
func (s *Store) KeepLooked(ctx context.Context, w lookup.Work, answers []lookup.Answer) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		// Due now, after those that have waited longer.
		if err := swap(ctx, tx, `UPDATE look_up SET done = done + $1, tries = 0, due_at = $6`+sameLookUp,
			len(answers), string(w.Batch), micros(w.At), w.Done, w.Tries, micros(time.Now())); err != nil {
			return err
		}
		_, err := exec(ctx, tx, `INSERT INTO look_up_line (batch, first, answers) VALUES ($1, $2, $3)`, string(w.Batch), w.Done+1, lettersOf(answers))
		return err
	})
}

// PutOffLookUp implements [lookup.Questions].
func (s *Store) PutOffLookUp(ctx context.Context, w lookup.Work, due time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return swap(ctx, tx, `UPDATE look_up SET tries = tries + 1, due_at = $1`+sameLookUp, micros(due), string(w.Batch), micros(w.At), w.Done, w.Tries)
	})
}

// EndLookUp implements [lookup.Questions].
func (s *Store) EndLookUp(ctx context.Context, w lookup.Work, why lookup.Ended) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return swap(ctx, tx, `UPDATE look_up SET ended = $1`+sameLookUp, string(why), string(w.Batch), micros(w.At), w.Done, w.Tries)
	})
}
