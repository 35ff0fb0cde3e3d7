package sqlstore

import (
	"context"
	"fmt"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var _ track.Envelopes = (*Store)(nil)

// envelopeBy finds hand-overs by each kind of code, with an index of its own: $3
// is the code, $4 the generation, 0 where it does not matter.
var envelopeBy = struct{ reference, tracking, message string }{
	reference: `l.reference = $3 AND ($4 = 0 OR h.generation = $4)`,
	tracking:  `h.tracking IN ($3, 'dao:' || $3, 'other:' || $3) AND h.tracking <> '' AND $4 = 0`,
	message:   `h.message_id = $3 AND $4 = 0`,
}

// FindEnvelopes implements [track.Envelopes].
func (s *Store) FindEnvelopes(ctx context.Context, tenant post.TenantID, c track.Code) ([]track.Envelope, error) {
	by, code, generation := envelopeBy.reference, c.Reference, c.Generation
	switch {
	case c.Tracking != "":
		by, code, generation = envelopeBy.tracking, c.Tracking, 0
	case c.MessageID != "":
		by, code, generation = envelopeBy.message, c.MessageID, 0
	}
	rows, err := s.read.QueryContext(ctx,
		`SELECT h.message_id, l.id, l.reference, h.generation FROM hand_over h JOIN letter l ON l.id = h.letter
		 WHERE h.channel = $1 AND ($2 = '' OR l.tenant = $2) AND `+by+` ORDER BY h.message_id LIMIT 10`,
		string(post.Physical), string(tenant), code, generation)
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
