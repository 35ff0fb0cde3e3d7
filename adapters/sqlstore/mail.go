package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ mailroom.Shelf = (*Store)(nil)
	_ mailroom.Desk  = (*Store)(nil)
)

// Where a message stands.
const (
	mailKept   = "kept"
	mailTaken  = "taken"
	mailParked = "parked"
)

// mailOther is the code of a message beside another one under its id.
const mailOther = "other-content"

const mailColumns = `id, carrier, tenant, message_id, digest, received_at, header, blob, blob_sha256, blob_size, attempts, cut, answered, code`

func scanMail(scan func(...any) error) (a mailroom.Arrival, err error) {
	var at int64
	var cut, answered int
	var code string
	err = scan(&a.ID, &a.Carrier, &a.Tenant, &a.MessageID, &a.Digest, &at, &a.Object.Header, &a.Object.Blob,
		&a.Object.SHA256, &a.Object.Size, &a.Attempts, &cut, &answered, &code)
	a.At, a.Cut, a.Answered, a.Filed = fromMicros(at), cut == 1, answered == 1, code == mailFiled
	return a, err
}

func (s *Store) mails(ctx context.Context, query string, args ...any) ([]mailroom.Arrival, error) {
	var all []mailroom.Arrival
	err := s.tx(ctx, func(tx *sql.Tx) error {
		all = nil
		rows, err := tx.QueryContext(ctx, query, args...) //nolint:gosec // callers pass constants
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			a, err := scanMail(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, a)
		}
		return rows.Err()
	})
	return all, err
}

// KnownMail implements [mailroom.Shelf].
func (s *Store) KnownMail(ctx context.Context, carrier string, tenant post.TenantID, messageID string) (mailroom.Arrival, error) {
	a, err := scanMail(s.read.QueryRowContext(ctx,
		`SELECT `+mailColumns+` FROM mail WHERE carrier = $1 AND tenant = $2 AND message_id = $3
		     ORDER BY CASE WHEN code = 'other-content' THEN 1 ELSE 0 END, id LIMIT 1`,
		carrier, string(tenant), messageID).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return a, post.ErrNotFound
	}
	return a, err
}

// KeepMail implements [mailroom.Shelf]. Other bytes under an id that is known
// are parked at once: two messages under one id are for a person to compare. Of
// two that come at the same time the index mail_first lets one be the first.
func (s *Store) KeepMail(ctx context.Context, a mailroom.Arrival, e ledger.Event) (fresh bool, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		cut := 0
		if a.Cut {
			cut = 1
		}
		for _, as := range []struct{ state, code string }{{mailKept, ""}, {mailParked, mailOther}} {
			n, err := exec(ctx, tx,
				`INSERT INTO mail (id, carrier, tenant, message_id, digest, received_at, header, blob, blob_sha256, blob_size,
				     state, code, due_at, cut, answered)
				 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $6, $13, $13)
				 ON CONFLICT DO NOTHING`,
				a.ID, a.Carrier, string(a.Tenant), a.MessageID, a.Digest, micros(a.At), a.Object.Header, a.Object.Blob, a.Object.SHA256,
				a.Object.Size, as.state, as.code, cut)
			if fresh = n == 1; err != nil {
				return err
			}
			if fresh {
				e.Outcome = as.code
				return record(ctx, tx, e)
			}
		}
		return nil // the same bytes
	})
	if err != nil {
		return false, fmt.Errorf("keep mail %s: %w", a.ID, err)
	}
	return fresh, nil
}

// UnansweredMail implements [mailroom.Shelf].
func (s *Store) UnansweredMail(ctx context.Context, carrier string, tenant post.TenantID, now time.Time, pause time.Duration, n int) ([]mailroom.Arrival, error) {
	return s.mails(ctx, `UPDATE mail SET answer_at = $1 WHERE id IN (
		     SELECT id FROM mail WHERE answered = 0 AND answer_at <= $2 AND carrier = $4 AND tenant = $5 ORDER BY answer_at LIMIT $3`+s.d.skipLocked+`)
		 RETURNING `+mailColumns, micros(now.Add(pause)), micros(now), n, carrier, string(tenant))
}

// MailAnswered implements [mailroom.Shelf].
func (s *Store) MailAnswered(ctx context.Context, id string) error {
	if _, err := s.single(ctx, `UPDATE mail SET answered = 1 WHERE id = $1`, id); err != nil {
		return fmt.Errorf("record answer to mail %s: %w", id, err)
	}
	return nil
}

// contactStep is how far apart two recorded contacts are: a system is asked
// every few seconds, and the watch counts in hours.
const contactStep = 5 * time.Minute

// MailContact implements [mailroom.Shelf].
func (s *Store) MailContact(ctx context.Context, carrier string, tenant post.TenantID, at time.Time) (time.Time, error) {
	var last int64
	err := s.read.QueryRowContext(ctx, `SELECT at FROM mail_contact WHERE carrier = $1 AND tenant = $2`, carrier, string(tenant)).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("read contact of %s: %w", tenant, err)
	}
	if at.IsZero() || micros(at) < last+contactStep.Microseconds() {
		return fromMicros(last), nil
	}
	if _, err := s.single(ctx, `INSERT INTO mail_contact (carrier, tenant, at) VALUES ($1, $2, $3)
		 ON CONFLICT (carrier, tenant) DO UPDATE SET at = excluded.at`, carrier, string(tenant), micros(at)); err != nil {
		return time.Time{}, fmt.Errorf("record contact of %s: %w", tenant, err)
	}
	return fromMicros(last), nil
}

// ClaimMail implements [mailroom.Desk].
func (s *Store) ClaimMail(ctx context.Context, now time.Time, hold time.Duration, n int) ([]mailroom.Arrival, error) {
	return s.mails(ctx, `UPDATE mail SET due_at = $1, attempts = attempts + 1 WHERE id IN (
		     SELECT id FROM mail WHERE state = 'kept' AND due_at <= $2 ORDER BY due_at, id LIMIT $3`+s.d.skipLocked+`)
		 RETURNING `+mailColumns, micros(now.Add(hold)), micros(now), n)
}

// LeaveMail implements [mailroom.Desk].
func (s *Store) LeaveMail(ctx context.Context, id string) error {
	if _, err := s.single(ctx, `UPDATE mail SET attempts = 0 WHERE id = $1 AND state = 'kept'`, id); err != nil {
		return fmt.Errorf("leave mail %s: %w", id, err)
	}
	return nil
}

// AnsweredLetter implements [mailroom.Desk].
func (s *Store) AnsweredLetter(ctx context.Context, tenant post.TenantID, messageIDs []string) (a mailroom.Answered, err error) {
	for _, id := range messageIDs {
		err := s.read.QueryRowContext(ctx,
			`SELECT l.id, l.reference, l.recipient FROM hand_over h JOIN letter l ON l.id = h.letter WHERE h.message_id = $1 AND l.tenant = $2`,
			id, string(tenant)).Scan(&a.Letter, &a.Reference, &a.Recipient)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		return a, err
	}
	return a, post.ErrNotFound
}

// SentOn implements [mailroom.Desk].
func (s *Store) SentOn(ctx context.Context, tenant post.TenantID, messageID string) (bool, error) {
	var id, inquiry string
	err := s.read.QueryRowContext(ctx, `SELECT l.id, l.inquiry FROM hand_over h JOIN letter l ON l.id = h.letter
		 WHERE h.message_id = $1 AND l.tenant = $2 AND l.inquiry <> ''`, messageID, string(tenant)).Scan(&id, &inquiry)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && post.LetterID(id) == post.ForwardedLetterID(post.InquiryID(inquiry)), err
}

// UnreadMail implements [mailroom.Desk].
func (s *Store) UnreadMail(ctx context.Context) (time.Time, error) {
	var oldest int64
	err := s.read.QueryRowContext(ctx, `SELECT coalesce(min(received_at), 0) FROM mail WHERE state = 'kept'`).Scan(&oldest)
	return fromMicros(oldest), err
}

// TakeMail implements [mailroom.Desk].
func (s *Store) TakeMail(ctx context.Context, t mailroom.Taken) error {
	q := t.Inquiry
	err := s.tx(ctx, func(tx *sql.Tx) error {
		// The message goes first: of two that take it at once only one finds it.
		if err := swap(ctx, tx, `UPDATE mail SET state = $1, code = '', letter = $2, thread = $3, header = $4, blob = ''
			 WHERE id = $5 AND state = $6`, mailTaken, string(t.Letter), t.Thread, []byte{}, string(q.ID), mailKept); err != nil {
			return err
		}
		if err := insertInquiry(ctx, tx, t.Accepted); err != nil {
			return err
		}
		return record(ctx, tx, t.Event)
	})
	if err != nil {
		return fmt.Errorf("take mail %s: %w", q.ID, err)
	}
	return nil
}

// ParkMail implements [mailroom.Desk].
func (s *Store) ParkMail(ctx context.Context, id, code string, e ledger.Event) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := swap(ctx, tx, `UPDATE mail SET state = $1, code = $2 WHERE id = $3 AND state = $4`, mailParked, code, id, mailKept); err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("park mail %s: %w", id, err)
	}
	return nil
}

// ParkedMail implements [mailroom.Desk]. What is not whole, or stands beside
// another message under its id, stays parked.
func (s *Store) ParkedMail(ctx context.Context, retry bool) (n int, since time.Time, err error) {
	var oldest int64
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if retry {
			if _, err := exec(ctx, tx, `UPDATE mail SET state = $1, due_at = $2, attempts = 0 WHERE state = $3 AND cut = 0 AND code <> 'other-content'`,
				mailKept, micros(time.Now()), mailParked); err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, `SELECT count(*), coalesce(min(received_at), 0) FROM mail WHERE state = $1`, mailParked).Scan(&n, &oldest)
	})
	return n, fromMicros(oldest), err
}

// forgetThread erases what a purged inquiry's message left for replies. The row
// itself stays, so that the same message, sent again, makes no new inquiry.
func forgetThread(ctx context.Context, tx *sql.Tx, inquiry string) error {
	_, err := exec(ctx, tx, `UPDATE mail SET thread = NULL, letter = '' WHERE id = $1`, inquiry)
	return err
}

// InquiryThread returns the message that an inquiry came as, and what a reply
// gives back, sealed; or [post.ErrNotFound] when it did not come by mail.
func (s *Store) InquiryThread(ctx context.Context, id post.InquiryID) (messageID string, thread []byte, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT message_id, thread FROM mail WHERE id = $1 AND state = $2`, string(id), mailTaken).Scan(&messageID, &thread)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, post.ErrNotFound
	}
	return messageID, thread, err
}

// HandOverOwner returns the tenant whose letter went out under a message id, or
// [post.ErrNotFound].
func (s *Store) HandOverOwner(ctx context.Context, messageID string) (tenant post.TenantID, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT l.tenant FROM hand_over h JOIN letter l ON l.id = h.letter WHERE h.message_id = $1`, messageID).Scan(&tenant)
	if errors.Is(err, sql.ErrNoRows) {
		return "", post.ErrNotFound
	}
	return tenant, err
}
