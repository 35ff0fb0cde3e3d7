package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
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

var _ letter.Records = (*Store)(nil)

const viewColumns = `SELECT l.id, l.reference, l.tenant, l.batch, l.line, l.inquiry, l.state, l.channel, l.generation, l.code,
	l.accepted_at, l.signed_at, l.not_before, l.available_at, l.since, l.arrive, l.urgent, l.registered, l.hold_at, l.hold_reason, COALESCE(h.created_at, 0),
	COALESCE(h.message_id, ''), COALESCE(h.carrier, ''), COALESCE(h.transmission, ''), COALESCE(h.tracking, '')
	FROM letter l LEFT JOIN hand_over h ON h.letter = l.id AND h.channel = l.channel AND h.generation = l.generation `

func scanView(scan func(...any) error) (v letter.View, err error) {
	var accepted, signed, notBefore, available, since, urgent, registered, held, sent int64
	err = scan(&v.ID, &v.Reference, &v.Tenant, &v.Batch, &v.Line, &v.Inquiry, &v.State, &v.Channel, &v.Generation, &v.Code,
		&accepted, &signed, &notBefore, &available, &since, &v.Arrive, &urgent, &registered, &held, &v.Hold, &sent, &v.MessageID, &v.Carrier, &v.Transmission, &v.Tracking)
	v.AcceptedAt, v.SignedAt, v.NotBefore, v.AvailableAt = fromMicros(accepted), fromMicros(signed), fromMicros(notBefore), fromMicros(available)
	v.Since, v.Urgent, v.Registered, v.HeldAt, v.SentAt = fromMicros(since), urgent == 1, registered == 1, fromMicros(held), fromMicros(sent)
	return v, err
}

// LetterView implements [letter.Records].
func (s *Store) LetterView(ctx context.Context, tenant post.TenantID, id post.LetterID) (letter.View, error) {
	v, _, err := s.letterView(ctx, tenant, id)
	return v, err
}

func (s *Store) letterView(ctx context.Context, tenant post.TenantID, id post.LetterID) (letter.View, []verify.Entry, error) {
	v, err := scanView(s.read.QueryRowContext(ctx, viewColumns+`WHERE l.id = $1 AND ($2 = '' OR l.tenant = $2)`, string(id), string(tenant)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return letter.View{}, nil, post.ErrNotFound
	}
	if err != nil {
		return letter.View{}, nil, err
	}
	entries, err := s.letterEntries(ctx, id)
	if err != nil {
		return letter.View{}, nil, err
	}
	for _, entry := range entries {
		var e ledger.Event
		if err := json.Unmarshal(entry.Body, &e); err != nil {
			return letter.View{}, nil, fmt.Errorf("read event of letter %s: %w", id, err)
		}
		v.Events = append(v.Events, letter.Event{ID: e.ID, At: e.At, Kind: e.Kind, Actor: e.Actor, Outcome: e.Outcome, Digest: e.Digest})
	}
	return v, entries, nil
}

// letterEntries returns the ledger entries of a letter, in their order.
func (s *Store) letterEntries(ctx context.Context, id post.LetterID) ([]verify.Entry, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT body, salt FROM ledger_event WHERE subject = $1 ORDER BY at, id`, string(id))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []verify.Entry
	for rows.Next() {
		var body []byte
		var e verify.Entry
		if err := rows.Scan(&body, &e.Salt); err != nil {
			return nil, err
		}
		e.Body = body
		all = append(all, e)
	}
	return all, rows.Err()
}

// LetterProof implements [letter.Records].
func (s *Store) LetterProof(ctx context.Context, tenant post.TenantID, id post.LetterID) (letter.Proof, error) {
	v, entries, err := s.letterView(ctx, tenant, id)
	if err != nil {
		return letter.Proof{}, err
	}
	p := letter.Proof{View: v, Events: entries}
	var rooted int64
	err = s.read.QueryRowContext(ctx, `SELECT manifest, rooted FROM letter WHERE id = $1`, string(id)).Scan(&p.Manifest, &rooted)
	if err == nil && rooted == 1 {
		p.Manifest, err = s.withRoot(ctx, s.read, string(v.Batch), p.Manifest)
	}
	if err != nil {
		return letter.Proof{}, err
	}
	rows, err := s.read.QueryContext(ctx,
		`SELECT carrier, event_id, message_id, kind, at, code, tracking, verdict FROM receipt WHERE letter = $1 AND letter <> '' ORDER BY at, event_id`, string(id))
	if err != nil {
		return letter.Proof{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var r letter.CarrierReceipt
		var at int64
		if err := rows.Scan(&r.Carrier, &r.EventID, &r.MessageID, &r.Kind, &at, &r.Code, &r.Tracking, &r.Verdict); err != nil {
			return letter.Proof{}, err
		}
		r.At = fromMicros(at)
		p.Receipts = append(p.Receipts, r)
	}
	return p, rows.Err()
}

// DoubleHandOvers returns the letters that break a rule which makes them once:
// more than one hand-over taken for (letter, generation), whatever the channel,
// without a recorded refusal of the digital one. It finds none, or the house
// has a fault.
func (s *Store) DoubleHandOvers(ctx context.Context) ([]post.LetterID, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT letter FROM hand_over WHERE taken_at > 0 AND answer NOT IN ('refused-recipient', 'refused-content')
		 GROUP BY letter, generation HAVING count(*) > 1 ORDER BY letter`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []post.LetterID
	for rows.Next() {
		var id post.LetterID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// DecideLetter implements [letter.Records].
func (s *Store) DecideLetter(ctx context.Context, d letter.Decided) (to post.LetterState, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		var c letter.Case
		var version, only, signed, taken, unsure, stopped int64
		var answer string
		var tenant post.TenantID
		err := tx.QueryRowContext(ctx,
			`SELECT l.tenant, l.state, l.version, l.channel, l.generation, l.digital_only, l.signed_at,
			     COALESCE(h.taken_at, 0), COALESCE(h.unsure, 0), COALESCE(h.answer, ''),
			     (SELECT count(*) FROM batch b WHERE b.id = l.batch AND l.batch <> '' AND b.state IN ('stopping', 'stopped'))
			 FROM letter l LEFT JOIN hand_over h ON h.letter = l.id AND h.channel = l.channel AND h.generation = l.generation
			 WHERE l.id = $1 AND ($2 = '' OR l.tenant = $2)`, string(d.Letter), string(d.Tenant)).
			Scan(&tenant, &c.State, &version, &c.Channel, &c.Generation, &only, &signed, &taken, &unsure, &answer, &stopped)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrNotFound
		}
		if err != nil {
			return err
		}
		c.DigitalOnly, c.Signed, c.Unsure, c.Stopped = only == 1, signed > 0, unsure == 1, stopped > 0
		refused := answer == "refused-recipient" || answer == "refused-content"
		c.Taken, c.Spent = taken > 0 && !refused, taken > 0 && refused
		r, err := letter.Judge(d.Decision, c)
		if err != nil {
			return err
		}
		mv := move{id: d.Letter, tenant: tenant, from: c.State, version: version, to: r.To,
			channel: r.Channel, generation: r.Generation, code: "decided: " + string(d.Decision), actor: string(d.Actor)}
		if r.Through != "" {
			mv.through = []dispatch.Passage{{State: r.Through, Channel: r.Channel, Generation: r.Generation, Code: mv.code}}
		}
		if err := moveLetter(ctx, tx, mv); err != nil {
			return err
		}
		to = r.To
		if to.Final() {
			return finish(ctx, tx, queue.AdvanceLetter, string(d.Letter))
		}
		return postpone(ctx, tx, queue.AdvanceLetter, string(d.Letter), time.Now())
	})
	if err != nil {
		return "", fmt.Errorf("decide letter %s: %w", d.Letter, err)
	}
	return to, nil
}
