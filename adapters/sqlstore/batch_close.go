package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
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

// makeLetters makes held letters of up to n lines. No job is written: nothing
// is to be done before approval. What is sealed goes from table to table, and never
// through this process. It answers how many lines are left.
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
	letters, err := lettersOfLines(ctx, tx, id, made, upto, "")
	if err != nil {
		return 0, err
	}
	if len(letters) != upto-made {
		return 0, fmt.Errorf("%d of lines %d to %d are here", len(letters), made+1, upto)
	}
	if err := insertLetters(ctx, tx, tenant, client, id, made, upto); err != nil {
		return 0, err
	}
	documents, err := exec(ctx, tx,
		`INSERT INTO letter_document (letter, n, header, blob, blob_sha256, blob_size, clear_size)
		 SELECT l.letter, 1, d.header, d.blob, d.blob_sha256, d.blob_size, d.clear_size
		 FROM batch_line l JOIN batch_document d ON d.batch = l.batch || '' AND d.sha256 = l.document
		 WHERE l.batch = $1 AND l.n > $2 AND l.n <= $3 ORDER BY l.n`, string(id), made, upto)
	if err != nil {
		return 0, err
	}
	if documents != int64(upto-made) { // closing began when all of them were here
		return 0, fmt.Errorf("%d documents of lines %d to %d are here", documents, made+1, upto)
	}
	events := make([]ledger.Event, 0, len(letters))
	for _, l := range letters {
		e := ledger.New("letter.accepted", tenant, l)
		e.Actor, e.Outcome = string(client), string(post.LetterHeld)
		events = append(events, e)
	}
	if err := s.recordAll(ctx, tx, events); err != nil {
		return 0, err
	}
	return all - upto, nil
}

// insertLetters writes the letters of lines after first, up to last. A reference has
// 35 bits, so among some 100,000 lines and all the letters that are here already one
// will be taken now and then: such a line gets another, which nobody has seen yet.
func insertLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, client post.ClientID, id post.BatchID, first, last int) error {
	missing := int64(last - first)
	for range drawings {
		written, err := exec(ctx, tx,
			`INSERT INTO letter (id, reference, tenant, client, business, digest, batch, line, state, accepted_at, since, recipient, content, arrive, urgent, registered)
			 SELECT l.letter, l.reference, $1, $2, l.business, l.digest, l.batch, l.n, $3, $4, $4, l.recipient, l.content, l.arrive,
			     (SELECT urgent FROM batch WHERE id = $5), l.registered
			 FROM batch_line l WHERE l.batch = $5 AND l.n > $6 AND l.n <= $7 ORDER BY l.n ON CONFLICT DO NOTHING`,
			string(tenant), string(client), string(post.LetterHeld), micros(time.Now()), string(id), first, last)
		if err != nil {
			return err
		}
		if missing -= written; missing == 0 {
			return nil
		}
		if err := linesAreNew(ctx, tx, tenant, id, first+1, last); err != nil { // a letter took a key after the batch was opened
			return errors.Join(err, post.ErrStale)
		}
		left, err := lettersOfLines(ctx, tx, id, first, last, ` AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.id = l.letter)`)
		if err != nil {
			return err
		}
		for _, l := range left {
			if err := swap(ctx, tx, `UPDATE batch_line SET reference = $1 WHERE batch = $2 AND letter = $3`, post.NewReference(), string(id), l); err != nil {
				return err
			}
		}
	}
	return post.ErrStale
}

// lettersOfLines names the letters of lines after first, up to last, that are as where says.
func lettersOfLines(ctx context.Context, tx *sql.Tx, id post.BatchID, first, last int, where string) (letters []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT l.letter FROM batch_line l WHERE l.batch = $1 AND l.n > $2 AND l.n <= $3`+where+` ORDER BY l.n`, //nolint:gosec // where is a constant
		string(id), first, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l string
		if err := rows.Scan(&l); err != nil {
			return nil, err
		}
		letters = append(letters, l)
	}
	return letters, rows.Err()
}
