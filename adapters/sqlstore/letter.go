package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ letter.Store = (*Store)(nil)
)

// PutDataKey implements [letter.Store].
func (s *Store) PutDataKey(ctx context.Context, id string, wrapped []byte) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO data_key (id, wrapped, at) VALUES ($1, $2, $3)`, id, wrapped, micros(time.Now()))
		return err
	})
}

// WrappedDataKey implements unseal.WrappedKeys.
func (s *Store) WrappedDataKey(ctx context.Context, id string) ([]byte, error) {
	return s.bytesOf(ctx, `SELECT wrapped FROM data_key WHERE id = $1`, id)
}

const firstLetter = `SELECT id, reference, state, digest, batch FROM letter WHERE tenant = $1 AND business = $2`

func scanFirst(row *sql.Row) (f letter.First, err error) {
	err = row.Scan(&f.ID, &f.Reference, &f.State, &f.Digest, &f.Batch)
	if errors.Is(err, sql.ErrNoRows) {
		return letter.First{}, post.ErrNotFound
	}
	return f, err
}

// LetterByKey implements [letter.Store].
func (s *Store) LetterByKey(ctx context.Context, tenant post.TenantID, key []byte) (letter.First, error) {
	return scanFirst(s.read.QueryRowContext(ctx, firstLetter, string(tenant), key))
}

// drawings is how often a new letter gets another reference because the one that was
// drawn is a former letter's.
const drawings = 8

// AcceptLetter implements [letter.Store].
func (s *Store) AcceptLetter(ctx context.Context, a letter.Accepted) (first letter.First, fresh bool, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		first, fresh = letter.First{ID: a.ID, Reference: a.Reference, State: post.LetterAccepted, Digest: a.Digest}, true
		if a.Inquiry != "" {
			if a.Recipient, err = inquiryPerson(ctx, tx, a.Tenant, a.Inquiry); err != nil {
				return err
			}
		}
		for n := 0; ; n++ {
			if fresh, err = insertLetter(ctx, tx, a, place{state: post.LetterAccepted}); err != nil {
				return err
			}
			if fresh {
				break
			}
			// Nothing else may change when the key is known: the inquiry stays as it is.
			first, err = scanFirst(tx.QueryRowContext(ctx, firstLetter, string(a.Tenant), a.Key))
			if !errors.Is(err, post.ErrNotFound) || n == drawings {
				return err
			}
			a.Reference = post.NewReference() // another letter's: nobody has seen this one yet
			first = letter.First{ID: a.ID, Reference: a.Reference, State: post.LetterAccepted, Digest: a.Digest}
		}
		if a.Inquiry != "" {
			if err := answerInquiry(ctx, tx, a); err != nil {
				return err
			}
		}
		return postpone(ctx, tx, queue.AdvanceLetter, string(a.ID), time.Now())
	})
	if err != nil {
		return letter.First{}, false, fmt.Errorf("accept letter %s: %w", a.ID, err)
	}
	return first, fresh, nil
}

// inquiryPerson copies the sealed person of an inquiry. Nobody opens it here.
func inquiryPerson(ctx context.Context, tx *sql.Tx, tenant post.TenantID, id post.InquiryID) (person []byte, err error) {
	err = tx.QueryRowContext(ctx, `SELECT person FROM inquiry WHERE id = $1 AND tenant = $2 AND road = 'dpo'`,
		string(id), string(tenant)).Scan(&person)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, post.ErrNotFound
	}
	return person, err
}

// answerInquiry moves the inquiry to answered; only one that its DPO has taken
// over can be answered, or answered again.
func answerInquiry(ctx context.Context, tx *sql.Tx, a letter.Accepted) error {
	err := swap(ctx, tx,
		`UPDATE inquiry SET state = $1, version = version + 1, letter = $2
		 WHERE id = $3 AND tenant = $4 AND state IN ($5, $1)`,
		string(post.InquiryAnswered), string(a.ID), string(a.Inquiry), string(a.Tenant), string(post.InquiryAcknowledged))
	if errors.Is(err, post.ErrStale) {
		return post.FaultNotAnswerable
	}
	if err != nil {
		return err
	}
	e := ledger.New("inquiry.answered", a.Tenant, string(a.Inquiry))
	e.Actor, e.Outcome = string(a.Client), "letter "+string(a.ID)
	return record(ctx, tx, e)
}

// place is where a new letter starts.
type place struct {
	state post.LetterState
	batch post.BatchID
	line  int
}

// insertLetter writes a letter, its documents and the ledger entry by which it
// is counted. It answers fresh=false, and has written nothing, when its id, its key
// or its reference is taken.
func insertLetter(ctx context.Context, tx *sql.Tx, a letter.Accepted, p place) (fresh bool, err error) {
	now := time.Now()
	only := 0
	if a.DigitalOnly {
		only = 1
	}
	n, err := exec(ctx, tx,
		`INSERT INTO letter (id, reference, tenant, client, business, digest, inquiry, batch, line, digital_only,
		     state, not_before, accepted_at, since, recipient, content, arrive, urgent, registered)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17, $18)
		 ON CONFLICT DO NOTHING`,
		string(a.ID), a.Reference, string(a.Tenant), string(a.Client), a.Key, a.Digest, string(a.Inquiry), string(p.batch), p.line, only,
		string(p.state), micros(a.NotBefore), micros(now), a.Recipient, a.Content, string(a.Arrive), truth(a.Urgent), truth(a.Registered))
	if err != nil || n == 0 {
		return false, err
	}
	for i, d := range a.Documents {
		if _, err := exec(ctx, tx,
			`INSERT INTO letter_document (letter, n, header, blob, blob_sha256, blob_size, clear_size)
			 VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			string(a.ID), i+1, d.Header, d.Blob, d.SHA256, d.Size, d.Clear); err != nil {
			return false, err
		}
	}
	e := ledger.New("letter.accepted", a.Tenant, string(a.ID))
	e.Actor, e.Outcome = string(a.Client), string(p.state)
	return true, record(ctx, tx, e)
}

// InquiryToForward implements forward.Store, which is not linked here.
func (s *Store) InquiryToForward(ctx context.Context, l queue.Lease) (m letter.Mail, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if err := fenced(ctx, tx, l.Kind, l.ID, l.Fence); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx,
			`SELECT id, tenant, reference, digest, header, blob FROM inquiry WHERE id = $1 AND state = $2`,
			l.ID, string(post.InquiryForwarding)).Scan(&m.ID, &m.Tenant, &m.Reference, &m.Digest, &m.Header, &m.Blob)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrNotFound
		}
		return err
	})
	return m, err
}

// insertForwarded writes the letter that an inquiry becomes. An inquiry must not
// count as forwarded without it, so a reference that is taken is drawn again.
func insertForwarded(ctx context.Context, tx *sql.Tx, a letter.Accepted) error {
	for range drawings {
		if fresh, err := insertLetter(ctx, tx, a, place{state: post.LetterAccepted}); err != nil || fresh {
			return err
		}
		a.Reference = post.NewReference()
	}
	return errors.New("neither the letter's id nor any reference drawn for it is free")
}

// ForwardInquiry implements forward.Store, which is not linked here.
func (s *Store) ForwardInquiry(ctx context.Context, l queue.Lease, a letter.Accepted) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := fenced(ctx, tx, l.Kind, l.ID, l.Fence); err != nil {
			return err
		}
		if err := swap(ctx, tx,
			`UPDATE inquiry SET state = $1, version = version + 1, letter = $2 WHERE id = $3 AND state = $4`,
			string(post.InquiryForwarded), string(a.ID), string(a.Inquiry), string(post.InquiryForwarding)); err != nil {
			return err
		}
		if err := insertForwarded(ctx, tx, a); err != nil {
			return err
		}
		e := ledger.New("inquiry.forwarded", a.Tenant, string(a.Inquiry))
		e.Actor, e.Outcome = "dispatcher", "letter "+string(a.ID)
		if err := record(ctx, tx, e); err != nil {
			return err
		}
		if err := finish(ctx, tx, l.Kind, l.ID); err != nil {
			return err
		}
		return postpone(ctx, tx, queue.AdvanceLetter, string(a.ID), time.Now())
	})
	if err != nil {
		return fmt.Errorf("forward inquiry %s: %w", a.Inquiry, err)
	}
	return nil
}
