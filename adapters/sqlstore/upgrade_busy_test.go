package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/post"
)

// formerVersion is the last schema in which an event bore its place itself.
const formerVersion = 26

// formerly runs test with a database of the former version on each engine.
func formerly(t *testing.T, test func(t *testing.T, address string, postgres bool)) {
	run := func(name, address string, postgres bool) {
		t.Run(name, func(t *testing.T) {
			if postgres {
				address = suite.Schema(t, address)
			}
			openAt(t, address, formerVersion)
			test(t, address, postgres)
		})
	}
	run("sqlite", "sqlite://"+filepath.Join(t.TempDir(), "old.db"), false)
	server, ok := suite.Server(t, "the same on PostgreSQL")
	if !ok {
		return
	}
	run("postgres", server, true)
}

// What a program of the former version writes.
const (
	formerJob   = `INSERT INTO job (kind, id, due_at, tenant) VALUES ('letter.advance', $1, 1, 'engdal')`
	formerEvent = `INSERT INTO ledger_event (id, at, kind, tenant, subject, body, salt, leaf) VALUES ($1, 1, 'letter.accepted', 'engdal', $1, $2, $2, $2)`
)

// leafOf is a leaf that begins with text.
func leafOf(text string) []byte { return fmt.Appendf(nil, "%-32s", text) }

// TestNothingIsLostThatAProgramOfTheFormerVersionCommitsDuringAnUpgrade lets one
// commit a job and an event while the upgrade waits for it: what a table is copied
// from must not change any more.
func TestNothingIsLostThatAProgramOfTheFormerVersionCommitsDuringAnUpgrade(t *testing.T) {
	formerly(t, func(t *testing.T, address string, postgres bool) {
		s, err := open(address)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		tx, err := s.write.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
		if _, err := tx.ExecContext(t.Context(), formerJob, post.NewID()); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), formerEvent, post.NewID(), leafOf("x")); err != nil {
			t.Fatal(err)
		}
		commitsDuringAnUpgrade(t, s, tx, address, postgres)
		for table, query := range map[string]string{
			"jobs": `SELECT count(*) FROM job`, "events": `SELECT count(*) FROM ledger_event`, "waiting events": `SELECT count(*) FROM ledger_waiting`,
		} {
			if n := one[int](t, s, query); n != 1 {
				t.Errorf("%d %s, want 1", n, table)
			}
		}
	})
}

// commitsDuringAnUpgrade commits tx of s while a program of this version brings the same database
// up to date, and waits for both.
func commitsDuringAnUpgrade(t *testing.T, s *Store, tx *sql.Tx, address string, postgres bool) {
	t.Helper()
	upgraded := make(chan error, 1)
	go func() {
		next, err := Open(context.WithoutCancel(t.Context()), address)
		if err == nil {
			err = next.Close()
		}
		upgraded <- err
	}()
	if postgres {
		waitsForUs(t, s)
	} // SQLite has one writer
	if err := errors.Join(tx.Commit(), <-upgraded); err != nil {
		t.Fatal(err)
	}
}

// waitsForUs returns when somebody waits for a lock on a table of ours.
func waitsForUs(t *testing.T, s *Store) {
	t.Helper()
	for {
		var n int
		err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
			WHERE NOT l.granted AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestAProgramOfTheFormerVersionWritesNothingAfterAnUpgrade: its events would
// never get a place in the ledger. What it wrote while the upgrade was half done
// gets one.
func TestAProgramOfTheFormerVersionWritesNothingAfterAnUpgrade(t *testing.T) {
	formerly(t, func(t *testing.T, address string, _ bool) {
		s, err := open(address)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		mustExec(t, s, formerEvent, "before", leafOf("1"))
		mustExec(t, s, `UPDATE ledger_event SET idx = 0`)
		mustExec(t, s, formerEvent, "unplaced", leafOf("2"))
		p, err := s.migrator()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.UpTo(t.Context(), 32); err != nil {
			t.Fatal(err)
		}
		mustExec(t, s, formerEvent, "between", leafOf("3"))
		mustOpen(t, address)
		if _, err := s.write.ExecContext(t.Context(), formerEvent, "after", leafOf("4")); err == nil {
			t.Error("an event was kept that nobody gives a place")
		}
		var waiting []string
		if err := each(t.Context(), s.read, func(rows *sql.Rows) error {
			var id, leaf string
			err := rows.Scan(&id, &leaf)
			waiting = append(waiting, id+strings.TrimRight(leaf, " "))
			return err
		}, `SELECT events, leaves FROM ledger_waiting ORDER BY first`); err != nil || strings.Join(waiting, " ") != "between3 unplaced2" {
			t.Errorf("waiting: %q, %v", waiting, err)
		}
		if placed := one[string](t, s, `SELECT event FROM ledger_place WHERE idx = 0`); placed != "before" {
			t.Errorf("the first place is that of %q", placed)
		}
		if stray, err := s.StrayRows(t.Context()); err != nil || len(stray) != 3 { // no letters were made here
			t.Errorf("stray: %v, %v", stray, err)
		}
	})
}

// TestOneOfManyProgramsThatStartAtOnceBringsTheSchemaUpToDate: the others wait.
func TestOneOfManyProgramsThatStartAtOnceBringsTheSchemaUpToDate(t *testing.T) {
	formerly(t, func(t *testing.T, address string, _ bool) {
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				s, err := Open(context.WithoutCancel(t.Context()), address)
				if err == nil {
					err = s.Close()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		s := mustOpen(t, address)
		if n := one[int](t, s, `SELECT count(*) - count(DISTINCT version_id) FROM goose_db_version`); n != 0 {
			t.Errorf("%d migrations were made twice", n)
		}
	})
}

// TestAProgramRefusesASchemaThatIsNewer changes nothing in it.
func TestAProgramRefusesASchemaThatIsNewer(t *testing.T) {
	formerly(t, func(t *testing.T, address string, _ bool) {
		s := mustOpen(t, address)
		mustExec(t, s, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, $1)`, true)
		for name, open := range map[string]func(context.Context, string) (*Store, error){"writer": Open, "reader": OpenReader} {
			again, err := open(t.Context(), address)
			if err == nil {
				again.Close()
			}
			if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "9999") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
