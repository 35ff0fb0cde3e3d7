package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

var _ letter.Groups = (*Store)(nil)

// WaitingGroups implements [letter.Groups].
func (s *Store) WaitingGroups(ctx context.Context) ([]letter.Group, error) {
	all, err := s.letterGroups(ctx, `SELECT '' || tenant, state, '', '', count(*), min(since) FROM letter
		WHERE state IN ('needs-person', 'returned') GROUP BY '' || tenant, state ORDER BY '' || tenant, state`)
	if err != nil {
		return nil, fmt.Errorf("count letters that wait: %w", err)
	}
	return all, nil
}

// TimedGroups implements [letter.Groups].
func (s *Store) TimedGroups(ctx context.Context) ([]letter.Group, error) {
	all, err := s.letterGroups(ctx, `SELECT '' || tenant, state, channel, arrive, count(*), min(since) FROM letter
		WHERE arrive <> '' AND (state || '') NOT IN (`+ended()+`) GROUP BY '' || tenant, state, channel, arrive ORDER BY '' || tenant, arrive, state, channel`)
	if err != nil {
		return nil, fmt.Errorf("count letters with a day: %w", err)
	}
	return all, nil
}

// ended lists the final states, for an IN list.
func ended() string {
	var list []string
	for _, state := range post.LetterStates() {
		if state.Final() {
			list = append(list, "'"+string(state)+"'")
		}
	}
	return strings.Join(list, ", ")
}

func (s *Store) letterGroups(ctx context.Context, query string) (all []letter.Group, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var g letter.Group
		var oldest int64
		err := rows.Scan(&g.Tenant, &g.State, &g.Channel, &g.Arrive, &g.Count, &oldest)
		g.Oldest = fromMicros(oldest)
		all = append(all, g)
		return err
	}, query)
	return all, err
}
