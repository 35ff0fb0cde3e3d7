package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// CloseBatch implements [batch.Intake].
func (s *Store) CloseBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, n int) (left int, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		state, client, owner, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		switch state {
		case batch.Receiving:
			return post.FaultBatchState
		case batch.Open:
			if err := startClosing(ctx, tx, id); err != nil {
				return err
			}
		case batch.Closing:
		default:
			left = 0
			return nil // closed already, or further
		}
		if left, err = s.makeLetters(ctx, tx, owner, client, id, n); err != nil || left > 0 {
			return err
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
// is to be done before approval. It answers how many lines are left.
func (s *Store) makeLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, client post.ClientID, id post.BatchID, n int) (left int, err error) {
	var made, all int
	if err := tx.QueryRowContext(ctx, `SELECT made, lines FROM batch WHERE id = $1`, string(id)).Scan(&made, &all); err != nil || made == all {
		return 0, err
	}
	upto := min(made+n, all)
	// First, so that of two who close the batch one waits here and then starts anew.
	if err := swap(ctx, tx, `UPDATE batch SET made = $1 WHERE id = $2 AND made = $3`, upto, string(id), made); err != nil {
		return 0, err
	}
	lines, err := linesToMake(ctx, tx, id, made, upto)
	if err != nil {
		return 0, err
	}
	var urgent int64
	if err := tx.QueryRowContext(ctx, `SELECT urgent FROM batch WHERE id = $1`, string(id)).Scan(&urgent); err != nil {
		return 0, err
	}
	now := micros(time.Now())
	var letters, documents [][]any
	events := make([]ledger.Event, 0, len(lines))
	for _, l := range lines {
		a, d := l.letter, l.letter.Documents[0]
		letters = append(letters, []any{string(a.ID), a.Reference, string(tenant), string(client), a.Key, a.Digest, string(id), int64(l.n),
			string(post.LetterHeld), now, now, a.Recipient, a.Content, string(a.Arrive), urgent, truth(a.Registered)})
		documents = append(documents, []any{string(a.ID), int64(1), d.Header, d.Blob, d.SHA256, d.Size, d.Clear})
		e := ledger.New("letter.accepted", tenant, string(a.ID))
		e.Actor, e.Outcome = string(client), string(post.LetterHeld)
		events = append(events, e)
	}
	if err := s.insertLetters(ctx, tx, tenant, id, made+1, upto, letters); err != nil {
		return 0, err
	}
	if _, err := s.d.insertRows(ctx, tx,
		"letter_document", "letter, n, header, blob, blob_sha256, blob_size, clear_size", "", documents); err != nil {
		return 0, err
	}
	if err := s.recordAll(ctx, tx, events); err != nil {
		return 0, err
	}
	return all - upto, nil
}

const lineIDAt, lineReferenceAt = 0, 1 // of a row of insertLetters

// insertLetters writes the letters of lines first to last. A reference has 35 bits, so
// among some 100,000 lines and all the letters that are here already one will be
// taken now and then: such a line gets another, which nobody has seen yet.
func (s *Store) insertLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.BatchID, first, last int, letters [][]any) error {
	for range drawings {
		written, err := s.d.insertRows(ctx, tx, "letter",
			"id, reference, tenant, client, business, digest, batch, line, state, accepted_at, since, recipient, content, arrive, urgent, registered",
			` ON CONFLICT DO NOTHING`, letters)
		if err != nil || written == int64(len(letters)) {
			return err
		}
		if err := linesAreNew(ctx, tx, tenant, id, first, last); err != nil { // a letter took a key after the batch was opened
			return errors.Join(err, post.ErrStale)
		}
		var left [][]any
		for _, l := range letters {
			var there bool
			if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM letter WHERE id = $1)`, l[lineIDAt]).Scan(&there); err != nil {
				return err
			}
			if there {
				continue
			}
			l[lineReferenceAt] = post.NewReference()
			if err := swap(ctx, tx, `UPDATE batch_line SET reference = $1 WHERE batch = $2 AND letter = $3`, l[lineReferenceAt], string(id), l[lineIDAt]); err != nil {
				return err
			}
			left = append(left, l)
		}
		letters = left
	}
	return post.ErrStale
}

// linesToMake reads lines after first, up to last.
func linesToMake(ctx context.Context, tx *sql.Tx, id post.BatchID, first, last int) (lines []madeLine, err error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT l.n, l.letter, l.reference, l.business, l.digest, l.recipient, l.content, l.arrive, l.registered,
		     d.header, d.blob, d.blob_sha256, d.blob_size, d.clear_size
		 FROM batch_line l JOIN batch_document d ON d.batch = l.batch || '' AND d.sha256 = l.document
		 WHERE l.batch = $1 AND l.n > $2 AND l.n <= $3 ORDER BY l.n`, string(id), first, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l madeLine
		var d letter.Sealed
		var registered int64
		a := &l.letter
		if err := rows.Scan(&l.n, &a.ID, &a.Reference, &a.Key, &a.Digest, &a.Recipient, &a.Content, &a.Arrive, &registered,
			&d.Header, &d.Blob, &d.SHA256, &d.Size, &d.Clear); err != nil {
			return nil, err
		}
		a.Documents, a.Registered = []letter.Sealed{d}, registered == 1
		lines = append(lines, l)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(lines) != last-first { // closing began when all of them and their documents were here
		return nil, fmt.Errorf("%d of lines %d to %d are here", len(lines), first+1, last)
	}
	return lines, nil
}
