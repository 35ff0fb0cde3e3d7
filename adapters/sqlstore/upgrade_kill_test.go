package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"os"
	command "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fatalUpgrade names the database in the environment of a program that is killed while
// it upgrades it.
const fatalUpgrade = "SIKKERPOST_FATAL_UPGRADE"

// TestAnUpgradeThatIsKilledInAnyMigrationGoesOnWithNothingLost kills, in SQLite, a
// program of the new version in each of its migrations, when all of it is written and
// nothing committed, and starts the next one.
func TestAnUpgradeThatIsKilledInAnyMigrationGoesOnWithNothingLost(t *testing.T) {
	const letters = 1000
	path := filepath.Join(t.TempDir(), "old.db")
	s, p := openAt(t, "sqlite://"+path, formerVersion)
	grow(t, s, letters, true)
	before := contents(t, s)
	places := one[int](t, s, `SELECT count(idx) FROM ledger_event`)
	killed := 0
	for {
		is, ours, err := p.GetVersions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if is == ours {
			break
		}
		child := command.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFatalUpgrade$")
		child.Env = append(os.Environ(), fatalUpgrade+"="+path)
		out, err := child.CombinedOutput()
		var ended *command.ExitError
		if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("after version %d it was not killed: %v\n%s", is, err, out)
		}
		killed++
		now, _, err := p.GetVersions(t.Context())
		if err != nil || now != is {
			t.Fatalf("it was killed in what follows version %d and left %d, %v", is, now, err)
		}
		if _, err := p.UpByOne(t.Context()); err != nil { // the next one that starts
			t.Fatal(err)
		}
	}
	if killed < 6 {
		t.Errorf("killed in %d migrations only", killed)
	}
	for table, n := range contents(t, s) {
		if n != before[table] {
			t.Errorf("%d rows of %s, %d before", n, table, before[table])
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM ledger_place p JOIN ledger_event e ON e.id = p.event`); n != places {
		t.Errorf("%d events have places, %d had", n, places)
	}
	if n, err := s.UnplacedEvents(t.Context()); err != nil || n != 4*letters-places {
		t.Errorf("%d events wait for a place, want %d, %v", n, 4*letters-places, err)
	}
	if n := one[string](t, s, `PRAGMA integrity_check`); n != "ok" {
		t.Errorf("the file is damaged: %s", n)
	}
	mustOpen(t, "sqlite://"+path)
}

// contents counts the rows of the tables that an upgrade copies or touches.
func contents(t *testing.T, s *Store) map[string]int {
	all := map[string]int{}
	for _, table := range []string{"letter", "letter_document", "hand_over", "receipt", "job", "ledger_event", "batch"} {
		if all[table] = one[int](t, s, `SELECT count(*) FROM `+table); all[table] == 0 {
			t.Fatalf("no rows of %s", table)
		}
	}
	return all
}

// TestFatalUpgrade is the program that is killed. It does nothing elsewhere.
func TestFatalUpgrade(t *testing.T) {
	path := os.Getenv(fatalUpgrade)
	if path == "" {
		return
	}
	s, err := open("sqlite://" + path)
	if err != nil {
		t.Fatal(err)
	}
	s.write = sql.OpenDB(fatal{s.write.Driver(), liteFile(path) + "&_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"})
	t.Fatalf("it was not killed: %v", s.migrate(t.Context(), slog.New(slog.DiscardHandler)))
}

// fatal opens connections on which the process dies once a migration is recorded, and
// not committed.
type fatal struct {
	d    driver.Driver
	file string
}

func (f fatal) Driver() driver.Driver { return f.d }

func (f fatal) Connect(context.Context) (driver.Conn, error) {
	c, err := f.d.Open(f.file)
	if err != nil {
		return nil, err
	}
	return dying{c.(liteConn)}, nil
}

type dying struct{ liteConn }

func (d dying) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	r, err := d.liteConn.ExecContext(ctx, query, args)
	if err == nil && strings.Contains(query, "INSERT INTO goose_db_version") {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return nil, err
		}
		select {} // the signal is on its way
	}
	return r, err
}
