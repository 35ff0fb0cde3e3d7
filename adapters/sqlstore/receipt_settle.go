package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// SettleReceipts implements [track.Inbox]: a handful of statements, however many
// settlements there are. Letters are locked first and in one statement, as a move
// locks its letter before anything else; in a group those that somebody else
// holds are passed over, so no two groups ever wait for each other's letters.
func (s *Store) SettleReceipts(ctx context.Context, all []track.Settlement) (stale []track.Settlement, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) (err error) {
		var now []track.Settlement
		if now, stale, err = s.standStill(ctx, tx, distinct(all)); err != nil {
			return err
		}
		if now, err = s.answerReceipts(ctx, tx, now); err != nil {
			return err
		}
		if err := s.bookReceipts(ctx, tx, now); err != nil {
			return err
		}
		return s.walkLetters(ctx, tx, now)
	})
	if err != nil {
		return nil, fmt.Errorf("settle %d receipts: %w", len(all), err)
	}
	return stale, nil
}

type receiptID struct{ carrier, event string }

func idOf(r track.Receipt) receiptID { return receiptID{r.Carrier, r.EventID} }

// distinct leaves out the second settlement of a receipt: the first settles it.
func distinct(all []track.Settlement) []track.Settlement {
	seen := make(map[receiptID]bool, len(all))
	out := make([]track.Settlement, 0, len(all))
	for _, s := range all {
		if id := idOf(s.Receipt); !seen[id] {
			seen[id] = true
			out = append(out, s)
		}
	}
	return out
}

// standStill locks the letters that are to move and tells those settlements
// apart whose letter no longer stands as they believed, or that cannot be had
// without waiting for somebody. Only the first one of a letter may move it.
func (s *Store) standStill(ctx context.Context, tx *sql.Tx, all []track.Settlement) (now, stale []track.Settlement, err error) {
	var ids []string
	for _, in := range all {
		if len(in.Path) > 0 {
			ids = append(ids, string(in.Standing.Letter))
		}
	}
	if len(ids) == 0 {
		return all, nil, nil
	}
	lock := s.d.skipLocked
	if len(all) == 1 {
		lock = strings.TrimSuffix(lock, " SKIP LOCKED") // nobody is held up by waiting
	}
	among, args := s.d.among("id", ids)
	rows, err := tx.QueryContext(ctx, `SELECT id, state, version FROM letter WHERE `+among+lock, args...) //nolint:gosec // among holds placeholders, lock is the dialect's
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	type standing struct {
		state   post.LetterState
		version int64
	}
	is := make(map[post.LetterID]standing, len(ids))
	for rows.Next() {
		var id post.LetterID
		var st standing
		if err := rows.Scan(&id, &st.state, &st.version); err != nil {
			return nil, nil, err
		}
		is[id] = st
	}
	for _, in := range all {
		if len(in.Path) > 0 {
			if is[in.Standing.Letter] != (standing{in.Standing.State, in.Standing.Version}) {
				stale = append(stale, in)
				continue
			}
			delete(is, in.Standing.Letter)
		}
		now = append(now, in)
	}
	return now, stale, rows.Err()
}

// answerReceipts gives receipts that wait their verdicts and returns their
// settlements. The others were settled by another matcher, with the same decision.
func (s *Store) answerReceipts(ctx context.Context, tx *sql.Tx, all []track.Settlement) ([]track.Settlement, error) {
	if len(all) == 0 {
		return nil, nil
	}
	values := make([][]any, len(all))
	for i, in := range all {
		values[i] = []any{in.Receipt.Carrier, in.Receipt.EventID, string(in.Verdict), in.Reason, string(in.Standing.Letter)}
	}
	with, args := s.d.withAny("c, e, verdict, reason, letter", values)
	rows, err := tx.QueryContext(ctx, with+ //nolint:gosec // with holds placeholders
		`UPDATE receipt SET verdict = v.verdict, reason = v.reason, letter = v.letter
		 FROM v WHERE receipt.carrier = v.c AND receipt.event_id = v.e AND receipt.verdict || '' = 'waiting'
		 RETURNING receipt.carrier, receipt.event_id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	waited := make(map[receiptID]bool, len(all))
	for rows.Next() {
		var id receiptID
		if err := rows.Scan(&id.carrier, &id.event); err != nil {
			return nil, err
		}
		waited[id] = true
	}
	var now []track.Settlement
	for _, in := range all {
		if waited[idOf(in.Receipt)] {
			now = append(now, in)
		}
	}
	return now, rows.Err()
}

// bookReceipts keeps what receipts say of their hand-overs.
func (s *Store) bookReceipts(ctx context.Context, tx *sql.Tx, all []track.Settlement) error {
	type book struct {
		taken            int64
		answer, tracking string
	}
	books := map[string]*book{}
	var order []string
	for _, in := range all {
		r := in.Receipt
		if in.Verdict == track.Parked { // not believed, so nothing of it is kept with the hand-over
			r.Tracking = ""
		}
		if in.Standing.Letter == "" || len(in.Path) == 0 && r.Tracking == "" {
			continue
		}
		b := books[r.MessageID]
		if b == nil {
			b = &book{}
			books[r.MessageID], order = b, append(order, r.MessageID)
		}
		if r.Tracking != "" {
			b.tracking = r.Tracking
		}
		if len(in.Path) == 0 {
			continue
		}
		if b.taken == 0 {
			b.taken = micros(in.When())
		}
		if r.Kind == track.RefusedRecipient || r.Kind == track.RefusedContent {
			b.answer = string(r.Kind)
		}
	}
	if len(order) == 0 {
		return nil
	}
	values := make([][]any, len(order))
	for i, id := range order {
		values[i] = []any{id, books[id].taken, books[id].answer, books[id].tracking}
	}
	with, args := s.d.withAny("m, taken, said, number", values)
	_, err := exec(ctx, tx, with+`UPDATE hand_over SET taken_at = CASE WHEN hand_over.taken_at = 0 THEN v.taken ELSE hand_over.taken_at END,
		     unsure = CASE WHEN v.said = '' THEN hand_over.unsure ELSE 0 END, -- a business receipt ends every doubt
		     answer = CASE WHEN v.said = '' THEN hand_over.answer ELSE v.said END,
		     tracking = CASE WHEN v.number = '' THEN hand_over.tracking ELSE v.number END
		 FROM v WHERE hand_over.message_id = v.m`, args...)
	return err
}

// walkLetters moves letters along their paths, each state with its ledger entry,
// and keeps or ends the jobs that follow.
func (s *Store) walkLetters(ctx context.Context, tx *sql.Tx, all []track.Settlement) error {
	var moves [][]any
	var events []ledger.Event
	at := time.Now()
	for _, in := range all {
		if len(in.Path) == 0 {
			continue
		}
		st, last, available := in.Standing, in.Path[len(in.Path)-1], int64(0)
		if last == post.LetterDelivered {
			available = micros(in.When())
		}
		moves = append(moves, []any{string(st.Letter), string(st.State), st.Version, string(last), int64(len(in.Path)), in.Receipt.Code, micros(at), available})
		for _, to := range in.Path {
			e := ledger.New("letter."+string(to), st.Tenant, string(st.Letter))
			e.Actor, e.Outcome = in.Receipt.Carrier, strings.TrimSpace(fmt.Sprintf("%s/%d %s", st.Channel, st.Generation, in.Receipt.Code))
			events = append(events, e)
		}
	}
	if len(moves) == 0 {
		return nil
	}
	with, args := s.d.withAny("i, was, version, state, steps, code, at, available", moves)
	n, err := exec(ctx, tx, with+`UPDATE letter SET state = v.state, version = letter.version + v.steps, code = v.code, failures = 0, since = v.at,
		     available_at = CASE WHEN v.available = 0 THEN letter.available_at ELSE v.available END
		 FROM v WHERE letter.id = v.i AND letter.state || '' = v.was AND letter.version = v.version`, args...)
	if err != nil {
		return err
	}
	if n != int64(len(moves)) {
		return fmt.Errorf("%d of %d letters that were locked moved", n, len(moves))
	}
	if err := s.recordAll(ctx, tx, events); err != nil {
		return err
	}
	return s.followReceipts(ctx, tx, all)
}

// followReceipts keeps or ends the jobs of letters that receipts have moved.
func (s *Store) followReceipts(ctx context.Context, tx *sql.Tx, all []track.Settlement) error {
	var over []string
	var jobs [][]any
	now := time.Now()
	for _, in := range all {
		if len(in.Path) == 0 {
			continue
		}
		id, due := string(in.Standing.Letter), now.Add(receiptWatch)
		switch last := in.Path[len(in.Path)-1]; {
		case in.Due:
			due = now
		case last.Final(), last == post.LetterReturned, last == post.LetterNeedsPerson:
			over = append(over, id)
			continue
		}
		jobs = append(jobs, []any{string(queue.AdvanceLetter), id, micros(due), now.UnixMicro(), string(in.Standing.Tenant)})
	}
	if len(over) > 0 {
		if err := s.finishAll(ctx, tx, queue.AdvanceLetter, over); err != nil {
			return err
		}
	}
	_, err := s.d.insertRows(ctx, tx, "job", "kind, id, due_at, fence, tenant", ` ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at, road = ''`, jobs)
	return err
}

// receiptWatch is when the dispatcher looks again whether the next receipt is
// overdue.
const receiptWatch = 24 * time.Hour
