package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/trace"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ trace.Questions = (*Store)(nil)

// ForgetTraces drops questions and answers from before a time.
func (s *Store) ForgetTraces(ctx context.Context, before time.Time) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `DELETE FROM trace WHERE asked_at <= $1`, micros(before))
		return err
	})
	if err != nil {
		return fmt.Errorf("forget traces: %w", err)
	}
	return nil
}

// AskTrace implements [trace.Questions].
func (s *Store) AskTrace(ctx context.Context, q trace.Question, open int) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		now := time.Now()
		var waiting int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM trace WHERE answered_at = 0 AND asked_at > $1`, micros(now.Add(-trace.Kept))).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= open {
			return post.FaultTracesMany
		}
		if _, err := exec(ctx, tx, `INSERT INTO trace (id, letter, actor, asked_at) VALUES ($1, $2, $3, $4)`, q.ID, string(q.Letter), string(q.Actor), micros(now)); err != nil {
			return err
		}
		e := ledger.New("trace.asked", q.Tenant, string(q.Letter))
		e.Actor = string(q.Actor)
		return record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("ask about letter %s: %w", q.Letter, err)
	}
	return nil
}

// FindTrace implements [trace.Questions].
func (s *Store) FindTrace(ctx context.Context, letter post.LetterID, id string) (told []trace.Told, done bool, err error) {
	var at int64
	var text string
	err = s.read.QueryRowContext(ctx, `SELECT answered_at, answer FROM trace WHERE id = $1 AND letter = $2`, id, string(letter)).Scan(&at, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, post.ErrNotFound
	}
	if err != nil || at == 0 {
		return nil, false, err
	}
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		return nil, false, fmt.Errorf("read trace %s: %w", id, err)
	}
	return told, true, nil
}

// OpenTraces implements [trace.Questions].
func (s *Store) OpenTraces(ctx context.Context, n int) (all []trace.Question, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var q trace.Question
		err := rows.Scan(&q.ID, &q.Tenant, &q.Letter, &q.Actor)
		all = append(all, q)
		return err
	}, `SELECT t.id, COALESCE(l.tenant, ''), t.letter, t.actor FROM trace t LEFT JOIN letter l ON l.id = t.letter
		 WHERE t.answered_at = 0 ORDER BY t.asked_at, t.id LIMIT $1`, n)
	return all, err
}

// TraceHandOvers implements [trace.Questions].
func (s *Store) TraceHandOvers(ctx context.Context, id post.LetterID) (all []trace.HandOver, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var h trace.HandOver
		var channel post.Channel
		var at int64
		err := rows.Scan(&h.MessageID, &h.Carrier, &channel, &at)
		if h.Carrier == "" {
			h.Carrier = post.UsualCarrier(channel)
		}
		h.At = fromMicros(at)
		all = append(all, h)
		return err
	}, `SELECT message_id, carrier, channel, created_at FROM hand_over WHERE letter = $1 ORDER BY created_at, generation, channel`, string(id))
	return all, err
}

// AnswerTrace implements [trace.Questions].
func (s *Store) AnswerTrace(ctx context.Context, id string, told []trace.Told) error {
	text, err := json.Marshal(told)
	if err == nil {
		_, err = s.single(ctx, `UPDATE trace SET answered_at = $1, answer = $2 WHERE id = $3 AND answered_at = 0`, micros(time.Now()), string(text), id)
	}
	if err != nil {
		return fmt.Errorf("answer trace %s: %w", id, err)
	}
	return nil
}
