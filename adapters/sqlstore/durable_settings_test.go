package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/database"
)

// TestEachSettingThatMayLoseACommitIsRefused: a server's own settings cannot be turned
// off for one connection, so what it says of them is said by a stand-in.
func TestEachSettingThatMayLoseACommitIsRefused(t *testing.T) {
	safe := map[database.Dialect]said{
		database.DialectPostgres: {"SHOW fsync": "on", "SHOW full_page_writes": "on", "SHOW synchronous_commit": "on"},
		database.DialectSQLite3:  {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": "2"},
	}
	for engine, asks := range safe {
		check := func(ask, answer string) error {
			server := maps.Clone(asks)
			server[ask] = answer
			db := sql.OpenDB(server)
			defer db.Close()
			return (&Store{write: db, d: dialect{goose: engine}}).durable(t.Context())
		}
		for ask, good := range asks {
			if err := check(ask, good); err != nil {
				t.Errorf("%s: all is as it should be: %v", engine, err)
			}
			for _, bad := range []string{"off", "0", "1", "delete", "memory", ""} {
				if err := check(ask, bad); !errors.Is(err, errNotDurable) {
					t.Errorf("%s: %s says %q: %v", engine, ask, bad, err)
				}
			}
		}
		for _, one := range []string{"local", "remote_write", "remote_apply"} { // flushed here all the same
			if err := check("SHOW synchronous_commit", one); engine == database.DialectPostgres && err != nil {
				t.Errorf("%s: %v", one, err)
			}
		}
	}
}

// said is a server that answers what it is asked.
type said map[string]string

func (s said) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s said) Driver() driver.Driver                        { return nil }
func (s said) Prepare(query string) (driver.Stmt, error)    { return nil, fmt.Errorf("prepare %s", query) }
func (s said) Begin() (driver.Tx, error)                    { return nil, errors.New("begin") }
func (s said) Close() error                                 { return nil }

func (s said) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	answer, ok := s[query]
	if !ok {
		return nil, fmt.Errorf("it is not asked: %s", query)
	}
	return &word{answer: answer}, nil
}

type word struct {
	answer string
	over   bool
}

func (w *word) Columns() []string { return []string{"word"} }
func (w *word) Close() error      { return nil }

func (w *word) Next(to []driver.Value) error {
	if w.over {
		return io.EOF
	}
	to[0], w.over = w.answer, true
	return nil
}

// TestTheFileOfADatabaseIsWrittenSafely: as the address opens it, not as a test would.
func TestTheFileOfADatabaseIsWrittenSafely(t *testing.T) {
	s := mustOpen(t, "sqlite://"+t.TempDir()+"/safe.db")
	for ask, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var is string
		if err := s.write.QueryRowContext(t.Context(), "PRAGMA "+ask).Scan(&is); err != nil || is != want {
			t.Errorf("%s is %q, want %s; %v", ask, is, want, err)
		}
	}
}

// TestWhatMayBeRepeatedIsRepeatedAndNothingElse: a transaction that could not be
// serialized, and one that was a deadlock's, had no effect; of others nobody knows.
func TestWhatMayBeRepeatedIsRepeatedAndNothingElse(t *testing.T) {
	for code, want := range map[string]int{"40001": 3, "40P01": 3, "40003": 1, "23505": 1, "08006": 1, "57014": 1} {
		tries := 0
		err := insist(t.Context(), func() error {
			if tries++; tries < 3 {
				return fmt.Errorf("commit: %w", &pgconn.PgError{Code: code})
			}
			return nil
		})
		if tries != want || (err == nil) != (want == 3) {
			t.Errorf("%s: %d tries, %v", code, tries, err)
		}
	}
	tries := 0
	err := insist(t.Context(), func() error {
		tries++
		return &pgconn.PgError{Code: "40001"}
	})
	if err == nil || tries != 9 {
		t.Errorf("it collides each time: %d tries, %v", tries, err)
	}
}
