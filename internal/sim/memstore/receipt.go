package memstore

import (
	"context"
	"errors"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var errTorn = errors.New("the database broke off")

// KeepReceipts implements [track.Inbox].
func (s *Store) KeepReceipts(_ context.Context, rs []track.Receipt) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	kept := len(rs)
	if s.db.Tear != nil && kept > 1 {
		kept = s.db.Tear(kept)
	}
	for _, r := range rs[:kept] {
		id := r.Carrier + "\x00" + r.EventID
		if s.db.receipts[id] == nil {
			r.At = micros(r.At)
			s.db.receipts[id] = &receipt{Receipt: r, received: s.clock(), verdict: track.Waiting}
		}
	}
	if kept < len(rs) {
		return errTorn
	}
	return nil
}

// WaitingReceipts implements [track.Inbox].
func (s *Store) WaitingReceipts(_ context.Context, n int) ([]track.Receipt, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	var all []track.Receipt
	waiting := sorted(s.db.receipts, func(r *receipt) bool { return r.verdict == track.Waiting }, byReceipt)
	for _, r := range waiting[:min(n, len(waiting))] {
		out := r.Receipt
		out.Raw = nil
		all = append(all, out)
	}
	return all, nil
}

// ReceiptStandings implements [track.Inbox].
func (s *Store) ReceiptStandings(_ context.Context, messageIDs []string) (map[string]track.Standing, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	all := map[string]track.Standing{}
	for _, id := range messageIDs {
		h := s.db.handOvers[id]
		if h == nil {
			continue
		}
		l := s.db.letters[h.letter]
		all[id] = track.Standing{
			Letter: l.ID, Tenant: l.Tenant, State: l.state, Version: l.version, Channel: l.channel, Generation: l.generation, On: h.channel, By: h.Carrier, Begun: h.CreatedAt,
			Present: l.channel == h.channel && l.generation == h.generation,
			Refused: !h.Unsure && (h.answer == "refused-recipient" || h.answer == "refused-content"),
		}
	}
	return all, nil
}

// receiptWatch is when the dispatcher looks again whether the next receipt is
// overdue.
const receiptWatch = 24 * time.Hour

// SettleReceipts implements [track.Inbox].
func (s *Store) SettleReceipts(_ context.Context, all []track.Settlement) (stale []track.Settlement, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	moved, seen := map[post.LetterID]bool{}, map[string]bool{}
	for _, in := range all {
		id, move := in.Receipt.Carrier+"\x00"+in.Receipt.EventID, len(in.Path) > 0
		if seen[id] {
			continue
		}
		seen[id] = true
		if move && (moved[in.Standing.Letter] || len(all) > 1 && s.db.Locked != nil && s.db.Locked()) || !s.settle(in) {
			stale = append(stale, in)
			continue
		}
		moved[in.Standing.Letter] = moved[in.Standing.Letter] || move
	}
	return stale, nil
}

// settle applies one settlement and reports false, and changes nothing, when its
// letter does not stand so.
func (s *Store) settle(in track.Settlement) bool {
	r, st := s.db.receipts[in.Receipt.Carrier+"\x00"+in.Receipt.EventID], in.Standing
	var l *row
	if len(in.Path) > 0 {
		var err error
		if l, err = s.db.swap(st.Letter, st.State, st.Version); err != nil {
			return false
		}
	}
	if s.db.Unmoved != "" && in.Receipt.Carrier == s.db.Unmoved {
		in.Path, l = nil, nil
	}
	if r == nil || r.verdict != track.Waiting {
		return true // another matcher was here first, with the same decision
	}
	r.verdict, r.reason, r.letter = in.Verdict, in.Reason, st.Letter
	h := s.db.handOvers[r.MessageID]
	if st.Letter != "" && r.Tracking != "" && h != nil && in.Verdict != track.Parked {
		h.tracking = r.Tracking
	}
	if l == nil {
		return true
	}
	for _, to := range in.Path {
		s.db.move(s.clock(), l, to, st.Channel, st.Generation, in.Receipt.Code, in.Receipt.Carrier, "")
	}
	if h != nil {
		if h.taken.IsZero() {
			h.taken = micros(in.When())
		}
		if r.Kind == track.RefusedRecipient || r.Kind == track.RefusedContent {
			h.Unsure, h.answer = false, string(r.Kind)
		}
	}
	s.continueAfter(in, l)
	return true
}

// continueAfter keeps the job that follows a receipt.
func (s *Store) continueAfter(in track.Settlement, l *row) {
	last := in.Path[len(in.Path)-1]
	if last == post.LetterDelivered {
		l.available = micros(in.When())
	}
	switch {
	case in.Due:
		s.postpone(jobOf(l.ID), s.clock())
	case last.Final(), last == post.LetterReturned, last == post.LetterNeedsPerson:
		delete(s.db.jobs, jobOf(l.ID))
	default:
		s.postpone(jobOf(l.ID), s.clock().Add(receiptWatch))
	}
}
