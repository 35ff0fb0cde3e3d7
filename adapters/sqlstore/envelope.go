package sqlstore

import (
	"context"
	"fmt"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var _ track.Envelopes = (*Store)(nil)

// FindEnvelopes implements [track.Envelopes].
func (s *Store) FindEnvelopes(ctx context.Context, tenant post.TenantID, c track.Code) ([]track.Envelope, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT h.message_id, l.id, l.reference, h.generation FROM hand_over h JOIN letter l ON l.id = h.letter
		 WHERE h.channel = $1 AND ($2 = '' OR l.tenant = $2)
		     AND ($3 = '' OR l.reference = $3) AND ($4 = 0 OR h.generation = $4)
		     AND ($5 = '' OR h.tracking = $5 OR h.tracking IN ('dao:' || $5, 'other:' || $5)) AND ($6 = '' OR h.message_id = $6)
		 ORDER BY h.message_id LIMIT 10`,
		string(post.Physical), string(tenant), c.Reference, c.Generation, c.Tracking, c.MessageID)
	if err != nil {
		return nil, fmt.Errorf("find envelopes: %w", err)
	}
	defer rows.Close()
	var all []track.Envelope
	for rows.Next() {
		var e track.Envelope
		if err := rows.Scan(&e.MessageID, &e.Letter, &e.Reference, &e.Generation); err != nil {
			return nil, fmt.Errorf("read envelope: %w", err)
		}
		all = append(all, e)
	}
	return all, rows.Err()
}
