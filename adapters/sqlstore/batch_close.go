package sqlstore

import (
	"context"
	"database/sql"
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
		if left, err = makeLetters(ctx, tx, owner, client, id, n); err != nil || left > 0 {
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
// is to be done before approval. It answers left=0 when no line is left.
func makeLetters(ctx context.Context, tx *sql.Tx, tenant post.TenantID, client post.ClientID, id post.BatchID, n int) (left int, err error) {
	lines, err := unmadeLines(ctx, tx, id, n+1) // one more, to know whether any is left
	if err != nil || len(lines) == 0 {
		return 0, err
	}
	if len(lines) > n {
		lines, left = lines[:n], 1
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
		letters = append(letters, []any{string(a.ID), a.Reference, string(tenant), string(client), a.Key, a.Digest, string(id), l.n,
			string(post.LetterHeld), now, now, a.Recipient, a.Content, string(a.Arrive), urgent})
		documents = append(documents, []any{string(a.ID), 1, d.Header, d.Blob, d.SHA256, d.Size, d.Clear})
		e := ledger.New("letter.accepted", tenant, string(a.ID))
		e.Actor, e.Outcome = string(client), string(post.LetterHeld)
		events = append(events, e)
	}
	written, err := insertRows(ctx, tx,
		`INSERT INTO letter (id, reference, tenant, client, business, digest, batch, line, state, accepted_at, since, recipient, content, arrive, urgent)`,
		` ON CONFLICT DO NOTHING`, letters)
	if err != nil {
		return 0, err
	}
	if written != int64(len(lines)) { // a letter took a key after the batch was opened
		return 0, usedMeanwhile(ctx, tx, tenant, lines)
	}
	if _, err := insertRows(ctx, tx,
		`INSERT INTO letter_document (letter, n, header, blob, blob_sha256, blob_size, clear_size)`, "", documents); err != nil {
		return 0, err
	}
	if err := recordAll(ctx, tx, events); err != nil {
		return 0, err
	}
	made, err := exec(ctx, tx, `UPDATE batch_line SET made = 1 WHERE batch = $1 AND n >= $2 AND n <= $3 AND made = 0`,
		string(id), lines[0].n, lines[len(lines)-1].n)
	if err == nil && made != int64(len(lines)) {
		err = post.ErrStale
	}
	return left, err
}

// usedMeanwhile names the lines whose keys letters have that are not of them.
func usedMeanwhile(ctx context.Context, tx *sql.Tx, tenant post.TenantID, lines []madeLine) error {
	own := make([]any, 0, len(lines))
	sealed := make([]batch.SealedLine, 0, len(lines))
	for _, l := range lines {
		own = append(own, string(l.letter.ID))
		sealed = append(sealed, batch.SealedLine{N: l.n, Key: l.letter.Key})
	}
	// Those that were written a moment ago stand in the way of the question.
	if _, err := exec(ctx, tx, `DELETE FROM letter WHERE id IN (`+placeholders(1, len(own))+`)`, own...); err != nil {
		return err
	}
	if err := linesAreNew(ctx, tx, tenant, sealed); err != nil {
		return err
	}
	return post.ErrStale
}

func unmadeLines(ctx context.Context, tx *sql.Tx, id post.BatchID, n int) (lines []madeLine, err error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT l.n, l.letter, l.reference, l.business, l.digest, l.recipient, l.content, l.arrive,
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
		if err := rows.Scan(&l.n, &a.ID, &a.Reference, &a.Key, &a.Digest, &a.Recipient, &a.Content, &a.Arrive,
			&d.Header, &d.Blob, &d.SHA256, &d.Size, &d.Clear); err != nil {
			return nil, err
		}
		a.Documents = []letter.Sealed{d}
		lines = append(lines, l)
	}
	return lines, rows.Err()
}
