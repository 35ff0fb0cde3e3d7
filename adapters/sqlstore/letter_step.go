package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ dispatch.Store = (*Store)(nil)

// stepRecords reads what the next steps of leased letters need, in one statement,
// so that all of each is as of one moment: one row for each document, in which
// all else repeats. A lease that is not the newest finds nothing.
func (s *Store) stepRecords(ctx context.Context, leases []queue.Lease) (map[string]dispatch.Record, error) {
	asked := make([][]any, len(leases))
	for i, l := range leases {
		asked[i] = []any{string(l.Kind), l.ID, l.Fence}
	}
	with, args := s.d.withAny("kind, id, fence", asked)
	rows, err := s.read.QueryContext(ctx,
		with+`SELECT l.id, l.reference, l.tenant, l.inquiry, l.digital_only, l.registered, l.state, l.version, l.channel, l.generation, l.code, l.failures, CASE WHEN l.looks_since = l.since THEN l.looks ELSE 0 END,
		     l.not_before, l.arrive, l.since, l.recipient, l.content, l.manifest, l.rooted, l.batch, l.line,
		     b.policy, CASE WHEN l.batch = '' OR b.state IN ('approved', 'released') AND b.paused = 0 THEN 1 ELSE 0 END,
		     CASE WHEN b.state IN ('stopping', 'stopped') THEN 1 ELSE 0 END,
		     h.message_id, h.carrier, h.created_at, h.form_size, h.form_sha256, h.attempts, h.unsure, h.spared, h.address,
		     d.header, d.blob, d.blob_sha256, d.blob_size, d.clear_size
		 FROM (SELECT DISTINCT kind, id, fence FROM v) AS a CROSS JOIN job j
		     JOIN letter l ON l.id = j.id
		     LEFT JOIN batch b ON b.id = l.batch AND l.batch <> ''
		     LEFT JOIN hand_over h ON h.letter = l.id AND h.channel = l.channel AND h.generation = l.generation
		     LEFT JOIN letter_document d ON d.letter = l.id
		 WHERE j.kind || '' = a.kind AND j.id = a.id AND j.fence = a.fence ORDER BY l.id, d.n`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]dispatch.Record, len(leases))
	var rootedOnes []string
	for rows.Next() {
		var r dispatch.Record
		var rooted int64
		d, err := scanStep(rows, &r, &rooted)
		if err != nil {
			return nil, err
		}
		if have, ok := found[string(r.ID)]; ok {
			r = have
		} else if rooted == 1 {
			rootedOnes = append(rootedOnes, string(r.ID))
		}
		if d != nil {
			r.Documents = append(r.Documents, *d)
		}
		found[string(r.ID)] = r
	}
	if err := rows.Err(); err != nil { // at their end they have given the connection back, and what follows needs one
		return nil, err
	}
	for _, id := range rootedOnes {
		r := found[id]
		if r.Manifest, err = s.withRoot(ctx, s.read, string(r.Batch), r.Manifest); err != nil {
			return nil, err
		}
		found[id] = r
	}
	return found, s.formerAddresses(ctx, found)
}

// stepAlone reads what the next step of one leased letter needs.
func (s *Store) stepAlone(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
	found, err := s.stepRecords(ctx, []queue.Lease{l})
	if err != nil {
		return dispatch.Record{}, err
	}
	r, ok := found[l.ID]
	if !ok {
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
func scanStep(rows *sql.Rows, r *dispatch.Record, rooted *int64) (*letter.Sealed, error) {
	var only, registered, notBefore, since, released, stopped int64
	var policy, message, carrier, blob sql.NullString
	var created, formSize, attempts, unsure, spared, size, clear sql.NullInt64
	var form, address, header, sum []byte
	if err := rows.Scan(&r.ID, &r.Reference, &r.Tenant, &r.Inquiry, &only, &registered, &r.State, &r.Version, &r.Channel, &r.Generation, &r.Code, &r.Failures, &r.Looks,
		&notBefore, &r.Arrive, &since, &r.Recipient, &r.Content, &r.Manifest, rooted, &r.Batch, &r.Line,
		&policy, &released, &stopped, &message, &carrier, &created, &formSize, &form, &attempts, &unsure, &spared, &address,
		&header, &blob, &sum, &size, &clear); err != nil {
		return nil, err
	}
	r.DigitalOnly, r.Registered, r.NotBefore, r.Since = only == 1, registered == 1, fromMicros(notBefore), fromMicros(since)
	r.Policy, r.Released = post.SigningPolicy(policy.String), released == 1
	r.Stopped = stopped == 1
	if message.Valid {
		r.Intent = &dispatch.Intent{MessageID: message.String, Carrier: post.Carrier(carrier.String), CreatedAt: fromMicros(created.Int64), Size: formSize.Int64,
			Attempts: int(attempts.Int64), Unsure: unsure.Int64 == 1, Spared: int(spared.Int64), Address: string(address)}
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

// moveAlone is one move in a transaction of its own: what a move means.
func (s *Store) moveAlone(ctx context.Context, l queue.Lease, m dispatch.Move) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if m.Intent != nil {
			if err := s.mindHalts(ctx, tx, shareHalts); err != nil {
				return err
			}
		}
		if err := moveLetter(ctx, tx, moveOf(m)); err != nil {
			return err
		}
		if err := s.haltedAlone(ctx, tx, step{move: &m}); err != nil {
			return err
		}
		if err := bookHandOver(ctx, tx, m); err != nil {
			return err
		}
		return rebook(ctx, tx, l, m.Due, m.Free)
	})
}

func moveOf(m dispatch.Move) move {
	mv := move{id: m.Letter, tenant: m.Tenant, from: m.From, version: m.Version, through: m.Through, to: m.To, manifest: m.Manifest,
		channel: m.Channel, generation: m.Generation, code: m.Code, actor: "dispatcher"}
	if m.Intent != nil {
		mv.digest = hex.EncodeToString(m.Intent.SHA256[:])
	}
	return mv
}

// bookHandOver keeps the intent before the first byte, and the answer after.
// Doubt, once there, stays.
func bookHandOver(ctx context.Context, tx *sql.Tx, m dispatch.Move) error {
	if in := m.Intent; in != nil {
		if err := swap(ctx, tx,
			`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, carrier, address)
			 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			 ON CONFLICT (message_id) DO UPDATE SET attempts = excluded.attempts
			 WHERE hand_over.form_sha256 = excluded.form_sha256 AND hand_over.carrier = excluded.carrier AND hand_over.attempts < excluded.attempts`,
			in.MessageID, string(m.Letter), string(m.Channel), m.Generation, micros(in.CreatedAt), in.Size, in.SHA256[:], in.Attempts, string(in.Carrier), []byte(in.Address)); err != nil {
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
		     taken_at = CASE WHEN CAST($4 AS BIGINT) = 0 THEN taken_at ELSE CAST($4 AS BIGINT) END,
		     spared = spared + $6
		 WHERE message_id = $5`, truth(m.Unsure), answer, transmission, taken, m.MessageID, truth(m.Spare))
}

// waitAlone is one wait in a transaction of its own: what a wait means.
func (s *Store) waitAlone(ctx context.Context, l queue.Lease, w dispatch.Wait) error {
	one := step{wait: &w}
	return s.tx(ctx, func(tx *sql.Tx) error {
		if one.minds() {
			if err := s.mindHalts(ctx, tx, shareHalts); err != nil {
				return err
			}
		}
		if err := fenced(ctx, tx, l.Kind, l.ID, l.Fence); err != nil {
			return err
		}
		if w.Version != 0 {
			if err := swap(ctx, tx, `UPDATE letter SET code = $1, failures = $2, looks = $5, looks_since = since WHERE id = $3 AND version = $4`,
				w.Code, w.Failures, string(w.Letter), w.Version, w.Looks); err != nil {
				return err
			}
		}
		if err := s.haltedAlone(ctx, tx, one); err != nil {
			return err
		}
		if !w.Due.IsZero() {
			if err := postpone(ctx, tx, l.Kind, l.ID, w.Due); err != nil {
				return err
			}
		}
		if err := keepBack(ctx, tx, l, w.Road); err != nil {
			return err
		}
		return freeLease(ctx, tx, l)
	})
}

// rebook moves the job of a lease to due, or ends it when due is zero, and gives
// the lease back when free is set. It answers [post.ErrStale] unless the lease is
// the newest, so whatever else the transaction did is undone. A job that goes on at
// once under its lease is due already and keeps its place.
func rebook(ctx context.Context, tx *sql.Tx, l queue.Lease, due time.Time, free bool) error {
	if due.IsZero() {
		return swap(ctx, tx, `DELETE FROM job WHERE kind = $1 AND id = $2 AND fence = $3`, string(l.Kind), l.ID, l.Fence)
	}
	if free {
		return swap(ctx, tx, `UPDATE job SET due_at = $1, lease_until = 0 WHERE kind = $2 AND id = $3 AND fence = $4`,
			micros(due), string(l.Kind), l.ID, l.Fence)
	}
	if !due.After(time.Now()) {
		return swap(ctx, tx, `UPDATE job SET fence = fence WHERE kind = $1 AND id = $2 AND fence = $3`, string(l.Kind), l.ID, l.Fence)
	}
	return swap(ctx, tx, `UPDATE job SET due_at = $1 WHERE kind = $2 AND id = $3 AND fence = $4`,
		micros(due), string(l.Kind), l.ID, l.Fence)
}

// keepBack notes what keeps the job of a lease back.
func keepBack(ctx context.Context, tx *sql.Tx, l queue.Lease, road string) error {
	_, err := exec(ctx, tx, `UPDATE job SET road = $1 WHERE kind = $2 AND id = $3 AND fence = $4 AND road <> $1`, road, string(l.Kind), l.ID, l.Fence)
	return err
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
	through    []dispatch.Passage // entered on the way
	version    int64
	channel    post.Channel
	generation int
	code       string
	actor      string
	digest     string // what the entry of the last state vouches for
	manifest   []byte // the signature, when the move brings one
}

// moveLetter moves the row and records a ledger entry for each state that it
// enters.
func moveLetter(ctx context.Context, tx *sql.Tx, m move) error {
	now := time.Now()
	query := `UPDATE letter SET state = $1, version = version + $9, channel = $2, generation = $3, code = $4, failures = 0, since = $5
		 WHERE id = $6 AND state = $7 AND version = $8`
	args := []any{string(m.to), string(m.channel), m.generation, m.code, micros(now), string(m.id), string(m.from), m.version, m.steps()}
	if m.manifest != nil {
		query = `UPDATE letter SET state = $1, version = version + $9, channel = $2, generation = $3, code = $4, failures = 0, since = $5,
		     manifest = $10, rooted = 0, signed_at = $5
		 WHERE id = $6 AND state = $7 AND version = $8`
		args = append(args, m.manifest)
	}
	if err := swap(ctx, tx, query, args...); err != nil {
		return err
	}
	return record(ctx, tx, m.events()...)
}

// steps is how many states the move enters.
func (m move) steps() int64 { return int64(len(m.through) + 1) }

// events are the ledger entries of the move, one for each state. That of signed
// vouches for the signature.
func (m move) events() []ledger.Event {
	events := make([]ledger.Event, 0, m.steps())
	last := dispatch.Passage{State: m.to, Channel: m.channel, Generation: m.generation, Code: m.code}
	for _, p := range append(slices.Clip(m.through), last) {
		e := ledger.New("letter."+string(p.State), m.tenant, string(m.id))
		e.Actor, e.Outcome = m.actor, p.Code
		if p.Channel != "" {
			e.Outcome = string(p.Channel) + "/" + strconv.Itoa(p.Generation)
			if p.Code != "" {
				e.Outcome += " " + p.Code
			}
		}
		if p.State == post.LetterSigned && m.manifest != nil {
			e.Digest = verify.ManifestDigest(m.manifest)
		}
		events = append(events, e)
	}
	if m.digest != "" {
		events[len(events)-1].Digest = m.digest
	}
	return events
}
