package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ inbox.Store  = (*Store)(nil)
	_ inbox.Lister = (*Store)(nil)
)

// entryColumns are those of an [inbox.Entry]; $1 is the time of asking.
const entryColumns = `id, reference, tenant, kind,
	CASE WHEN state = 'leased' AND lease_until <= $1 THEN 'waiting' ELSE state END,
	accepted_at, due_at, attachments, blob_size + octet_length(header), settled_at, reason, letter, digest,
	lease_client, lease_fence, lease_secret, lease_until`

func scanEntry(row interface{ Scan(...any) error }) (inbox.Entry, error) {
	var e inbox.Entry
	var accepted, due, settled, until int64
	err := row.Scan(&e.ID, &e.Reference, &e.Tenant, &e.Kind, &e.State,
		&accepted, &due, &e.Attachments, &e.Size, &settled, &e.Reason, &e.Letter, &e.Digest,
		&e.Lease.Client, &e.Lease.Fence, &e.Lease.Secret, &until)
	e.AcceptedAt, e.DueAt, e.SettledAt = fromMicros(accepted), fromMicros(due), fromMicros(settled)
	e.Lease.Until = fromMicros(until)
	return e, err
}

// Inquiries implements [inbox.Lister]. Mail on its way to the municipality's
// Digital Post is nobody's in an inbox.
func (s *Store) Inquiries(ctx context.Context, q inbox.Query) ([]inbox.Entry, error) {
	args := []any{micros(q.Now), string(q.Inbox), micros(q.After.DueAt), string(q.After.ID), q.Limit}
	where := ""
	if q.Tenant != "" {
		args = append(args, string(q.Tenant))
		where = fmt.Sprintf(" AND tenant = $%d", len(args))
	}
	var marks []string
	for _, st := range q.States {
		args = append(args, string(st))
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	if len(marks) > 0 {
		where += ` AND CASE WHEN state = 'leased' AND lease_until <= $1 THEN 'waiting' ELSE state END IN (` +
			strings.Join(marks, ", ") + `)`
	}
	rows, err := s.read.QueryContext(ctx,
		`SELECT `+entryColumns+` FROM inquiry
		 WHERE inbox = $2 AND road = 'dpo' AND (due_at, id) > ($3, $4)`+where+`
		 ORDER BY due_at, id LIMIT $5`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []inbox.Entry
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, e)
	}
	return page, rows.Err()
}

// InquiryEntry implements [inbox.Lister].
func (s *Store) InquiryEntry(ctx context.Context, in post.InboxID, idOrReference string, now time.Time) (inbox.Entry, error) {
	e, err := scanEntry(s.read.QueryRowContext(ctx,
		`SELECT `+entryColumns+` FROM inquiry
		 WHERE inbox = $2 AND road = 'dpo' AND (id = $3 OR reference = $3)`, micros(now), string(in), idOrReference))
	if errors.Is(err, sql.ErrNoRows) {
		return inbox.Entry{}, post.ErrNotFound
	}
	return e, err
}

// LeaseInquiry implements [inbox.Store].
func (s *Store) LeaseInquiry(ctx context.Context, in post.InboxID, id post.InquiryID, l inbox.Lease, now time.Time, e ledger.Event) (fence int64, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx,
			`UPDATE inquiry SET state = 'leased', version = version + 1, lease_fence = lease_fence + 1,
			     lease_client = $1, lease_secret = $2, lease_until = $3
			 WHERE id = $4 AND inbox = $5 AND road = 'dpo'
			   AND (state = 'waiting' OR (state = 'leased' AND lease_until <= $6))
			 RETURNING lease_fence`,
			string(l.Client), l.Secret, micros(l.Until), string(id), string(in), micros(now)).Scan(&fence)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrStale
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
	return fence, err
}

// underLease is the condition that a lease still stands; its arguments are
// those of heldArgs, and it must come first in a statement.
const underLease = `id = $1 AND inbox = $2 AND road = 'dpo' AND state = 'leased'
	AND lease_client = $3 AND lease_fence = $4 AND lease_secret = $5 AND lease_until > $6`

func heldArgs(in post.InboxID, id post.InquiryID, held inbox.Lease, now time.Time, more ...any) []any {
	return append([]any{string(id), string(in), string(held.Client), held.Fence, held.Secret, micros(now)}, more...)
}

// ExtendInquiryLease implements [inbox.Store].
func (s *Store) ExtendInquiryLease(ctx context.Context, in post.InboxID, id post.InquiryID, held inbox.Lease, until, now time.Time, e ledger.Event) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		err := swap(ctx, tx, `UPDATE inquiry SET version = version + 1, lease_until = $7 WHERE `+underLease,
			heldArgs(in, id, held, now, micros(until))...)
		if err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
}

// OpenInquiry implements [inbox.Store].
func (s *Store) OpenInquiry(ctx context.Context, in post.InboxID, id post.InquiryID, held inbox.Lease, now time.Time, e ledger.Event) (c inbox.Sealed, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		// The update serializes this opening with a take-over of the lease.
		err := tx.QueryRowContext(ctx,
			`UPDATE inquiry SET version = version + 1 WHERE `+underLease+` RETURNING header, blob, blob_sha256, blob_size`,
			heldArgs(in, id, held, now)...).Scan(&c.Header, &c.Blob, &c.SHA256, &c.Size)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrStale
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
	return c, err
}

// SettleInquiry implements [inbox.Store].
func (s *Store) SettleInquiry(ctx context.Context, in post.InboxID, id post.InquiryID, held inbox.Lease, w inbox.Settlement, e ledger.Event) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		err := swap(ctx, tx,
			`UPDATE inquiry SET state = $7, version = version + 1, settled_at = $8, reason = $9
			 WHERE digest = $10 AND `+underLease,
			heldArgs(in, id, held, w.At, string(w.State), micros(w.At), w.Reason, w.Digest)...)
		if err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
}
