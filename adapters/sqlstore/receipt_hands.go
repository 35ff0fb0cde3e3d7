package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var (
	_ track.Drawer = (*Store)(nil)
	_ track.Unread = (*Store)(nil)
)

const keptColumns = `SELECT r.carrier, r.event_id, COALESCE(l.tenant, r.tenant), r.letter, COALESCE(l.state, ''), r.message_id, r.kind, r.code,
	r.at, r.received_at, r.verdict, r.reason, r.tracking, length(r.raw)
	FROM receipt r LEFT JOIN letter l ON l.id = r.letter AND r.letter <> '' `

func scanKept(scan func(...any) error) (k track.Kept, err error) {
	var at, since int64
	var tracking string
	err = scan(&k.ID.Carrier, &k.ID.Event, &k.Tenant, &k.Letter, &k.State, &k.MessageID, &k.Kind, &k.Code,
		&at, &since, &k.Verdict, &k.Reason, &tracking, &k.Size)
	k.At, k.Since, k.Tracking = fromMicros(at), fromMicros(since), tracking != ""
	return k, err
}

// ListParkedReceipts implements [track.Drawer].
func (s *Store) ListParkedReceipts(ctx context.Context, p track.ParkedPage) ([]track.Kept, error) {
	var after int64
	var from track.ReceiptID
	if p.After != nil {
		from = *p.After
		err := s.read.QueryRowContext(ctx, `SELECT received_at FROM receipt WHERE carrier = $1 AND event_id = $2`, from.Carrier, from.Event).Scan(&after)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, post.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
	}
	var all []track.Kept
	err := each(ctx, s.read, func(rows *sql.Rows) error {
		k, err := scanKept(rows.Scan)
		all = append(all, k)
		return err
	}, keptColumns+`WHERE r.verdict = 'parked' AND (r.received_at, r.carrier, r.event_id) > ($1, $2, $3)
		 AND ($4 = '' OR replace(r.reason, ' ', '-') = $4) AND ($5 = '' OR COALESCE(l.tenant, r.tenant) = $5)
		 ORDER BY r.received_at, r.carrier, r.event_id LIMIT $6`, after, from.Carrier, from.Event, p.Word, string(p.Tenant), p.Limit)
	return all, err
}

// FindReceipt implements [track.Drawer].
func (s *Store) FindReceipt(ctx context.Context, id track.ReceiptID) (track.Kept, error) {
	k, err := scanKept(s.read.QueryRowContext(ctx, keptColumns+`WHERE r.carrier = $1 AND r.event_id = $2`, id.Carrier, id.Event).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return k, post.ErrNotFound
	}
	return k, err
}

// SettleParked implements [track.Drawer]. A receipt that is tried again is tied to
// no letter until it has been judged; one that is closed keeps its reason.
func (s *Store) SettleParked(ctx context.Context, all []track.HandSettled) (n int, err error) {
	if len(all) == 0 {
		return 0, nil
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		n = 0
		var events []ledger.Event
		for _, h := range all {
			query := `UPDATE receipt SET verdict = $3, reason = '', letter = '' WHERE carrier = $1 AND event_id = $2 AND verdict = 'parked'`
			if h.Verdict == track.Closed {
				query = `UPDATE receipt SET verdict = $3 WHERE carrier = $1 AND event_id = $2 AND verdict = 'parked'`
			}
			did, err := exec(ctx, tx, query, h.ID.Carrier, h.ID.Event, string(h.Verdict))
			if err != nil {
				return err
			}
			if did == 1 {
				n++
				events = append(events, h.Event)
			}
		}
		if n == 0 {
			return nil
		}
		return s.recordAll(ctx, tx, events)
	})
	if err != nil {
		return 0, fmt.Errorf("settle parked receipts: %w", err)
	}
	return n, nil
}

// UnreadReceipts implements [track.Unread].
func (s *Store) UnreadReceipts(ctx context.Context, skip, n int) (all []track.Receipt, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var r track.Receipt
		var at int64
		err := rows.Scan(&r.Carrier, &r.EventID, &r.MessageID, &r.Kind, &at, &r.Code, &r.Tracking, &r.Tenant, &r.Raw)
		r.At = fromMicros(at)
		all = append(all, r)
		return err
	}, `SELECT carrier, event_id, message_id, kind, at, code, tracking, tenant, raw FROM receipt
		 WHERE verdict = 'again' ORDER BY received_at, carrier, event_id LIMIT $1 OFFSET $2`, n, skip)
	if err != nil {
		return nil, fmt.Errorf("list receipts to read again: %w", err)
	}
	return all, nil
}

// PutReread implements [track.Unread].
func (s *Store) PutReread(ctx context.Context, r track.Receipt, reason string) error {
	verdict := track.Waiting
	if reason != "" {
		verdict = track.Parked
	}
	_, err := s.single(ctx, `UPDATE receipt SET message_id = $1, kind = $2, at = $3, code = $4, tracking = $5, tenant = $6, verdict = $7, reason = $8
		 WHERE carrier = $9 AND event_id = $10 AND verdict = 'again'`,
		r.MessageID, string(r.Kind), micros(r.At), r.Code, r.Tracking, string(r.Tenant), string(verdict), reason, r.Carrier, r.EventID)
	if err != nil {
		return fmt.Errorf("store receipt %s of %s read again: %w", r.EventID, r.Carrier, err)
	}
	return nil
}
