package memstore

import (
	"context"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var _ track.Envelopes = (*Store)(nil)

// FindEnvelopes implements [track.Envelopes].
func (s *Store) FindEnvelopes(_ context.Context, tenant post.TenantID, c track.Code) (all []track.Envelope, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	for id, h := range s.db.handOvers {
		l := s.db.letters[h.letter]
		if h.channel != post.Physical || tenant != "" && l.Tenant != tenant {
			continue
		}
		var meant bool
		switch {
		case c.Tracking != "":
			meant = slices.Contains([]string{c.Tracking, "dao:" + c.Tracking, "other:" + c.Tracking}, h.tracking)
		case c.MessageID != "":
			meant = id == c.MessageID
		default:
			meant = l.Reference == c.Reference && (c.Generation == 0 || h.generation == c.Generation)
		}
		if meant {
			all = append(all, track.Envelope{MessageID: id, Letter: l.ID, Reference: l.Reference, Generation: h.generation})
		}
	}
	slices.SortFunc(all, func(a, b track.Envelope) int { return strings.Compare(a.MessageID, b.MessageID) })
	return all[:min(len(all), 10)], nil
}
