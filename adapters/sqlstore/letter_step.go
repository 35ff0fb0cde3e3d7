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

// LetterForStep implements [dispatch.Store]. It is one statement, so all of it is
// as of one moment; a lease that is not the newest finds nothing.
func (s *Store) LetterForStep(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
	r, err := s.stepRecord(ctx, l)
	if err != nil {
		return dispatch.Record{}, fmt.Errorf("read letter %s: %w", l.ID, err)
	}
	return r, nil
}

// stepRecord reads one row for each document; all else repeats.
func (s *Store) stepRecord(ctx context.Context, l queue.Lease) (r dispatch.Record, err error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT l.id, l.reference, l.tenant, l.inquiry, l.digital_only, l.state, l.version, l.channel, l.generation, l.code, l.failures,
		     l.not_before, l.arrive, l.since, l.recipient, l.content, l.manifest, l.batch, l.line,
		     b.policy, CASE WHEN l.batch = '' OR b.state IN ('approved', 'released') AND b.paused = 0 THEN 1 ELSE 0 END,
		     h.message_id, h.carrier, h.created_at, h.form_size, h.form_sha256, h.attempts, h.unsure,
		     d.header, d.blob, d.blob_sha256, d.blob_size, d.clear_size
		 FROM job j JOIN letter l ON l.id = j.id
		     LEFT JOIN batch b ON b.id = l.batch AND l.batch <> ''
		     LEFT JOIN hand_over h ON h.letter = l.id AND h.channel = l.channel AND h.generation = l.generation
		     LEFT JOIN letter_document d ON d.letter = l.id
		 WHERE j.kind = $1 AND j.id = $2 AND j.fence = $3 ORDER BY d.n`, string(l.Kind), l.ID, l.Fence)
	if err != nil {
		return r, err
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		d, err := scanStep(rows, &r)
		if err != nil {
			return r, err
		}
		found = true
		if d != nil {
			r.Documents = append(r.Documents, *d)
		}
	}
	if err := rows.Err(); err != nil {
		return r, err
	}
	if !found {
		return r, s.noStep(ctx, l)
	}
	return r, nil
}

// noStep says why a lease finds no letter.
func (s *Store) noStep(ctx context.Context, l queue.Lease) error {
	var held int64
	err := s.read.QueryRowContext(ctx, `SELECT fence FROM job WHERE kind = $1 AND id = $2`, string(l.Kind), l.ID).Scan(&held)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && held != l.Fence:
		return post.ErrStale
	case err != nil:
		return err
	}
	return post.ErrNotFound
}

// scanStep reads the letter into r and returns the row's document; nil when the
// letter has none.
func scanStep(rows *sql.Rows, r *dispatch.Record) (*letter.Sealed, error) {
	var only, notBefore, since, released int64
	var policy, message, carrier, blob sql.NullString
	var created, formSize, attempts, unsure, size, clear sql.NullInt64
	var form, header, sum []byte
	if err := rows.Scan(&r.ID, &r.Reference, &r.Tenant, &r.Inquiry, &only, &r.State, &r.Version, &r.Channel, &r.Generation, &r.Code, &r.Failures,
		&notBefore, &r.Arrive, &since, &r.Recipient, &r.Content, &r.Manifest, &r.Batch, &r.Line,
		&policy, &released, &message, &carrier, &created, &formSize, &form, &attempts, &unsure,
		&header, &blob, &sum, &size, &clear); err != nil {
		return nil, err
	}
	r.DigitalOnly, r.NotBefore, r.Since = only == 1, fromMicros(notBefore), fromMicros(since)
	r.Policy, r.Released = post.SigningPolicy(policy.String), released == 1
	if message.Valid {
		r.Intent = &dispatch.Intent{MessageID: message.String, Carrier: post.Carrier(carrier.String), CreatedAt: fromMicros(created.Int64), Size: formSize.Int64,
			Attempts: int(attempts.Int64), Unsure: unsure.Int64 == 1}
		if len(form) != 32 {
			return nil, errors.New("form digest is not 32 bytes")
		}
		copy(r.Intent.SHA256[:], form)
	}
	if !blob.Valid {
		return nil, nil
	}
	var d letter.Sealed
	d.Header, d.Blob, d.SHA256, d.Size, d.Clear = header, blob.String, sum, size.Int64, clear.Int64
	return &d, nil
}

// MoveLetter implements [dispatch.Store].
func (s *Store) MoveLetter(ctx context.Context, l queue.Lease, m dispatch.Move) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := moveLetter(ctx, tx, move{
			id: m.Letter, tenant: m.Tenant, from: m.From, version: m.Version, through: m.Through, to: m.To, manifest: m.Manifest,
			channel: m.Channel, generation: m.Generation, code: m.Code, actor: "dispatcher", digest: digestOf(m),
		}); err != nil {
			return err
		}
		if err := bookHandOver(ctx, tx, m); err != nil {
			return err
		}
		return rebook(ctx, tx, l, m.Due, m.Free)
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
			`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, carrier)
			 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			 ON CONFLICT (message_id) DO UPDATE SET attempts = excluded.attempts
			 WHERE hand_over.form_sha256 = excluded.form_sha256 AND hand_over.carrier = excluded.carrier AND hand_over.attempts < excluded.attempts`,
			in.MessageID, string(m.Letter), string(m.Channel), m.Generation, micros(in.CreatedAt), in.Size, in.SHA256[:], in.Attempts, string(in.Carrier)); err != nil {
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

// rebook moves the job of a lease to due, or ends it when due is zero, and gives
// the lease back when free is set. It answers [post.ErrStale] unless the lease is
// the newest, so whatever else the transaction did is undone.
func rebook(ctx context.Context, tx *sql.Tx, l queue.Lease, due time.Time, free bool) error {
	if due.IsZero() {
		return swap(ctx, tx, `DELETE FROM job WHERE kind = $1 AND id = $2 AND fence = $3`, string(l.Kind), l.ID, l.Fence)
	}
	if free {
		return swap(ctx, tx, `UPDATE job SET due_at = $1, lease_until = 0 WHERE kind = $2 AND id = $3 AND fence = $4`,
			micros(due), string(l.Kind), l.ID, l.Fence)
	}
	return swap(ctx, tx, `UPDATE job SET due_at = $1 WHERE kind = $2 AND id = $3 AND fence = $4`,
		micros(due), string(l.Kind), l.ID, l.Fence)
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
	through    post.LetterState // entered on the way; "" is none
	version    int64
	channel    post.Channel
	generation int
	code       string
	actor      string
	digest     string
	manifest   []byte // the signature, when the move brings one
}

// moveLetter moves the row and records a ledger entry for each state that it
// enters. The digest is that of the first.
func moveLetter(ctx context.Context, tx *sql.Tx, m move) error {
	states := []post.LetterState{m.through, m.to}
	if m.through == "" {
		states = states[1:]
	}
	now := time.Now()
	query := `UPDATE letter SET state = $1, version = version + $9, channel = $2, generation = $3, code = $4, failures = 0, since = $5
		 WHERE id = $6 AND state = $7 AND version = $8`
	args := []any{string(m.to), string(m.channel), m.generation, m.code, micros(now), string(m.id), string(m.from), m.version, len(states)}
	if m.manifest != nil {
		query = `UPDATE letter SET state = $1, version = version + $9, channel = $2, generation = $3, code = $4, failures = 0, since = $5,
		     manifest = $10, signed_at = $5
		 WHERE id = $6 AND state = $7 AND version = $8`
		args = append(args, m.manifest)
	}
	if err := swap(ctx, tx, query, args...); err != nil {
		return err
	}
	var events []ledger.Event
	for i, state := range states {
		e := ledger.New("letter."+string(state), m.tenant, string(m.id))
		e.Actor, e.Outcome = m.actor, m.code
		if i == 0 {
			e.Digest = m.digest
		}
		if m.channel != "" {
			e.Outcome = fmt.Sprintf("%s/%d", m.channel, m.generation)
			if m.code != "" {
				e.Outcome += " " + m.code
			}
		}
		events = append(events, e)
	}
	return recordAll(ctx, tx, events)
}
