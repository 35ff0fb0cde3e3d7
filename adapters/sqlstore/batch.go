package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ batch.Store = (*Store)(nil)

// OpenBatch implements [batch.Intake].
func (s *Store) OpenBatch(ctx context.Context, o batch.Opened) (batch.View, error) {
	id, repeated := o.ID, false
	err := s.tx(ctx, func(tx *sql.Tx) error {
		id, repeated = o.ID, false
		var digest []byte
		err := tx.QueryRowContext(ctx, `SELECT id, digest FROM batch WHERE tenant = $1 AND business = $2`, string(o.Tenant), o.Key).Scan(&id, &digest)
		if err == nil {
			if !bytes.Equal(digest, o.Digest) {
				return post.FaultBatchKeyUsed.At("first used for %s", id)
			}
			repeated = true
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if o.Refuse != nil {
			return o.Refuse
		}
		return s.insertBatch(ctx, tx, o)
	})
	if err != nil {
		return batch.View{}, err
	}
	v, err := s.BatchView(ctx, o.Tenant, id)
	v.Repeated = repeated
	return v, err
}

// linesAreNew refuses, all at once, lines first to last of a batch whose keys
// name letters already that are not of these lines. Each refusal names the
// letter that has the key, and the batch that it came in, when it came in one.
func linesAreNew(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.BatchID, first, last int) error {
	rows, err := tx.QueryContext(ctx,
		`SELECT l.n, t.id, t.batch FROM batch_line l
		     JOIN letter t ON t.id = (SELECT k.id FROM letter k WHERE k.tenant = $1 AND k.business = l.business)
		 WHERE l.batch = $2 AND l.n >= $3 AND l.n <= $4 AND t.id <> l.letter ORDER BY l.n`, string(tenant), string(id), first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	var faults []error
	for rows.Next() {
		var n int
		var first string
		var of sql.NullString
		if err := rows.Scan(&n, &first, &of); err != nil {
			return err
		}
		if of.String != "" {
			first += " of batch " + of.String
		}
		faults = append(faults, post.FaultLineKeyUsed.At("line %d, first used for letter %s", n, first))
	}
	return errors.Join(append(faults, rows.Err())...)
}

func (s *Store) insertBatch(ctx context.Context, tx *sql.Tx, o batch.Opened) error {
	state := batch.Receiving
	if len(o.Lines) > 0 {
		state = batch.Open
	}
	if err := swap(ctx, tx,
		`INSERT INTO batch (id, tenant, client, business, digest, state, lines, received, policy, urgent, canary, opened_at)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		string(o.ID), string(o.Tenant), string(o.Client), o.Key, o.Digest, string(state), o.Count, len(o.Lines),
		string(o.Policy), truth(o.Urgent), o.Canary, micros(time.Now())); err != nil {
		return err
	}
	if err := s.insertLines(ctx, tx, o.Tenant, o.ID, o.Lines); err != nil {
		return err
	}
	e := ledger.New("batch.opened", o.Tenant, string(o.ID))
	e.Actor, e.Outcome = string(o.Client), fmt.Sprintf("%d lines", o.Count)
	return record(ctx, tx, e)
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// insertLines keeps lines that follow each other. It refuses those whose keys
// another line or a letter has.
func (s *Store) insertLines(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.BatchID, lines []batch.SealedLine) error {
	if len(lines) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(lines))
	for _, l := range lines {
		rows = append(rows, []any{string(id), int64(l.N), string(l.Letter), l.Reference, l.Key, l.Digest, l.Document, l.Recipient, l.Content, string(l.Arrive), truth(l.Registered)})
	}
	// Plainly: an insert that looks for conflicts first costs PostgreSQL half as
	// much again. [Store.linesTwice] says what stood in the way.
	if _, err := s.d.insertRows(ctx, tx,
		"batch_line", "batch, n, letter, reference, business, digest, document, recipient, content, arrive, registered", "", rows); err != nil {
		return fmt.Errorf("keep lines: %w", err)
	}
	return linesAreNew(ctx, tx, tenant, id, lines[0].N, lines[len(lines)-1].N)
}

// linesTwice says, after an insert was refused, which of the lines have keys
// that other lines of the batch have.
func (s *Store) linesTwice(ctx context.Context, id post.BatchID, lines []batch.SealedLine) error {
	var faults []error
	for len(lines) > 0 {
		some := lines[:min(rowsAtOnce, len(lines))]
		lines = lines[len(some):]
		place, args := map[string]int{}, []any{string(id)}
		for _, l := range some {
			place[string(l.Key)] = l.N
			args = append(args, l.Key)
		}
		rows, err := s.read.QueryContext(ctx, `SELECT n, business FROM batch_line WHERE batch = $1 AND business IN (`+placeholders(2, len(some))+`) ORDER BY n`, args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			var n int
			var key []byte
			if err := rows.Scan(&n, &key); err != nil {
				return errors.Join(err, rows.Close()) //nolint:sqlclosecheck // closed before the next statement
			}
			if own := place[string(key)]; own != n {
				faults = append(faults, post.FaultLineKeyTwice.At("lines %d and %d", min(n, own), max(n, own)))
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return errors.Join(faults...)
}

// PutBatchLines implements [batch.Intake].
func (s *Store) PutBatchLines(ctx context.Context, tenant post.TenantID, id post.BatchID, p batch.Part) (repeated bool, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		repeated = false
		state, _, owner, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		var digest []byte
		err = tx.QueryRowContext(ctx, `SELECT digest FROM batch_part WHERE batch = $1 AND part = $2`, string(id), p.N).Scan(&digest)
		if err == nil {
			if !bytes.Equal(digest, p.Digest) {
				return post.FaultBatchPartChanged.At("part %d", p.N)
			}
			repeated = true
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if state != batch.Receiving {
			return post.FaultBatchState
		}
		if p.Refuse != nil {
			return p.Refuse
		}
		if _, err := exec(ctx, tx, `INSERT INTO batch_part (batch, part, digest, lines) VALUES ($1, $2, $3, $4)`,
			string(id), p.N, p.Digest, len(p.Lines)); err != nil {
			return err
		}
		if err := s.insertLines(ctx, tx, owner, id, p.Lines); err != nil {
			return err
		}
		return swap(ctx, tx,
			`UPDATE batch SET received = received + $1, state = CASE WHEN received + $1 = lines THEN $2 ELSE state END WHERE id = $3`,
			len(p.Lines), string(batch.Open), string(id))
	})
	if unique(err) {
		if err := s.linesTwice(ctx, id, p.Lines); err != nil {
			return false, err
		}
		return false, post.FaultKeyBusy // this very part, of the same moment
	}
	return repeated, err
}

// missingMax bounds the list of missing documents in one answer.
const missingMax = 1000

// BatchView implements [batch.Steering].
func (s *Store) BatchView(ctx context.Context, tenant post.TenantID, id post.BatchID) (v batch.View, err error) {
	var opened, urgent, paused, signed int64
	var allowed int
	err = s.read.QueryRowContext(ctx,
		`SELECT id, tenant, state, lines, received, policy, urgent, canary, allowed, paused, CASE WHEN root IS NULL THEN 0 ELSE 1 END,
		     client, approver, opened_at
		 FROM batch WHERE id = $1 AND ($2 = '' OR tenant = $2)`, string(id), string(tenant)).
		Scan(&v.ID, &v.Tenant, &v.State, &v.Lines, &v.Received, &v.Policy, &urgent, &v.Canary, &allowed, &paused, &signed,
			&v.Submitter, &v.Approver, &opened)
	if errors.Is(err, sql.ErrNoRows) {
		return v, post.ErrNotFound
	}
	if err != nil {
		return v, err
	}
	v.OpenedAt, v.Urgent, v.Paused, v.Signed = fromMicros(opened), urgent == 1, paused == 1, signed == 1
	switch v.State {
	case batch.Receiving:
		v.Parts, err = s.batchParts(ctx, id)
		return v, err
	case batch.Open:
		v.Missing, err = s.missingDocuments(ctx, id)
		return v, err
	case batch.Approved:
		v.Waiting = v.Lines - allowed
	default: // nothing more to say than the letters' states
	}
	v.Letters = map[post.LetterState]int{}
	rows, err := s.read.QueryContext(ctx, `SELECT state, count(*) FROM letter WHERE batch = $1 AND batch <> '' GROUP BY state`, string(id))
	if err != nil {
		return v, err
	}
	defer rows.Close()
	for rows.Next() {
		var st post.LetterState
		var n int
		if err := rows.Scan(&st, &n); err != nil {
			return v, err
		}
		v.Letters[st] = n
	}
	return v, rows.Err()
}

func (s *Store) batchParts(ctx context.Context, id post.BatchID) (parts []int, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT part FROM batch_part WHERE batch = $1 ORDER BY part`, string(id))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		parts = append(parts, n)
	}
	return parts, rows.Err()
}

const missingQuery = `FROM batch_line l WHERE l.batch = $1
	AND NOT EXISTS (SELECT 1 FROM batch_document d WHERE d.batch = l.batch || '' AND d.sha256 = l.document)`

func (s *Store) missingDocuments(ctx context.Context, id post.BatchID) (missing []string, err error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT l.document `+missingQuery+` GROUP BY l.document ORDER BY min(l.n) LIMIT $2`, string(id), missingMax)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d string
		if err := rows.Scan(&d); err != nil {
			return nil, err
		}
		missing = append(missing, d)
	}
	return missing, rows.Err()
}

// batchRow reads what every step on a batch must know.
func batchRow(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.BatchID) (state batch.State, client post.ClientID, owner post.TenantID, err error) {
	err = tx.QueryRowContext(ctx, `SELECT state, client, tenant FROM batch WHERE id = $1 AND ($2 = '' OR tenant = $2)`, string(id), string(tenant)).
		Scan(&state, &client, &owner)
	if errors.Is(err, sql.ErrNoRows) {
		err = post.ErrNotFound
	}
	return state, client, owner, err
}
