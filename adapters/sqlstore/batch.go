package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ batch.Store = (*Store)(nil)

// OpenBatch implements [batch.Store].
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
		if err := linesAreNew(ctx, tx, o); err != nil {
			return err
		}
		return insertBatch(ctx, tx, o)
	})
	if err != nil {
		return batch.View{}, err
	}
	v, err := s.BatchView(ctx, o.Tenant, id)
	v.Repeated = repeated
	return v, err
}

// linesAreNew refuses, all at once, the lines whose keys name letters already.
func linesAreNew(ctx context.Context, tx *sql.Tx, o batch.Opened) error {
	var faults []error
	for _, l := range o.Lines {
		var used int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM letter WHERE tenant = $1 AND business = $2`, string(o.Tenant), l.Key).
			Scan(&used); err != nil {
			return err
		}
		if used > 0 {
			faults = append(faults, post.FaultLineKeyUsed.At("line %d", l.N))
		}
	}
	return errors.Join(faults...)
}

func insertBatch(ctx context.Context, tx *sql.Tx, o batch.Opened) error {
	if err := swap(ctx, tx,
		`INSERT INTO batch (id, tenant, client, business, digest, state, lines, opened_at)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		string(o.ID), string(o.Tenant), string(o.Client), o.Key, o.Digest, string(batch.Open), len(o.Lines), micros(time.Now())); err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx,
		`INSERT INTO batch_line (batch, n, letter, reference, business, digest, document, recipient, content)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, l := range o.Lines {
		if _, err := insert.ExecContext(ctx, string(o.ID), l.N, string(l.Letter), l.Reference, l.Key, l.Digest, l.Document, l.Recipient, l.Content); err != nil {
			return fmt.Errorf("line %d: %w", l.N, err)
		}
	}
	e := ledger.New("batch.opened", o.Tenant, string(o.ID))
	e.Actor, e.Outcome = string(o.Client), fmt.Sprintf("%d lines", len(o.Lines))
	return record(ctx, tx, e)
}

// missingMax bounds the list of missing documents in one answer.
const missingMax = 1000

// BatchView implements [batch.Store].
func (s *Store) BatchView(ctx context.Context, tenant post.TenantID, id post.BatchID) (v batch.View, err error) {
	var opened int64
	err = s.read.QueryRowContext(ctx,
		`SELECT id, tenant, state, lines, client, approver, opened_at FROM batch WHERE id = $1 AND ($2 = '' OR tenant = $2)`,
		string(id), string(tenant)).Scan(&v.ID, &v.Tenant, &v.State, &v.Lines, &v.Submitter, &v.Approver, &opened)
	if errors.Is(err, sql.ErrNoRows) {
		return v, post.ErrNotFound
	}
	if err != nil {
		return v, err
	}
	v.OpenedAt = fromMicros(opened)
	if v.State == batch.Open {
		v.Missing, err = s.missingDocuments(ctx, id)
		return v, err
	}
	v.Letters = map[post.LetterState]int{}
	rows, err := s.read.QueryContext(ctx, `SELECT state, count(*) FROM letter WHERE batch = $1 GROUP BY state`, string(id))
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

const missingQuery = `FROM batch_line l WHERE l.batch = $1
	AND NOT EXISTS (SELECT 1 FROM batch_document d WHERE d.batch = l.batch AND d.sha256 = l.document)`

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

// PutBatchDocument implements [batch.Store].
func (s *Store) PutBatchDocument(ctx context.Context, tenant post.TenantID, id post.BatchID, sha256 string, doc letter.Sealed) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		state, _, _, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		if state != batch.Open {
			return post.FaultBatchState
		}
		var announced int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM batch_line WHERE batch = $1 AND document = $2`, string(id), sha256).
			Scan(&announced); err != nil {
			return err
		}
		if announced == 0 {
			return post.FaultDocumentUnannounced
		}
		_, err = exec(ctx, tx,
			`INSERT INTO batch_document (batch, sha256, header, blob, blob_sha256, blob_size, clear_size)
			 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			string(id), sha256, doc.Header, doc.Blob, doc.SHA256, doc.Size, doc.Clear)
		return err
	})
}

// CloseBatch implements [batch.Store].
func (s *Store) CloseBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, n int) (left int, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		state, client, owner, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		switch state {
		case batch.Open:
			if err := startClosing(ctx, tx, id); err != nil {
				return err
			}
		case batch.Closing:
		default:
			left = 0
			return nil // closed already, or further
		}
		if err := makeLetters(ctx, tx, owner, client, id, n); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM batch_line WHERE batch = $1 AND made = 0`, string(id)).Scan(&left); err != nil {
			return err
		}
		if left > 0 {
			return nil
		}
		if err := swap(ctx, tx, `UPDATE batch SET state = $1, closed_at = $2 WHERE id = $3 AND state = $4`,
			string(batch.Closed), micros(time.Now()), string(id), string(batch.Closing)); err != nil {
			return err
		}
		e := ledger.New("batch.closed", owner, string(id))
		e.Actor = string(client)
		return record(ctx, tx, e)
	})
	return left, err
}

func startClosing(ctx context.Context, tx *sql.Tx, id post.BatchID) error {
	var missing int
	if err := tx.QueryRowContext(ctx, `SELECT count(DISTINCT l.document) `+missingQuery, string(id)).Scan(&missing); err != nil {
		return err
	}
	if missing > 0 {
		return post.FaultDocumentsMissing.At("%d documents", missing)
	}
	return swap(ctx, tx, `UPDATE batch SET state = $1 WHERE id = $2 AND state = $3`, string(batch.Closing), string(id), string(batch.Open))
}

// madeLine is a line with the document that has come for it.
type madeLine struct {
	n      int
	letter letter.Accepted
}

// makeLetters makes held letters of up to n lines. No job is written: nothing
// is to be done before approval.
func makeLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, client post.ClientID, id post.BatchID, n int) error {
	lines, err := unmadeLines(ctx, tx, id, n)
	if err != nil {
		return err
	}
	for _, l := range lines {
		l.letter.Tenant, l.letter.Client = tenant, client
		fresh, err := insertLetter(ctx, tx, l.letter, place{state: post.LetterHeld, batch: id, line: l.n})
		if err != nil {
			return fmt.Errorf("line %d: %w", l.n, err)
		}
		if !fresh { // a letter took the key after the batch was opened
			return post.FaultLineKeyUsed.At("line %d", l.n)
		}
		if err := swap(ctx, tx, `UPDATE batch_line SET made = 1 WHERE batch = $1 AND n = $2 AND made = 0`, string(id), l.n); err != nil {
			return err
		}
	}
	return nil
}

func unmadeLines(ctx context.Context, tx *sql.Tx, id post.BatchID, n int) (lines []madeLine, err error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT l.n, l.letter, l.reference, l.business, l.digest, l.recipient, l.content,
		     d.header, d.blob, d.blob_sha256, d.blob_size, d.clear_size
		 FROM batch_line l JOIN batch_document d ON d.batch = l.batch AND d.sha256 = l.document
		 WHERE l.batch = $1 AND l.made = 0 ORDER BY l.n LIMIT $2`, string(id), n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l madeLine
		var d letter.Sealed
		a := &l.letter
		if err := rows.Scan(&l.n, &a.ID, &a.Reference, &a.Key, &a.Digest, &a.Recipient, &a.Content,
			&d.Header, &d.Blob, &d.SHA256, &d.Size, &d.Clear); err != nil {
			return nil, err
		}
		a.Documents = []letter.Sealed{d}
		lines = append(lines, l)
	}
	return lines, rows.Err()
}

// ApproveBatch implements [batch.Store].
func (s *Store) ApproveBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, approver post.ClientID, n int) (left int, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		state, client, owner, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		if approver != "" && approver == client {
			return post.FaultSecondPerson
		}
		switch {
		case state == batch.Closed && approver != "":
			if err := swap(ctx, tx, `UPDATE batch SET state = $1, approver = $2, approved_at = $3 WHERE id = $4 AND state = $5`,
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
			left = 0
			return nil
		default:
			return post.FaultBatchState
		}
		left, err = releaseLetters(ctx, tx, owner, id, n)
		if err != nil || left > 0 {
			return err
		}
		return swap(ctx, tx, `UPDATE batch SET state = $1 WHERE id = $2 AND state = $3`, string(batch.Released), string(id), string(batch.Approved))
	})
	return left, err
}

// releaseLetters moves up to n held letters of an approved batch to ready and
// makes their jobs.
func releaseLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.BatchID, n int) (left int, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, version FROM letter WHERE batch = $1 AND state = $2 ORDER BY line LIMIT $3`,
		string(id), string(post.LetterHeld), n)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var moves []move
	for rows.Next() {
		m := move{tenant: tenant, from: post.LetterHeld, to: post.LetterReady, actor: "batch " + string(id)}
		if err := rows.Scan(&m.id, &m.version); err != nil {
			return 0, err
		}
		moves = append(moves, m)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	now := time.Now()
	for _, m := range moves {
		if err := moveLetter(ctx, tx, m); err != nil {
			return 0, err
		}
		if err := postpone(ctx, tx, queue.AdvanceLetter, string(m.id), now); err != nil {
			return 0, err
		}
	}
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM letter WHERE batch = $1 AND state = $2`, string(id), string(post.LetterHeld)).Scan(&left)
	return left, err
}

// ReleaseApproved goes on with the approved batches whose release was cut
// short: up to n letters of each. The dispatcher calls it with every sweep.
func (s *Store) ReleaseApproved(ctx context.Context, n int) error {
	rows, err := s.read.QueryContext(ctx, `SELECT id FROM batch WHERE state = $1`, string(batch.Approved))
	if err != nil {
		return fmt.Errorf("list approved batches: %w", err)
	}
	var ids []post.BatchID
	for rows.Next() {
		var id post.BatchID
		if err := rows.Scan(&id); err != nil {
			rows.Close()
			return fmt.Errorf("list approved batches: %w", err)
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("list approved batches: %w", err)
	}
	for _, id := range ids {
		if _, err := s.ApproveBatch(ctx, "", id, "", n); err != nil && !errors.Is(err, post.ErrStale) {
			return fmt.Errorf("release batch %s: %w", id, err)
		}
	}
	return nil
}
