package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// formerAddresses adds the sealed addresses of the former sendings that came back
// to letters that are sent on paper once more. There are few of those. A sending
// that was refused never left, and says nothing about its address.
func (s *Store) formerAddresses(ctx context.Context, all map[string]dispatch.Record) error {
	for id, r := range all {
		if r.Channel != post.Physical || r.Generation < 2 {
			continue
		}
		err := each(ctx, s.read, func(rows *sql.Rows) error {
			var sealed []byte
			err := rows.Scan(&sealed)
			r.Former = append(r.Former, sealed)
			return err
		}, `SELECT address FROM hand_over WHERE letter = $1 AND channel = $2 AND generation < $3 AND answer NOT LIKE 'refused-%'
		    ORDER BY generation`, id, string(r.Channel), r.Generation)
		if err != nil {
			return fmt.Errorf("former addresses: %w", err)
		}
		all[id] = r
	}
	return nil
}
