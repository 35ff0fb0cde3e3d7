package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// TestEachEventHasOnePlaceWhoeverGivesItAndIsBrokenOff lets several give places at once
// while events come, some of which are rolled back; steps are broken off in the middle,
// and the right is taken over.
func TestEachEventHasOnePlaceWhoeverGivesItAndIsBrokenOff(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, ctx := open(t), t.Context()
		var fence, kept atomic.Int64
		hold := func() {
			n, ok, err := s.HoldSole(ctx, "ledger", post.NewID(), time.Hour)
			if err != nil || !ok {
				t.Errorf("the right was not had: %v", err)
			}
			fence.Store(n)
		}
		hold()
		var writers, givers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for n := range 25 {
					kept.Add(someEvents(t, s, 1+rand.IntN(60), n%5 == 0))
				}
			})
		}
		done, end := context.WithCancel(ctx)
		for n := range 3 {
			givers.Go(func() {
				for done.Err() == nil {
					if n == 0 && rand.IntN(4) == 0 {
						if _, err := s.write.ExecContext(ctx, `UPDATE sole SET until = 0`); err != nil {
							t.Error(err)
						}
						hold()
					}
					brief, cancel := context.WithTimeout(ctx, time.Duration(1+rand.IntN(20))*time.Millisecond)
					_, err := s.PlaceEvents(brief, "ledger", fence.Load(), 1+rand.IntN(100))
					var late net.Error // a connection that was being made notices the deadline before the context does
					if err != nil && !errors.Is(err, post.ErrStale) && brief.Err() == nil && (!errors.As(err, &late) || !late.Timeout()) {
						t.Error(err)
					}
					cancel()
				}
			})
		}
		writers.Wait()
		end()
		givers.Wait()
		for placed := 1; placed > 0; {
			var err error
			if placed, err = s.PlaceEvents(ctx, "ledger", fence.Load(), 1000); err != nil {
				t.Fatal(err)
			}
		}
		size, _, err := s.LedgerState(ctx)
		if err != nil || size != kept.Load() {
			t.Fatalf("%d places for %d events, %v", size, kept.Load(), err)
		}
		leaves, err := s.LedgerLeaves(ctx, 0, size)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ledger.Extend(0, leaves, nil)
		if err != nil {
			t.Fatal(err)
		}
		all := make([]int64, len(want))
		for x := range all {
			all[x] = int64(x)
		}
		if got, err := s.LedgerHashes(ctx, all); err != nil || !slices.Equal(got, want) {
			t.Errorf("what is stored is not that of the leaves: %v", err)
		}
		if stray, err := outsideTheLog(ctx, s.read); err != nil || len(stray) > 0 {
			t.Errorf("left over: %v, %v", stray, err)
		}
	})
}

var errBroken = errors.New("broken off")

// someEvents writes n events in one transaction and returns how many are there.
func someEvents(t *testing.T, s *Store, n int, broken bool) int64 {
	var made []ledger.Event
	for range n {
		made = append(made, ledger.New("letter.signed", "engdal", post.NewID()))
	}
	err := s.tx(t.Context(), func(tx *sql.Tx) error {
		if err := s.recordAll(t.Context(), tx, made); err != nil || !broken {
			return err
		}
		return errBroken
	})
	if err != nil && !errors.Is(err, errBroken) {
		t.Error(err)
	}
	if err != nil {
		return 0
	}
	return int64(n)
}

// TestDamageToARowOfManyHashesIsDetected does to one of 7 rows, whose last is not full, what
// was found before in rows of one hash.
func TestDamageToARowOfManyHashesIsDetected(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		l := newTestLog(t, s)
		recordEvents(t, s, 103)
		l.step(t)
		if _, err := l.audit(t, s); err != nil {
			t.Fatal(err)
		}
		mustExec(t, s, `CREATE TABLE undamaged AS SELECT n, hashes FROM ledger_hash`)
		const h = tlog.HashSize
		set := func(n int64, change func(b []byte) []byte) func(s *Store) {
			return func(s *Store) {
				b := one[[]byte](t, s, `SELECT hashes FROM ledger_hash WHERE n = $1`, n)
				mustExec(t, s, `UPDATE ledger_hash SET hashes = $1 WHERE n = $2`, change(bytes.Clone(b)), n)
			}
		}
		query := func(q string) func(*Store) { return func(s *Store) { mustExec(t, s, q) } }
		for name, damage := range map[string]func(s *Store){
			"a bit":                      set(3, func(b []byte) []byte { b[17*h+5] ^= 4; return b }),
			"two hashes swapped":         set(3, func(b []byte) []byte { return slices.Concat(b[:h], b[2*h:3*h], b[h:2*h], b[3*h:]) }),
			"a hash taken out":           set(3, func(b []byte) []byte { return slices.Concat(b[:h], b[2*h:]) }),
			"a hash doubled":             set(3, func(b []byte) []byte { return slices.Concat(b[:h], b) }),
			"a hash in place of another": set(3, func(b []byte) []byte { return slices.Concat(b[:h], b[:h], b[2*h:]) }),
			"a byte too many":            set(3, func(b []byte) []byte { return append(b, 0) }),
			"a byte too many at the end": set(6, func(b []byte) []byte { return append(b, 0) }),
			"a hash too many at the end": set(6, func(b []byte) []byte { return append(b, b[:h]...) }),
			"the last hash gone":         set(6, func(b []byte) []byte { return b[:len(b)-h] }),
			"a row gone":                 query(`DELETE FROM ledger_hash WHERE n = 3`),
			"the last row gone":          query(`DELETE FROM ledger_hash WHERE n = 6`),
			"a row doubled at the end":   query(`INSERT INTO ledger_hash (n, hashes) SELECT 7, hashes FROM ledger_hash WHERE n = 6`),
			"an empty row at the end":    query(`INSERT INTO ledger_hash (n, hashes) SELECT 7, substr(hashes, 1, 0) FROM ledger_hash WHERE n = 6`),
			"two rows swapped":           query(`UPDATE ledger_hash SET hashes = (SELECT o.hashes FROM ledger_hash o WHERE o.n = 5 - ledger_hash.n) WHERE n IN (2, 3)`),
		} {
			damage(s)
			if _, err := l.audit(t, s); !errors.Is(err, ledger.ErrDiverged) {
				t.Errorf("%s: the audit says %v", name, err)
			}
			mustExec(t, s, `DELETE FROM ledger_hash`)
			mustExec(t, s, `INSERT INTO ledger_hash SELECT n, hashes FROM undamaged`)
		}
	})
}
