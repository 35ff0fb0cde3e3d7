package memstore

import (
	"cmp"
	"context"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var _ track.Drawer = (*Store)(nil)

func (db *DB) kept(r *receipt) track.Kept {
	k := track.Kept{ID: track.ReceiptID{Carrier: r.Carrier, Event: r.EventID}, Tenant: r.Tenant, Letter: r.letter, MessageID: r.MessageID, Kind: r.Kind,
		Code: r.Code, At: r.At, Since: r.received, Verdict: r.verdict, Reason: r.reason, Tracking: r.Tracking != "", Size: int64(len(r.Raw))}
	if l := db.letters[r.letter]; l != nil {
		k.Tenant, k.State = l.Tenant, l.state
	}
	return k
}

func inDrawer(a, b *receipt) int {
	return cmp.Or(a.received.Compare(b.received), cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.EventID, b.EventID))
}

// ListParkedReceipts implements [track.Drawer].
func (s *Store) ListParkedReceipts(_ context.Context, p track.ParkedPage) (page []track.Kept, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	var after *receipt
	if p.After != nil {
		if after = s.db.receipts[p.After.Carrier+"\x00"+p.After.Event]; after == nil {
			return nil, post.ErrNotFound
		}
	}
	for _, r := range sorted(s.db.receipts, func(r *receipt) bool { return r.verdict == track.Parked }, inDrawer) {
		k := s.db.kept(r)
		if len(page) < p.Limit && (after == nil || inDrawer(r, after) > 0) &&
			(p.Word == "" || k.Word() == p.Word) && (p.Tenant == "" || k.Tenant == p.Tenant) {
			page = append(page, k)
		}
	}
	return page, nil
}

// FindReceipt implements [track.Drawer].
func (s *Store) FindReceipt(_ context.Context, id track.ReceiptID) (track.Kept, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	r := s.db.receipts[id.Carrier+"\x00"+id.Event]
	if r == nil {
		return track.Kept{}, post.ErrNotFound
	}
	return s.db.kept(r), nil
}

// SettleParked implements [track.Drawer].
func (s *Store) SettleParked(_ context.Context, all []track.HandSettled) (n int, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	for _, h := range all {
		r := s.db.receipts[h.ID.Carrier+"\x00"+h.ID.Event]
		if r == nil || r.verdict != track.Parked {
			continue
		}
		if r.verdict = h.Verdict; h.Verdict != track.Closed {
			r.reason, r.letter = "", ""
		}
		s.db.record(s.clock(), h.Event.Kind, h.Event.Tenant, h.Event.Subject, h.Event.Actor, h.Event.Outcome, "")
		n++
	}
	return n, nil
}
