package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ dispatch.Store = (*Store)(nil)

// LetterForStep implements [dispatch.Store].
func (s *Store) LetterForStep(ctx context.Context, l queue.Lease) (r dispatch.Record, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if err := fenced(ctx, tx, l.Kind, l.ID, l.Fence); err != nil {
			return err
		}
		r, err = stepRecord(ctx, tx, l.ID)
		return err
	})
	if err != nil {
		return dispatch.Record{}, fmt.Errorf("read letter %s: %w", l.ID, err)
	}
	return r, nil
}

func stepRecord(ctx context.Context, tx *sql.Tx, id string) (r dispatch.Record, err error) {
	var only, notBefore, since int64
	err = tx.QueryRowContext(ctx,
		`SELECT id, reference, tenant, inquiry, digital_only, state, version, channel, generation, code, failures,
		     not_before, since, recipient, content, manifest, batch, line
		 FROM letter WHERE id = $1`, id).
		Scan(&r.ID, &r.Reference, &r.Tenant, &r.Inquiry, &only, &r.State, &r.Version, &r.Channel, &r.Generation, &r.Code, &r.Failures,
			&notBefore, &since, &r.Recipient, &r.Content, &r.Manifest, &r.Batch, &r.Line)
	if errors.Is(err, sql.ErrNoRows) {
		return r, post.ErrNotFound
	}
	if err != nil {
		return r, err
	}
	r.DigitalOnly, r.NotBefore, r.Since = only == 1, fromMicros(notBefore), fromMicros(since)
	if r.Released = r.Batch == ""; !r.Released {
		if err := tx.QueryRowContext(ctx,
			`SELECT policy, CASE WHEN state IN ('approved', 'released') AND paused = 0 THEN 1 ELSE 0 END FROM batch WHERE id = $1`,
			string(r.Batch)).Scan(&r.Policy, &only); err != nil {
			return r, err
		}
		r.Released = only == 1
	}
	if r.Documents, err = letterDocuments(ctx, tx, id); err != nil {
		return r, err
	}
	r.Intent, err = intentOf(ctx, tx, id, r.Channel, r.Generation)
	return r, err
}

func letterDocuments(ctx context.Context, tx *sql.Tx, id string) (docs []letter.Sealed, err error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT header, blob, blob_sha256, blob_size, clear_size FROM letter_document WHERE letter = $1 ORDER BY n`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d letter.Sealed
		if err := rows.Scan(&d.Header, &d.Blob, &d.SHA256, &d.Size, &d.Clear); err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, rows.Err()
}

func intentOf(ctx context.Context, tx *sql.Tx, id string, ch post.Channel, generation int) (*dispatch.Intent, error) {
	var in dispatch.Intent
	var created, unsure int64
	var sum []byte
	err := tx.QueryRowContext(ctx,
		`SELECT message_id, created_at, form_size, form_sha256, attempts, unsure FROM hand_over
		 WHERE letter = $1 AND channel = $2 AND generation = $3`, id, string(ch), generation).
		Scan(&in.MessageID, &created, &in.Size, &sum, &in.Attempts, &unsure)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if copy(in.SHA256[:], sum) != 32 {
		return nil, errors.New("form digest is not 32 bytes")
	}
	in.CreatedAt, in.Unsure = fromMicros(created), unsure == 1
	return &in, nil
}

// MoveLetter implements [dispatch.Store].
func (s *Store) MoveLetter(ctx context.Context, l queue.Lease, m dispatch.Move) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := fenced(ctx, tx, l.Kind, l.ID, l.Fence); err != nil {
			return err
		}
		if err := moveLetter(ctx, tx, move{
			id: m.Letter, tenant: m.Tenant, from: m.From, version: m.Version, to: m.To,
			channel: m.Channel, generation: m.Generation, code: m.Code, actor: "dispatcher", digest: digestOf(m),
		}); err != nil {
			return err
		}
		if m.Manifest != nil {
			if _, err := exec(ctx, tx, `UPDATE letter SET manifest = $1, signed_at = $2 WHERE id = $3`,
				m.Manifest, micros(time.Now()), string(m.Letter)); err != nil {
				return err
			}
		}
		if err := bookHandOver(ctx, tx, m); err != nil {
			return err
		}
		if m.Due.IsZero() {
			return finish(ctx, tx, l.Kind, l.ID)
		}
		if err := postpone(ctx, tx, l.Kind, l.ID, m.Due); err != nil || !m.Free {
			return err
		}
		return freeLease(ctx, tx, l)
	})
	if err != nil {
		return fmt.Errorf("move letter %s to %s: %w", m.Letter, m.To, err)
	}
	return nil
}

// digestOf is what the ledger entry of a move vouches for.
func digestOf(m dispatch.Move) string {
	switch {
	case m.Manifest != nil:
		return verify.ManifestDigest(m.Manifest)
	case m.Intent != nil:
		return fmt.Sprintf("%x", m.Intent.SHA256)
	}
	return ""
}

// bookHandOver keeps the intent before the first byte, and the answer after.
// Doubt, once there, stays.
func bookHandOver(ctx context.Context, tx *sql.Tx, m dispatch.Move) error {
	if in := m.Intent; in != nil {
		if err := swap(ctx, tx,
			`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts)
			 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			 ON CONFLICT (message_id) DO UPDATE SET attempts = excluded.attempts
			 WHERE hand_over.form_sha256 = excluded.form_sha256 AND hand_over.attempts < excluded.attempts`,
			in.MessageID, string(m.Letter), string(m.Channel), m.Generation, micros(in.CreatedAt), in.Size, in.SHA256[:], in.Attempts); err != nil {
			return err
		}
		// A receipt that came before its hand-over was known (the database is
		// older than the carrier's) is matched again.
		_, err := exec(ctx, tx, `UPDATE receipt SET verdict = 'waiting' WHERE message_id = $1 AND verdict = 'parked' AND reason = 'unknown-hand-over'`, in.MessageID)
		return err
	}
	if m.MessageID == "" {
		return nil
	}
	unsure := 0
	if m.Unsure {
		unsure = 1
	}
	var answer, transmission string
	var taken int64
	if m.Answer != nil {
		answer, transmission = string(m.Answer.Verdict), m.Answer.Transmission
		if m.Answer.Verdict == dispatch.Taken {
			taken = micros(m.Answer.At)
		}
	}
	return swap(ctx, tx,
		`UPDATE hand_over SET unsure = CASE WHEN $1 = 1 THEN 1 ELSE unsure END,
		     answer = CASE WHEN $2 = '' THEN answer ELSE $2 END,
		     transmission = CASE WHEN $3 = '' THEN transmission ELSE $3 END,
		     taken_at = CASE WHEN CAST($4 AS BIGINT) = 0 THEN taken_at ELSE CAST($4 AS BIGINT) END
		 WHERE message_id = $5`, unsure, answer, transmission, taken, m.MessageID)
}

// WaitLetter implements [dispatch.Store].
func (s *Store) WaitLetter(ctx context.Context, l queue.Lease, w dispatch.Wait) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := fenced(ctx, tx, l.Kind, l.ID, l.Fence); err != nil {
			return err
		}
		if w.Version != 0 {
			if err := swap(ctx, tx, `UPDATE letter SET code = $1, failures = $2 WHERE id = $3 AND version = $4`,
				w.Code, w.Failures, string(w.Letter), w.Version); err != nil {
				return err
			}
		}
		if !w.Due.IsZero() {
			if err := postpone(ctx, tx, l.Kind, l.ID, w.Due); err != nil {
				return err
			}
		}
		return freeLease(ctx, tx, l)
	})
	if err != nil {
		return fmt.Errorf("let letter %s wait: %w", w.Letter, err)
	}
	return nil
}

func freeLease(ctx context.Context, tx *sql.Tx, l queue.Lease) error {
	_, err := exec(ctx, tx, `UPDATE job SET lease_until = 0 WHERE kind = $1 AND id = $2 AND fence = $3`, string(l.Kind), l.ID, l.Fence)
	return err
}

// move is one compare-and-swap of a letter, whoever asks for it.
type move struct {
	id         post.LetterID
	tenant     post.TenantID
	from, to   post.LetterState
	version    int64
	channel    post.Channel
	generation int
	code       string
	actor      string
	digest     string
}

// moveLetter moves the row and records the ledger entry.
func moveLetter(ctx context.Context, tx *sql.Tx, m move) error {
	now := time.Now()
	if err := swap(ctx, tx,
		`UPDATE letter SET state = $1, version = version + 1, channel = $2, generation = $3, code = $4, failures = 0, since = $5
		 WHERE id = $6 AND state = $7 AND version = $8`,
		string(m.to), string(m.channel), m.generation, m.code, micros(now), string(m.id), string(m.from), m.version); err != nil {
		return err
	}
	e := ledger.New("letter."+string(m.to), m.tenant, string(m.id))
	e.Actor, e.Outcome, e.Digest = m.actor, m.code, m.digest
	if m.channel != "" {
		e.Outcome = fmt.Sprintf("%s/%d", m.channel, m.generation)
		if m.code != "" {
			e.Outcome += " " + m.code
		}
	}
	return record(ctx, tx, e)
}
