package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// formerAddresses adds the sealed address of the former sending to letters that
// are sent on paper once more. There are few of those.
func (s *Store) formerAddresses(ctx context.Context, all map[string]dispatch.Record) error {
	for id, r := range all {
		if r.Channel != post.Physical || r.Generation < 2 {
			continue
		}
		err := s.read.QueryRowContext(ctx, `SELECT address FROM hand_over WHERE letter = $1 AND channel = $2 AND generation = $3`,
			id, string(r.Channel), r.Generation-1).Scan(&r.Former)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("former address: %w", err)
		}
		all[id] = r
	}
	return nil
}
