package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

// ReceiptShelf returns the letters whose road has ended and whose carriers'
// receipts are still here in their own form, for retention. Only that form goes,
// because it may name the recipient; kind, time, code and verdict stay with the
// letter's evidence. A letter on hold keeps all of it.
//
// Letters stay for months after their receipts have gone, so a look begins where the
// one before had come to. What is due further back all the same, because a hold ended
// or a receipt came late, is found by the look at all of them that each shelf takes
// first and then once a day.
func (s *Store) ReceiptShelf(of Whose) retention.Shelf { return receiptShelf{s, of, new(looked)} }

type receiptShelf struct {
	s    *Store
	of   Whose
	seen *looked
}

// wholeLook is how often a shelf looks at all letters.
const wholeLook = 24 * time.Hour

// looked is how far looks have come, in this process.
type looked struct {
	mu    sync.Mutex
	whole time.Time // guarded by mu; when the last look at all was taken
	upTo  time.Time // guarded by mu; nothing that ended before it was due then
}

// from returns where a look at now begins; the zero time is all.
func (l *looked) from(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.whole) >= wholeLook {
		return time.Time{}
	}
	return l.upTo
}

// to notes what a look found that was taken at now and began at from.
func (l *looked) to(now, from, before time.Time, items []retention.Item) {
	if len(items) > 0 {
		before = items[0].Ended // it may be still there at the next look
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upTo = before; from.IsZero() {
		l.whole = now
	}
}

// Overdue implements [retention.Shelf].
func (h receiptShelf) Overdue(ctx context.Context, before time.Time, n int) ([]retention.Item, error) {
	now := time.Now()
	from := h.seen.from(now)
	items, err := h.s.overdueLetters(ctx, h.of, from, before, n,
		` AND EXISTS (SELECT 1 FROM receipt r WHERE r.letter = letter.id AND r.letter <> '' AND length(r.raw) > 0)`)
	if err != nil {
		return nil, fmt.Errorf("find overdue receipts: %w", err)
	}
	h.seen.to(now, from, before, items)
	return items, nil
}

// Purge implements [retention.Shelf]. The letter's row is touched first, so that
// a hold of the same moment comes wholly before or after.
func (h receiptShelf) Purge(ctx context.Context, item retention.Item, before time.Time) ([]string, error) {
	err := h.s.tx(ctx, func(tx *sql.Tx) error {
		if err := swap(ctx, tx, `UPDATE letter SET since = since WHERE id = $1 AND since <= $2 AND hold_at = 0 AND state IN (`+purgeable()+`)`,
			item.ID, micros(before)); err != nil {
			return err
		}
		n, err := exec(ctx, tx, `UPDATE receipt SET raw = $2 WHERE letter = $1 AND letter <> '' AND length(raw) > 0`, item.ID, []byte{})
		if err != nil {
			return err
		}
		if n == 0 {
			return post.ErrStale
		}
		return receiptsPurged(ctx, tx, post.TenantID(item.Tenant), item.ID, n)
	})
	if err != nil {
		return nil, fmt.Errorf("purge receipts of letter %s: %w", item.ID, err)
	}
	return nil, nil
}

func receiptsPurged(ctx context.Context, tx *sql.Tx, tenant post.TenantID, subject string, n int64) error {
	e := ledger.New("receipts.purged", tenant, subject)
	e.Actor, e.Outcome = "retention", fmt.Sprintf("%d receipts", n)
	return record(ctx, tx, e)
}

// StrayReceiptShelf returns the parked receipts that belong to no letter of ours,
// for retention; their road ended when they came. What they were in their own
// form goes, the rest stays, so that one that comes again is still known.
func (s *Store) StrayReceiptShelf() retention.Shelf { return strayShelf{s} }

type strayShelf struct{ s *Store }

// stray is true of a receipt that came before $1, was parked, whether or not a
// person has closed it since, and belongs to nobody.
const stray = ` (verdict = 'parked' OR verdict = 'closed') AND letter = '' AND received_at <= $1 AND length(raw) > 0`

// Overdue implements [retention.Shelf].
func (h strayShelf) Overdue(ctx context.Context, before time.Time, n int) ([]retention.Item, error) {
	items, err := overdue(ctx, h.s.read,
		`SELECT carrier || '/' || event_id, '', received_at FROM receipt WHERE`+stray+` ORDER BY received_at, event_id LIMIT $2`, micros(before), n)
	if err != nil {
		return nil, fmt.Errorf("find overdue receipts: %w", err)
	}
	return items, nil
}

// Purge implements [retention.Shelf].
func (h strayShelf) Purge(ctx context.Context, item retention.Item, before time.Time) ([]string, error) {
	err := h.s.tx(ctx, func(tx *sql.Tx) error {
		if err := swap(ctx, tx, `UPDATE receipt SET raw = $2 WHERE`+stray+` AND carrier || '/' || event_id = $3`,
			micros(before), []byte{}, item.ID); err != nil {
			return err
		}
		return receiptsPurged(ctx, tx, "", item.ID, 1)
	})
	if err != nil {
		return nil, fmt.Errorf("purge receipt: %w", err)
	}
	return nil, nil
}
