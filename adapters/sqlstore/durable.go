package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pressly/goose/v3/database"
)

// errNotDurable says that the engine may forget a commit that it has answered.
var errNotDurable = errors.New("the database may lose what it has committed")

// durable refuses a database whose answered commits do not survive a crash of
// the machine: an id is given out only for what cannot be lost any more.
func (s *Store) durable(ctx context.Context) error {
	settings := []struct {
		ask  string
		good []string
	}{
		{`SHOW fsync`, []string{"on"}},
		{`SHOW full_page_writes`, []string{"on"}},
		// local and the rest flush here; what they say of replicas is the operator's choice.
		{`SHOW synchronous_commit`, []string{"on", "local", "remote_write", "remote_apply"}},
	}
	if s.d.goose == database.DialectSQLite3 {
		settings = settings[:0]
		for ask, good := range map[string]string{`PRAGMA journal_mode`: "wal", `PRAGMA synchronous`: "2"} {
			settings = append(settings, struct {
				ask  string
				good []string
			}{ask, []string{good}})
		}
	}
	for _, want := range settings {
		var have string
		if err := s.write.QueryRowContext(ctx, want.ask).Scan(&have); err != nil {
			return fmt.Errorf("%s: %w", want.ask, err)
		}
		if !slices.Contains(want.good, have) {
			return fmt.Errorf("%w: %s gives %q, want %s", errNotDurable, want.ask, have, want.good[0])
		}
	}
	return nil
}
