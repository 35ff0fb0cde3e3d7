// Package sqlstore keeps the truth: one SQL text on two engines, SQLite
// (embedded default) and PostgreSQL. Each exported method is one verb of one
// room and one transaction: the change, its ledger events and the job that
// continues it are committed together or not at all.
//
// It refuses a move whose record has another state, version or fencing token
// than the caller believed ([post.ErrStale]). It never keeps personal data or
// content in clear: callers hand it sealed bytes, keyed indexes and digests.
//
// Rules of the one SQL text (both engines must run every statement): ids are
// UUIDv7 text made by us, times BIGINT Unix microseconds, bytes BYTEA, no
// engine functions; what differs stands in dialect, and in migrations whose name
// ends with _postgres.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/database"
	"modernc.org/sqlite"
	_ "modernc.org/sqlite" // the SQLite driver, registered as "sqlite"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is an open database.
type Store struct {
	write *sql.DB // SQLite: one connection; PostgreSQL: a pool
	read  *sql.DB
	d     dialect
	steps steps
	turns turns
	roots roots
}

// dialect is all that differs between the engines.
type dialect struct {
	goose      database.Dialect
	skipLocked string         // appended to the SELECT that claims rows
	snapshot   *sql.TxOptions // of a transaction that only reads, all as of one moment
}

// Open opens the database at address and brings its schema up to date; one that is
// newer than this program is [ErrSchema]. An address is sqlite:///absolute/path or
// postgres://…
func Open(ctx context.Context, address string) (*Store, error) {
	return OpenTelling(ctx, address, slog.New(slog.DiscardHandler))
}

// OpenTelling is [Open], and log says when it begins to bring a schema up to date and
// when that is done: with millions of letters it takes minutes.
func OpenTelling(ctx context.Context, address string, log *slog.Logger) (*Store, error) {
	s, err := open(address)
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx, log); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate database: %w", err), s.Close())
	}
	if err := s.durable(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenReader opens the database for whoever only reads: nothing is migrated,
// and a schema that is not ours is [ErrSchema]. A role that may only select is
// enough.
func OpenReader(ctx context.Context, address string) (*Store, error) {
	if path, ok := strings.CutPrefix(address, "sqlite://"); ok {
		if _, err := os.Stat(path); err != nil { //nolint:gosec // the operator names it; the driver would make an empty one
			return nil, fmt.Errorf("open database: %w", err)
		}
	}
	s, err := open(address)
	if err != nil {
		return nil, err
	}
	p, err := s.migrator()
	if err == nil {
		var pending bool
		if pending, err = p.HasPending(ctx); err == nil && pending {
			err = ErrSchema
		}
		if err == nil {
			err = s.known(ctx, p)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), s.Close())
	}
	return s, nil
}

func open(address string) (*Store, error) {
	switch {
	case strings.HasPrefix(address, "sqlite://"):
		// FULL: a commit that was answered survives power loss. immediate: a
		// writer takes its lock at BEGIN, so no transaction fails half-way.
		q := url.Values{
			"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(1)"},
			"_txlock": {"immediate"},
		}
		file := "file:" + strings.TrimPrefix(address, "sqlite://") + "?"
		write, err := sql.Open("sqlite", file+q.Encode())
		if err != nil {
			return nil, fmt.Errorf("open sqlite: %w", err)
		}
		write.SetMaxOpenConns(1)
		// Readers hold no writer up, and cannot write.
		q.Set("_txlock", "deferred")
		q.Add("_pragma", "query_only(1)")
		read, err := sql.Open("sqlite", file+q.Encode())
		if err != nil {
			write.Close()
			return nil, fmt.Errorf("open sqlite: %w", err)
		}
		read.SetMaxOpenConns(4)
		read.SetMaxIdleConns(4)
		return &Store{turns: newTurns(), write: write, read: read, d: dialect{goose: database.DialectSQLite3}}, nil
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		db, err := openPostgres(address)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(16)
		// All are kept: a new one costs PostgreSQL a process, and us a handshake and
		// every statement's preparation. Those that nobody needs for minutes go.
		db.SetMaxIdleConns(16)
		db.SetConnMaxIdleTime(5 * time.Minute)
		return &Store{turns: newTurns(), write: db, read: db, d: dialect{goose: database.DialectPostgres, skipLocked: " FOR UPDATE SKIP LOCKED",
			snapshot: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}}}, nil
	}
	return nil, errors.New("open database: address begins with neither sqlite:// nor postgres://")
}

// Close closes the database.
func (s *Store) Close() error {
	err := s.write.Close()
	if s.read != s.write {
		err = errors.Join(err, s.read.Close())
	}
	return err
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.read.PingContext(ctx) }

// tx runs f in one transaction. It repeats f when the engine says that two
// transactions collided; f must therefore have no other effects.
func (s *Store) tx(ctx context.Context, f func(*sql.Tx) error) error {
	return insist(ctx, func() error { return s.once(ctx, f) })
}

// insist repeats f while the engine says that two transactions collided. A disk that
// is full is [post.FaultStorageFull].
func insist(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if err == nil || !collided(err) || try == 8 {
			return full(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(1<<try) * time.Millisecond):
		}
	}
}

// single runs one statement that is a transaction by itself, without the two
// journeys that BEGIN and COMMIT take, and reports how many rows it touched.
func (s *Store) single(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = insist(ctx, func() error {
		r, err := s.write.ExecContext(ctx, query, args...)
		if err == nil {
			n, err = r.RowsAffected()
		}
		return err
	})
	return n, err
}

func (s *Store) once(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// exec runs one statement and reports how many rows it touched.
func exec(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	r, err := tx.ExecContext(ctx, query, args...) //nolint:gosec // values are arguments, never text
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// swap runs a compare-and-swap and answers [post.ErrStale] when it touched nothing.
func swap(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	n, err := exec(ctx, tx, query, args...)
	if err == nil && n == 0 {
		return post.ErrStale
	}
	return err
}

// record writes ledger events; the integrator gives them their place later.
func record(ctx context.Context, tx *sql.Tx, events ...ledger.Event) error {
	for _, e := range events {
		row, err := ledger.Commit(e)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx,
			`INSERT INTO ledger_event (id, at, kind, tenant, subject, body, salt, commitment) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			e.ID, micros(e.At), e.Kind, string(e.Tenant), e.Subject, row.Body, row.Salt, row.Leaf); err != nil {
			return fmt.Errorf("record event %s: %w", e.Kind, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO ledger_waiting (first, events, leaves) VALUES ($1, $1, $2)`, e.ID, row.Leaf); err != nil {
			return fmt.Errorf("record event %s: %w", e.Kind, err)
		}
	}
	return nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// unique reports whether err is a broken UNIQUE or PRIMARY KEY rule.
func unique(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && (lite.Code() == 1555 || lite.Code() == 2067)
}

// collided reports whether err says that repeating the transaction may help.
func collided(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == 5 // SQLITE_BUSY
}
