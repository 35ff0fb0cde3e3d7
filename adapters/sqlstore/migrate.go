package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
)

// ErrSchema says that the database was made by another version of the house.
var ErrSchema = errors.New("the database has the schema of another version")

func (s *Store) migrator() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithSlog(slog.New(slog.DiscardHandler))}
	foreign := "*_postgres.sql" // what only the other engine has to be told, or in other words
	if s.d.arrays() {
		foreign = "*_sqlite.sql"
		options = append(options, goose.WithSessionLocker(oneMigrates{}))
	}
	others, err := fs.Glob(files, foreign)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	options = append(options, goose.WithExcludeNames(others))
	return goose.NewProvider(s.d.goose, s.write, files, options...)
}

// migrate brings the schema up to date. Each migration is a transaction: one that
// is cut short has done nothing, and whoever opens the database next goes on
// there. Of several programs that start at once one does it and the others wait; each
// tells log so, for nothing else is heard of it until then.
func (s *Store) migrate(ctx context.Context, log *slog.Logger) error {
	p, err := s.migrator()
	if err != nil {
		return err
	}
	if !s.d.arrays() {
		// SQLite has no lock for this: who comes second with a migration cannot record it. A
		// new file has no such table yet; there the second fails at what is there already.
		_, _ = s.write.ExecContext(ctx, `CREATE UNIQUE INDEX IF NOT EXISTS goose_once ON goose_db_version (version_id)`)
	}
	if is, ours, err := p.GetVersions(ctx); err == nil && is < ours {
		began, versions := time.Now(), []any{slog.Int64("from", is), slog.Int64("to", ours)}
		log.InfoContext(ctx, "bringing the database up to date began; with millions of letters it takes minutes", versions...)
		defer func() {
			if at, _, err := p.GetVersions(ctx); err == nil && at == ours {
				log.InfoContext(ctx, "the database was brought up to date", append(versions, slog.Duration("took", time.Since(began)))...)
			}
		}()
	}
	for {
		// Programs of the former version may be at work, and two transactions wait for
		// each other.
		err := insist(ctx, func() error {
			_, err := p.Up(ctx)
			return err
		})
		if err == nil {
			return s.known(ctx, p)
		}
		var cut *goose.PartialError
		if !errors.As(err, &cut) {
			return err
		}
		if is, _, failed := p.GetVersions(ctx); failed != nil || is < cut.Failed.Source.Version {
			return err
		} // in SQLite another program was first
	}
}

// known refuses a schema that is newer than this program: it would write rows
// that lack what the newer ones need.
func (s *Store) known(ctx context.Context, p *goose.Provider) error {
	is, ours, err := p.GetVersions(ctx)
	if err == nil && is > ours {
		err = fmt.Errorf("%w: it is at %d, this program knows it up to %d; start a program of the newer version", ErrSchema, is, ours)
	}
	return err
}

// oneMigrates lets one program at a time migrate a PostgreSQL schema. The lock
// ends with the connection, so nobody who dies keeps it.
type oneMigrates struct{}

const migrationLock = `(7203042, hashtext(current_schema()))`

// SessionLock implements goose's lock.SessionLocker.
func (oneMigrates) SessionLock(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, `SELECT pg_advisory_lock`+migrationLock)
	return err
}

// SessionUnlock implements goose's lock.SessionLocker.
func (oneMigrates) SessionUnlock(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, `SELECT pg_advisory_unlock`+migrationLock)
	return err
}
