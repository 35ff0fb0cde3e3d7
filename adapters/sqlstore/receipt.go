package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

var _ track.Inbox = (*Store)(nil)

// KeepReceipts implements [track.Inbox].
func (s *Store) KeepReceipts(ctx context.Context, rs []track.Receipt) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for _, r := range rs {
			if r.Raw == nil {
				r.Raw = []byte{}
			}
			if _, err := exec(ctx, tx,
				`INSERT INTO receipt (carrier, event_id, message_id, kind, at, code, tracking, raw, received_at)
				 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
				r.Carrier, r.EventID, r.MessageID, string(r.Kind), micros(r.At), r.Code, r.Tracking, r.Raw, micros(time.Now())); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep receipts: %w", err)
	}
	return nil
}

// WaitingReceipts implements [track.Inbox].
func (s *Store) WaitingReceipts(ctx context.Context, n int) ([]track.Receipt, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT carrier, event_id, message_id, kind, at, code, tracking FROM receipt
		 WHERE verdict = 'waiting' ORDER BY received_at, at, event_id LIMIT $1`, n)
	if err != nil {
		return nil, fmt.Errorf("list waiting receipts: %w", err)
	}
	defer rows.Close()
	var all []track.Receipt
	for rows.Next() {
		var r track.Receipt
		var at int64
		if err := rows.Scan(&r.Carrier, &r.EventID, &r.MessageID, &r.Kind, &at, &r.Code, &r.Tracking); err != nil {
			return nil, fmt.Errorf("read waiting receipt: %w", err)
		}
		r.At = fromMicros(at)
		all = append(all, r)
	}
	return all, rows.Err()
}

// ReceiptStanding implements [track.Inbox].
func (s *Store) ReceiptStanding(ctx context.Context, messageID string) (st track.Standing, err error) {
	var generation int
	var answer string
	var unsure int64
	err = s.read.QueryRowContext(ctx,
		`SELECT l.id, l.tenant, l.state, l.version, l.channel, l.generation, h.channel, h.generation, h.answer, h.unsure
		 FROM hand_over h JOIN letter l ON l.id = h.letter WHERE h.message_id = $1`, messageID).
		Scan(&st.Letter, &st.Tenant, &st.State, &st.Version, &st.Channel, &st.Generation, &st.On, &generation, &answer, &unsure)
	if errors.Is(err, sql.ErrNoRows) {
		return track.Standing{}, post.ErrNotFound
	}
	st.Present = st.Channel == st.On && st.Generation == generation
	st.Refused = unsure == 0 && (answer == "refused-recipient" || answer == "refused-content")
	return st, err
}

// SettleReceipt implements [track.Inbox].
func (s *Store) SettleReceipt(ctx context.Context, in track.Settlement) error {
	r, st := in.Receipt, in.Standing
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := swap(ctx, tx,
			`UPDATE receipt SET verdict = $1, reason = $2, letter = $3 WHERE carrier = $4 AND event_id = $5 AND verdict = 'waiting'`,
			string(in.Verdict), in.Reason, string(st.Letter), r.Carrier, r.EventID); err != nil {
			if errors.Is(err, post.ErrStale) {
				return errSettled
			}
			return err
		}
		if st.Letter != "" && r.Tracking != "" {
			if _, err := exec(ctx, tx, `UPDATE hand_over SET tracking = $1 WHERE message_id = $2`, r.Tracking, r.MessageID); err != nil {
				return err
			}
		}
		if len(in.Path) == 0 {
			return nil
		}
		if err := walkLetter(ctx, tx, in); err != nil {
			return err
		}
		return bookReceipt(ctx, tx, in)
	})
	if errors.Is(err, errSettled) {
		return nil // another matcher was here first, with the same decision
	}
	if err != nil {
		return fmt.Errorf("settle receipt %s: %w", r.EventID, err)
	}
	return nil
}

var errSettled = errors.New("receipt is settled already")

// walkLetter moves the letter along the path, each state with its ledger entry.
func walkLetter(ctx context.Context, tx *sql.Tx, in track.Settlement) error {
	st := in.Standing
	for i, to := range in.Path {
		if err := moveLetter(ctx, tx, move{id: st.Letter, tenant: st.Tenant, from: st.State, version: st.Version + int64(i), to: to,
			channel: st.Channel, generation: st.Generation, code: in.Receipt.Code, actor: in.Receipt.Carrier}); err != nil {
			return err
		}
		st.State = to
	}
	return nil
}

// bookReceipt keeps what the receipt says of the hand-over and the letter, and
// the job that follows.
func bookReceipt(ctx context.Context, tx *sql.Tx, in track.Settlement) error {
	r, id := in.Receipt, string(in.Standing.Letter)
	answer := ""
	if r.Kind == track.RefusedRecipient || r.Kind == track.RefusedContent {
		answer = string(r.Kind)
	}
	if _, err := exec(ctx, tx,
		`UPDATE hand_over SET taken_at = CASE WHEN taken_at = 0 THEN CAST($1 AS BIGINT) ELSE taken_at END,
		     unsure = CASE WHEN $2 = '' THEN unsure ELSE 0 END, -- a business receipt ends every doubt
		     answer = CASE WHEN $2 = '' THEN answer ELSE $2 END WHERE message_id = $3`, micros(r.At), answer, r.MessageID); err != nil {
		return err
	}
	last := in.Path[len(in.Path)-1]
	if last == post.LetterDelivered {
		if _, err := exec(ctx, tx, `UPDATE letter SET available_at = $1 WHERE id = $2`, micros(r.At), id); err != nil {
			return err
		}
	}
	switch {
	case in.Due:
		return postpone(ctx, tx, queue.AdvanceLetter, id, time.Now())
	case last.Final(), last == post.LetterReturned, last == post.LetterNeedsPerson:
		return finish(ctx, tx, queue.AdvanceLetter, id)
	}
	return postpone(ctx, tx, queue.AdvanceLetter, id, time.Now().Add(receiptWatch))
}

// receiptWatch is when the dispatcher looks again whether the next receipt is
// overdue.
const receiptWatch = 24 * time.Hour
