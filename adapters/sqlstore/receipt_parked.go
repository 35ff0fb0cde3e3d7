package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// ParkedReceipts counts the receipts that wait for a person, and says since when
// the first of them does.
func (s *Store) ParkedReceipts(ctx context.Context) (n int, since time.Time, err error) {
	var oldest int64
	if err := s.read.QueryRowContext(ctx, `SELECT count(*), coalesce(min(received_at), 0) FROM receipt WHERE verdict = 'parked'`).Scan(&n, &oldest); err != nil {
		return 0, time.Time{}, fmt.Errorf("count parked receipts: %w", err)
	}
	return n, fromMicros(oldest), nil
}
