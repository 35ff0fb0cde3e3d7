package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// TestEventsGetTheirPlacesInTheOrderOfTheirIDs writes events in transactions whose ids
// lie in one another and gives them places some at a time: each time those that
// wait longest, neither fewer than were asked for nor any that an earlier one waits for.
func TestEventsGetTheirPlacesInTheOrderOfTheirIDs(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		for seed := range uint64(5) {
			dice, s := rand.New(rand.NewPCG(seed, 7)), open(t) //nolint:gosec // the same each time
			fence, _, err := s.HoldSole(t.Context(), "ledger", "us", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			var waiting, placed []string
			for range 12 {
				var made []ledger.Event
				for range dice.IntN(200) {
					made = append(made, ledger.New("letter.signed", "engdal", post.NewID()))
				}
				groups := make([][]ledger.Event, 1+dice.IntN(4)) // at once, under way for as long
				for _, e := range made {
					k := dice.IntN(len(groups))
					groups[k] = append(groups[k], e)
					waiting = append(waiting, e.ID)
				}
				for _, g := range groups {
					dice.Shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
					write(t, s, g, dice.IntN(3) == 0)
				}
				n := 1 + dice.IntN(150)
				if got, err := s.PlaceEvents(t.Context(), "ledger", fence, n); err != nil || got != min(n, len(waiting)) {
					t.Fatalf("seed %d: %d of %d have a place, %d were asked for, %v", seed, got, len(waiting), n, err)
				}
				slices.Sort(waiting)
				placed, waiting = append(placed, waiting[:min(n, len(waiting))]...), waiting[min(n, len(waiting)):]
				if left, err := s.UnplacedEvents(t.Context()); err != nil || left != len(waiting) {
					t.Fatalf("seed %d: %d wait, want %d, %v", seed, left, len(waiting), err)
				}
			}
			rows, err := s.LedgerRows(t.Context(), 0, int64(len(placed))+10)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rows {
				got = append(got, r.ID)
			}
			if !slices.Equal(got, placed) {
				t.Fatalf("seed %d: places in another order", seed)
			}
		}
	})
}

// write records events in one transaction, one by one or together.
func write(t *testing.T, s *Store, events []ledger.Event, alone bool) {
	t.Helper()
	err := s.tx(t.Context(), func(tx *sql.Tx) error {
		if alone {
			return record(t.Context(), tx, events...)
		}
		return s.recordAll(t.Context(), tx, events)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHashesOfALogThatGrewByAnyStepsAreThoseOfItsLeaves: rows of hashes are begun and
// filled by different steps.
func TestHashesOfALogThatGrewByAnyStepsAreThoseOfItsLeaves(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		fence, _, err := s.HoldSole(t.Context(), "ledger", "us", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 1, 6, 8, 1, 15, 16, 33, 2, 100, 3} {
			var made []ledger.Event
			for range n {
				made = append(made, ledger.New("letter.signed", "engdal", post.NewID()))
			}
			write(t, s, made, false)
			if _, err := s.PlaceEvents(t.Context(), "ledger", fence, n); err != nil {
				t.Fatal(err)
			}
		}
		size, _, err := s.LedgerState(t.Context())
		if err != nil || size != 186 {
			t.Fatalf("%d events, %v", size, err)
		}
		leaves, err := s.LedgerLeaves(t.Context(), 0, size)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ledger.Extend(0, leaves, tlog.HashReaderFunc(func(x []int64) ([]tlog.Hash, error) { return nil, fmt.Errorf("asked for %v", x) }))
		if err != nil {
			t.Fatal(err)
		}
		for x, h := range want {
			if got, err := s.LedgerHashes(t.Context(), []int64{int64(x)}); err != nil || got[0] != h {
				t.Fatalf("hash %d: %v", x, err)
			}
		}
		if _, err := s.LedgerHashes(t.Context(), []int64{int64(len(want))}); !errors.Is(err, ledger.ErrDiverged) {
			t.Errorf("a hash behind the last: %v", err)
		}
		mustExec(t, s, `UPDATE ledger_hash SET hashes = substr(hashes, 33) WHERE n = 2`)
		if _, err := s.LedgerHashes(t.Context(), []int64{70}); !errors.Is(err, ledger.ErrDiverged) {
			t.Errorf("a hash behind one that is gone: %v", err)
		}
	})
}

// rowPerHash is the last schema with a row for each stored hash and each event that waits.
const rowPerHash = 35

// TestWhatIsStoredOfTheLogIsTheSameAfterAnUpgradeAndBack: of hashes that fill rows, and of
// those that do not, forward and back.
func TestWhatIsStoredOfTheLogIsTheSameAfterAnUpgradeAndBack(t *testing.T) {
	formerly(t, func(t *testing.T, address string, _ bool) {
		s, p := openAt(t, address, rowPerHash)
		for n := range 3 { // none, two rows and a part of the third, two full rows
			size := int64([]int{0, 70, 64}[n])
			mustExec(t, s, `DELETE FROM ledger_hash`)
			for x := range size {
				mustExec(t, s, `INSERT INTO ledger_hash (idx, hash) VALUES ($1, $2)`, (x*37)%size, leafOf(fmt.Sprint((x*37)%size)))
			}
			if n == 1 {
				mustExec(t, s, `INSERT INTO ledger_event (id, at, kind, tenant, subject, body, salt, commitment) VALUES ('e', 1, 'k', 't', 's', $1, $1, $1)`, leafOf("e"))
				mustExec(t, s, `INSERT INTO ledger_waiting (event, leaf) VALUES ('e', $1)`, leafOf("e"))
			}
			if _, err := p.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			for x := range size {
				if got, err := s.LedgerHashes(t.Context(), []int64{x}); err != nil || string(got[0][:]) != string(leafOf(fmt.Sprint(x))) {
					t.Fatalf("of %d hashes, hash %d: %q, %v", size, x, got, err)
				}
			}
			if _, err := s.write.ExecContext(t.Context(), `INSERT INTO ledger_waiting (event, leaf) VALUES ('late', $1)`, leafOf("late")); err == nil {
				t.Fatal("a program of the former version lets an event wait that nobody gives a place")
			}
			next, _, err := unplaced(t.Context(), s.read, 10)
			if err != nil || len(next) != min(n, 1) || n > 0 && string(next[0].leaf) != string(leafOf("e")) {
				t.Fatalf("waiting: %v, %v", next, err)
			}
			if _, err := p.DownTo(t.Context(), rowPerHash); err != nil {
				t.Fatal(err)
			}
			for x := range size {
				if got := one[[]byte](t, s, `SELECT hash FROM ledger_hash WHERE idx = $1`, x); string(got) != string(leafOf(fmt.Sprint(x))) {
					t.Fatalf("of %d hashes, hash %d was %q, back again", size, x, got)
				}
			}
			if rows := one[int64](t, s, `SELECT count(*) FROM ledger_hash`); rows != size {
				t.Fatalf("%d hashes, back again", rows)
			}
			if waits := one[int](t, s, `SELECT count(*) FROM ledger_waiting WHERE event = 'e'`); waits != min(n, 1) {
				t.Fatalf("%d events wait, back again", waits)
			}
		}
	})
}

// TestAnEventThatAProgramWithARowForEachCommitsDuringTheUpgradeGetsItsPlace: the upgrade
// waits for it.
func TestAnEventThatAProgramWithARowForEachCommitsDuringTheUpgradeGetsItsPlace(t *testing.T) {
	formerly(t, func(t *testing.T, address string, postgres bool) {
		s, _ := openAt(t, address, rowPerHash)
		tx, err := s.write.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do
		for _, query := range []string{
			`INSERT INTO ledger_event (id, at, kind, tenant, subject, body, salt, commitment) VALUES ('e', 1, 'k', 't', 's', $1, $1, $1)`,
			`INSERT INTO ledger_waiting (event, leaf) VALUES ('e', $1)`,
		} {
			if _, err := tx.ExecContext(t.Context(), query, leafOf("e")); err != nil {
				t.Fatal(err)
			}
		}
		commitsDuringAnUpgrade(t, s, tx, address, postgres)
		next, _, err := unplaced(t.Context(), s.read, 10)
		if err != nil || len(next) != 1 || next[0].id != "e" {
			t.Errorf("waiting: %v, %v", next, err)
		}
	})
}
