package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

var (
	_ intake.Drafts    = (*Store)(nil)
	_ intake.Inquiries = (*Store)(nil)
	_ intake.Receipts  = (*Store)(nil)
)

// OpenDraft implements [intake.Drafts].
func (s *Store) OpenDraft(ctx context.Context, owner []byte) (intake.DraftRow, error) {
	row := s.read.QueryRowContext(ctx,
		`SELECT id, owner, version, expires_at, body, blobs FROM draft WHERE owner = $1`, owner)
	d, err := scanDraft(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return intake.DraftRow{}, post.ErrNotFound
	}
	if err != nil {
		return intake.DraftRow{}, fmt.Errorf("read draft: %w", err)
	}
	return d, nil
}

func scanDraft(scan func(...any) error) (intake.DraftRow, error) {
	var d intake.DraftRow
	var expires int64
	var blobs string
	err := scan(&d.ID, &d.Owner, &d.Version, &expires, &d.Body, &blobs)
	d.ExpiresAt, d.Blobs = fromMicros(expires), strings.Fields(blobs)
	return d, err
}

// SaveDraft implements [intake.Drafts].
func (s *Store) SaveDraft(ctx context.Context, d intake.DraftRow) error {
	blobs := strings.Join(d.Blobs, "\n")
	return s.tx(ctx, func(tx *sql.Tx) error {
		if d.Version == 0 {
			return swap(ctx, tx,
				`INSERT INTO draft (id, owner, version, expires_at, body, blobs) VALUES ($1, $2, 1, $3, $4, $5)
				 ON CONFLICT DO NOTHING`, d.ID, d.Owner, micros(d.ExpiresAt), d.Body, blobs)
		}
		return swap(ctx, tx,
			`UPDATE draft SET version = version + 1, expires_at = $1, body = $2, blobs = $3
			 WHERE id = $4 AND owner = $5 AND version = $6`,
			micros(d.ExpiresAt), d.Body, blobs, d.ID, d.Owner, d.Version)
	})
}

// DropDraft implements [intake.Drafts].
func (s *Store) DropDraft(ctx context.Context, id string, version int64) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return swap(ctx, tx, `DELETE FROM draft WHERE id = $1 AND version = $2`, id, version)
	})
}

// ExpiredDrafts implements [intake.Drafts].
func (s *Store) ExpiredDrafts(ctx context.Context, now time.Time, n int) ([]intake.DraftRow, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT id, owner, version, expires_at, body, blobs FROM draft
		 WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2`, micros(now), n)
	if err != nil {
		return nil, fmt.Errorf("list expired drafts: %w", err)
	}
	defer rows.Close()
	var all []intake.DraftRow
	for rows.Next() {
		d, err := scanDraft(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read expired draft: %w", err)
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// DropCopies implements [intake.Drafts].
func (s *Store) DropCopies(ctx context.Context, now time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `DELETE FROM inquiry_copy WHERE expires_at <= $1`, micros(now))
		return err
	})
}

// AcceptInquiry implements [intake.Inquiries].
func (s *Store) AcceptInquiry(ctx context.Context, a intake.Accepted) error {
	q := a.Inquiry
	err := s.tx(ctx, func(tx *sql.Tx) error {
		// The draft goes first: of two acceptances at once only one finds it.
		if err := swap(ctx, tx, `DELETE FROM draft WHERE id = $1 AND version = $2`, string(q.ID), a.Version); err != nil {
			return err
		}
		if err := insertInquiry(ctx, tx, a); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `INSERT INTO inquiry_copy (inquiry, expires_at, body) VALUES ($1, $2, $3)`,
			string(q.ID), micros(a.CopyUntil), a.Copy); err != nil {
			return err
		}
		if a.Forward {
			if err := postpone(ctx, tx, queue.ForwardInquiry, string(q.ID), q.AcceptedAt); err != nil {
				return err
			}
		}
		return record(ctx, tx, a.Event)
	})
	if err != nil {
		return fmt.Errorf("store inquiry %s: %w", q.ID, err)
	}
	return nil
}

// insertInquiry writes the row, or answers [intake.ErrReferenceTaken].
func insertInquiry(ctx context.Context, tx *sql.Tx, a intake.Accepted) error {
	q := a.Inquiry
	n, err := exec(ctx, tx,
		`INSERT INTO inquiry (id, reference, tenant, inbox, road, kind, state, accepted_at, due_at, digest,
		     header, blob, blob_sha256, blob_size, attachments, person_index, person, statement)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT (reference) DO NOTHING`,
		string(q.ID), q.Reference, string(q.Tenant), string(a.Inbox), string(q.Road), string(q.Kind), string(q.State),
		micros(q.AcceptedAt), micros(q.DueAt), q.Digest, a.Object.Header, a.Object.Blob, a.Object.SHA256, a.Object.Size,
		q.Attachments, a.PersonIndex, a.Person, a.Statement)
	if err == nil && n == 0 {
		return intake.ErrReferenceTaken
	}
	return err
}

const ownColumns = `SELECT id, reference, tenant, road, kind, state, accepted_at, due_at, digest, attachments, person_index,
	coalesce((SELECT l.state FROM letter l WHERE l.id = inquiry.letter AND inquiry.road = 'dpo'), ''),
	coalesce((SELECT l.channel FROM letter l WHERE l.id = inquiry.letter AND inquiry.road = 'dpo'), '') FROM inquiry `

func scanOwn(scan func(...any) error) (q intake.Inquiry, index []byte, err error) {
	var accepted, due int64
	err = scan(&q.ID, &q.Reference, &q.Tenant, &q.Road, &q.Kind, &q.State, &accepted, &due, &q.Digest, &q.Attachments, &index, &q.Letter, &q.Channel)
	q.AcceptedAt, q.DueAt = fromMicros(accepted), fromMicros(due)
	return q, index, err
}

// OwnInquiry implements [intake.Inquiries].
func (s *Store) OwnInquiry(ctx context.Context, idOrReference string, own map[post.TenantID][]byte) (intake.Inquiry, error) {
	q, index, err := scanOwn(s.read.QueryRowContext(ctx, ownColumns+`WHERE id = $1 OR reference = $1`, idOrReference).Scan)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (len(index) == 0 || !bytes.Equal(index, own[q.Tenant])) {
		return intake.Inquiry{}, post.ErrNotFound
	}
	if err != nil {
		return intake.Inquiry{}, fmt.Errorf("read own inquiry: %w", err)
	}
	return q, nil
}

// ownMax bounds one person's list.
const ownMax = 200

// OwnInquiries implements [intake.Inquiries].
func (s *Store) OwnInquiries(ctx context.Context, own map[post.TenantID][]byte) ([]intake.Inquiry, error) {
	var all []intake.Inquiry
	for tenant, index := range own {
		rows, err := s.read.QueryContext(ctx,
			ownColumns+`WHERE tenant = $1 AND person_index = $2 ORDER BY accepted_at DESC LIMIT $3`, string(tenant), index, ownMax)
		if err != nil {
			return nil, fmt.Errorf("list own inquiries: %w", err)
		}
		for rows.Next() {
			q, _, err := scanOwn(rows.Scan)
			if err != nil {
				return nil, fmt.Errorf("read own inquiry: %w", errors.Join(err, rows.Close())) //nolint:sqlclosecheck // in a loop: not left to the end of the function
			}
			all = append(all, q)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, fmt.Errorf("list own inquiries: %w", err)
		}
	}
	slices.SortFunc(all, func(a, b intake.Inquiry) int { return b.AcceptedAt.Compare(a.AcceptedAt) })
	return all, nil
}

// InquiryStatement implements [intake.Receipts].
func (s *Store) InquiryStatement(ctx context.Context, id post.InquiryID) ([]byte, error) {
	return s.bytesOf(ctx, `SELECT statement FROM inquiry WHERE id = $1`, string(id))
}

// AcceptanceEvent implements [intake.Receipts]. The acceptance is the first
// event of every inquiry.
func (s *Store) AcceptanceEvent(ctx context.Context, id post.InquiryID) (event string, err error) {
	err = s.read.QueryRowContext(ctx,
		`SELECT id FROM ledger_event WHERE subject = $1 ORDER BY id LIMIT 1`, string(id)).Scan(&event)
	if errors.Is(err, sql.ErrNoRows) {
		return "", post.ErrNotFound
	}
	return event, err
}

// InquiryCopy implements [intake.Receipts].
func (s *Store) InquiryCopy(ctx context.Context, id post.InquiryID, now time.Time) ([]byte, error) {
	return s.bytesOf(ctx, `SELECT body FROM inquiry_copy WHERE inquiry = $1 AND expires_at > $2`, string(id), micros(now))
}

func (s *Store) bytesOf(ctx context.Context, query string, args ...any) (b []byte, err error) {
	err = s.read.QueryRowContext(ctx, query, args...).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, post.ErrNotFound
	}
	return b, err
}
