package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

var _ track.Inbox = (*Store)(nil)

// KeepReceipts implements [track.Inbox].
func (s *Store) KeepReceipts(ctx context.Context, rs []track.Receipt) error {
	now := micros(time.Now())
	rows := make([][]any, len(rs))
	for i, r := range rs {
		if r.Raw == nil {
			r.Raw = []byte{}
		}
		rows[i] = []any{r.Carrier, r.EventID, r.MessageID, string(r.Kind), micros(r.At), r.Code, r.Tracking, r.Raw, now, string(r.Tenant)}
	}
	err := s.tx(ctx, func(tx *sql.Tx) error {
		_, err := s.d.insertRows(ctx, tx, "receipt", "carrier, event_id, message_id, kind, at, code, tracking, raw, received_at, tenant",
			` ON CONFLICT DO NOTHING`, rows)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep receipts: %w", err)
	}
	return nil
}

// WaitingReceipts implements [track.Inbox].
func (s *Store) WaitingReceipts(ctx context.Context, n int) ([]track.Receipt, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT carrier, event_id, message_id, kind, at, code, tracking, tenant FROM receipt
		 WHERE verdict = 'waiting' ORDER BY at, received_at, event_id LIMIT $1`, n)
	if err != nil {
		return nil, fmt.Errorf("list waiting receipts: %w", err)
	}
	defer rows.Close()
	var all []track.Receipt
	for rows.Next() {
		var r track.Receipt
		var at int64
		if err := rows.Scan(&r.Carrier, &r.EventID, &r.MessageID, &r.Kind, &at, &r.Code, &r.Tracking, &r.Tenant); err != nil {
			return nil, fmt.Errorf("read waiting receipt: %w", err)
		}
		r.At = fromMicros(at)
		all = append(all, r)
	}
	return all, rows.Err()
}

// ReceiptStandings implements [track.Inbox].
func (s *Store) ReceiptStandings(ctx context.Context, messageIDs []string) (map[string]track.Standing, error) {
	all := make(map[string]track.Standing, len(messageIDs))
	if len(messageIDs) == 0 {
		return all, nil
	}
	among, args := s.d.among("h.message_id", messageIDs)
	rows, err := s.read.QueryContext(ctx,
		`SELECT h.message_id, l.id, l.tenant, l.state, l.version, l.channel, l.generation, h.channel, h.generation, h.carrier, h.answer, h.unsure, h.created_at
		 FROM hand_over h JOIN letter l ON l.id = h.letter WHERE `+among, args...)
	if err != nil {
		return nil, fmt.Errorf("find hand-overs of receipts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, answer string
		var st track.Standing
		var generation int
		var unsure, begun int64
		if err := rows.Scan(&id, &st.Letter, &st.Tenant, &st.State, &st.Version, &st.Channel, &st.Generation,
			&st.On, &generation, &st.By, &answer, &unsure, &begun); err != nil {
			return nil, fmt.Errorf("read hand-over of a receipt: %w", err)
		}
		st.Begun = fromMicros(begun)
		st.Present = st.Channel == st.On && st.Generation == generation
		st.Refused = unsure == 0 && (answer == "refused-recipient" || answer == "refused-content")
		all[id] = st
	}
	return all, rows.Err()
}
