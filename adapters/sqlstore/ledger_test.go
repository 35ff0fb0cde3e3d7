package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// An opener opens an empty database.
type opener func(t *testing.T) *Store

// eachEngine runs test on SQLite, and on PostgreSQL when SIKKERPOST_POSTGRES
// holds the address of a server where schemas may be made.
func eachEngine(t *testing.T, test func(t *testing.T, open opener)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, func(t *testing.T) *Store {
			return mustOpen(t, suite.SQLite(t, Open, filepath.Join(t.TempDir(), "vault.db")))
		})
	})
	address, ok := suite.Server(t, "the same on PostgreSQL")
	if !ok {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		test(t, func(t *testing.T) *Store { return mustOpen(t, suite.Postgres(t, Open, address)) })
	})
}

func mustOpen(t *testing.T, address string) *Store {
	t.Helper()
	s, err := Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustExec(t *testing.T, s *Store, query string, args ...any) {
	t.Helper()
	if _, err := s.write.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// recordEvents writes n events, each in a transaction of its own.
func recordEvents(t *testing.T, s *Store, n int) (ids []string) {
	t.Helper()
	for range n {
		e := ledger.New("inquiry.accepted", "engdal", post.NewID())
		if err := s.tx(t.Context(), func(tx *sql.Tx) error { return record(t.Context(), tx, e) }); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

type testLog struct {
	*ledger.Integrator
	dir   string
	known ledger.Verifiers
}

func newTestLog(t *testing.T, s *Store) testLog {
	t.Helper()
	skey, vkey, err := ledger.GenerateCheckpointKey("log.test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	known, err := ledger.Known(vkey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	g, err := ledger.NewIntegrator(ledger.Config{Store: s, Dir: dir, Signer: signer, Origin: "log.test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return testLog{g, dir, known}
}

func (l testLog) step(t *testing.T) int64 {
	t.Helper()
	size, err := l.Step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func (l testLog) audit(t *testing.T, s *Store) (ledger.Report, error) {
	t.Helper()
	checkpoint, err := os.ReadFile(filepath.Join(l.dir, ledger.CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Audit(t.Context(), s, checkpoint, l.known)
}

func TestLedgerInTheDatabase(t *testing.T) { eachEngine(t, testLedgerInTheDatabase) }

func testLedgerInTheDatabase(t *testing.T, open opener) {
	s := open(t)
	l := newTestLog(t, s)
	if l.step(t) != 0 {
		t.Fatal("an empty log is published")
	}
	first := recordEvents(t, s, 130) // more than one batch
	if l.step(t) != 130 {
		t.Fatal("not all are placed")
	}
	second := recordEvents(t, s, 3)
	if _, err := ledger.Prove(t.Context(), s, second[0]); !errors.Is(err, ledger.ErrPending) {
		t.Errorf("before the checkpoint: %v", err)
	}
	if l.step(t) != 133 {
		t.Fatal("the log does not grow")
	}
	for place, id := range append(first, second...) {
		row, err := s.LedgerRow(t.Context(), id)
		if err != nil || row.Index != int64(place) { // one writer: order of ids is order of birth, to the millisecond
			if err != nil || place > 0 && row.Index < 0 {
				t.Fatalf("%s: %+v, %v", id, row.Index, err)
			}
		}
		p, err := ledger.Prove(t.Context(), s, id)
		if err != nil {
			t.Fatal(err)
		}
		if e, err := ledger.CheckInclusion(p, l.known); err != nil || e.ID != id {
			t.Fatalf("%s is not proven: %v", id, err)
		}
	}
	if report, err := l.audit(t, s); err != nil || report.Bodies != 133 {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := s.LedgerRow(t.Context(), post.NewID()); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("an unknown event: %v", err)
	}
	if _, err := s.LedgerHashes(t.Context(), []int64{0, 1 << 40}); !errors.Is(err, ledger.ErrDiverged) {
		t.Errorf("a missing hash: %v", err)
	}
}

func TestLedgerTamperedInTheDatabaseIsDetected(t *testing.T) {
	eachEngine(t, testLedgerTamperedInTheDatabaseIsDetected)
}

func testLedgerTamperedInTheDatabaseIsDetected(t *testing.T, open opener) {
	for _, tt := range []struct{ name, query string }{
		{"body edited", `UPDATE ledger_event SET body = salt WHERE id = (SELECT event FROM ledger_place WHERE idx = 5)`},
		{"leaf edited", `UPDATE ledger_event SET commitment = salt WHERE id = (SELECT event FROM ledger_place WHERE idx = 5)`},
		{"row deleted", `DELETE FROM ledger_event WHERE id = (SELECT event FROM ledger_place WHERE idx = 5)`},
		{"last row deleted", `DELETE FROM ledger_event WHERE id = (SELECT event FROM ledger_place WHERE idx = 9)`},
		{"all rows deleted", `DELETE FROM ledger_event`},
		{"rows reordered", `UPDATE ledger_place SET idx = CASE idx WHEN 5 THEN -6 ELSE -5 END WHERE idx IN (5, 6)`},
		{"place taken away", `DELETE FROM ledger_place WHERE idx = 9`},
		{"hash edited", ""},
		{"hash deleted", `UPDATE ledger_hash SET hashes = substr(hashes, 33)`},
		{"row of hashes deleted", `DELETE FROM ledger_hash WHERE n = 0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			l := newTestLog(t, s)
			recordEvents(t, s, 10)
			l.step(t)
			if _, err := l.audit(t, s); err != nil {
				t.Fatal(err)
			}
			if tt.query == "" {
				hashes := one[[]byte](t, s, `SELECT hashes FROM ledger_hash WHERE n = 0`)
				hashes[0] ^= 1
				mustExec(t, s, `UPDATE ledger_hash SET hashes = $1 WHERE n = 0`, hashes)
			} else {
				mustExec(t, s, tt.query)
			}
			mustExec(t, s, `UPDATE ledger_place SET idx = -idx WHERE idx < 0`)
			if _, err := l.audit(t, s); !errors.Is(err, ledger.ErrDiverged) {
				t.Errorf("the audit says %v", err)
			}
		})
	}
}

func TestIntegratorStopsWhenTheEndOfTheLogWasCutOff(t *testing.T) {
	eachEngine(t, testIntegratorStopsWhenTheEndOfTheLogWasCutOff)
}

func testIntegratorStopsWhenTheEndOfTheLogWasCutOff(t *testing.T, open opener) {
	s := open(t)
	l := newTestLog(t, s)
	recordEvents(t, s, 10)
	l.step(t)
	mustExec(t, s, `DELETE FROM ledger_event WHERE id IN (SELECT event FROM ledger_place WHERE idx >= 8)`)
	mustExec(t, s, `DELETE FROM ledger_place WHERE idx >= 8`)
	mustExec(t, s, `UPDATE ledger_hash SET hashes = substr(hashes, 1, 15 * 32)`) // as stored for 8 entries
	mustExec(t, s, `DELETE FROM ledger_checkpoint`)
	recordEvents(t, s, 4)
	if _, err := l.Step(t.Context()); !errors.Is(err, ledger.ErrDiverged) {
		t.Errorf("got %v", err)
	}
}

func TestSoleRightIsFenced(t *testing.T) { eachEngine(t, testSoleRightIsFenced) }

func testSoleRightIsFenced(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	hold := func(owner string, d time.Duration) (int64, bool) {
		t.Helper()
		fence, ok, err := s.HoldSole(ctx, "ledger", owner, d)
		if err != nil {
			t.Fatal(err)
		}
		return fence, ok
	}
	first, ok := hold("a", time.Hour)
	if again, still := hold("a", time.Hour); !ok || !still || again != first {
		t.Errorf("renewing gives %d after %d", again, first)
	}
	if _, ok := hold("b", time.Hour); ok {
		t.Error("two hold the right")
	}
	if fence, ok := hold("a", -time.Second); !ok || fence != first {
		t.Error("the holder may not let it lapse")
	}
	second, ok := hold("b", time.Hour)
	if !ok || second <= first {
		t.Errorf("taking over gives fence %d after %d", second, first)
	}
	recordEvents(t, s, 1)
	if _, err := s.PlaceEvents(ctx, "ledger", first, 10); !errors.Is(err, post.ErrStale) {
		t.Errorf("a stale fence places events: %v", err)
	}
	if err := s.KeepCheckpoint(ctx, "ledger", first, 1, []byte("x")); !errors.Is(err, post.ErrStale) {
		t.Errorf("a stale fence keeps a checkpoint: %v", err)
	}
	if n, err := s.PlaceEvents(ctx, "ledger", second, 10); err != nil || n != 1 {
		t.Errorf("the holder places %d, %v", n, err)
	}
	if err := s.KeepCheckpoint(ctx, "ledger", second, 5, []byte("x")); err != nil {
		t.Error(err)
	}
	if err := s.KeepCheckpoint(ctx, "ledger", second, 4, []byte("x")); !errors.Is(err, post.ErrStale) {
		t.Errorf("a smaller checkpoint is kept: %v", err)
	}
}

func TestEventsRecordedWhileIntegratingAreAllPlacedOnce(t *testing.T) {
	eachEngine(t, testEventsRecordedWhileIntegratingAreAllPlacedOnce)
}

func testEventsRecordedWhileIntegratingAreAllPlacedOnce(t *testing.T, open opener) {
	s := open(t)
	l := newTestLog(t, s)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 25 {
				e := ledger.New("letter.signed", "engdal", post.NewID())
				if err := s.tx(context.Background(), func(tx *sql.Tx) error { return record(context.Background(), tx, e) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		l.step(t)
	}
	if l.step(t) != 100 {
		t.Fatal("not all are placed")
	}
	if report, err := l.audit(t, s); err != nil || report.Size != 100 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestLedgerRowsAreARange(t *testing.T) { eachEngine(t, testLedgerRowsAreARange) }

func testLedgerRowsAreARange(t *testing.T, open opener) {
	s := open(t)
	l := newTestLog(t, s)
	recordEvents(t, s, 7)
	l.step(t)
	for _, r := range [][2]int64{{0, 7}, {3, 5}, {6, 100}, {7, 9}, {4, 4}} {
		rows, err := s.LedgerRows(t.Context(), r[0], r[1])
		want := max(0, min(r[1], 7)-r[0])
		if err != nil || int64(len(rows)) != want {
			t.Errorf("%v: %d rows, %v", r, len(rows), err)
		}
		for i, row := range rows {
			if row.Index != r[0]+int64(i) {
				t.Error(fmt.Errorf("%v: place %d", r, row.Index))
			}
		}
		leaves, err := s.LedgerLeaves(t.Context(), r[0], r[1])
		if err != nil || len(leaves) != len(rows) {
			t.Errorf("%v: %d leaves of %d rows, %v", r, len(leaves), len(rows), err)
		}
		for i, leaf := range leaves {
			if !bytes.Equal(leaf, rows[i].Leaf) {
				t.Errorf("%v: leaf %d is another", r, i)
			}
		}
	}
}
