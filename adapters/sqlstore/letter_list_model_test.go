package sqlstore

import (
	"database/sql"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// row is what a list chooses a letter by.
type row struct {
	id      post.LetterID
	tenant  post.TenantID
	batch   post.BatchID
	state   post.LetterState
	arrive  string
	carrier post.Carrier
	since   int64
	sent    int64 // its hand-over was decided
	before  int64 // it may not go
	code    string
	held    bool
}

// chosen says by its words alone which letters f is about.
func chosen(f letter.Filter, r row) bool {
	waits := r.state == post.LetterNeedsPerson || r.state == post.LetterReturned
	carried := r.state == post.LetterHandedOver || r.state == post.LetterPrinting || r.state == post.LetterPosted
	began := r.since
	if r.state == post.LetterHandingOver || r.state == post.LetterNotTaken || r.state == post.LetterOutcomeUnknown {
		began = r.sent
	}
	others := waits || carried || r.state.Final() || r.state == post.LetterHeld || r.state == post.LetterAccepted && r.batch != ""
	works := began < micros(f.AtWork) && r.before < micros(f.AtWork) && !others && !slices.Contains([]string{letter.CodePaused, letter.CodeHeld}, r.code)
	switch {
	case !f.AtWork.IsZero() && !f.Open && !works:
		return false
	case f.Tenant != "" && f.Tenant != r.tenant, f.Batch != "" && f.Batch != r.batch, f.State != "" && f.State != r.state,
		f.Waiting && !waits, f.Held && !r.held, f.Carrier != "" && f.Carrier != r.carrier,
		!f.Since.IsZero() && r.since < micros(f.Since),
		f.Open && (r.state.Final() || r.arrive == "" && !waits && !carried && (f.AtWork.IsZero() || !works)),
		r.id <= f.After:
		return false
	}
	return true
}

// grown is a database with some hundred letters, some of them on hold, on each engine.
func grown(t *testing.T, test func(t *testing.T, s *Store, all []row)) {
	const letters = 700
	run := func(name, address string) {
		t.Run(name, func(t *testing.T) {
			if name == "postgres" {
				address = suite.Schema(t, address)
			}
			s := mustOpen(t, address)
			grow(t, s, letters, false)
			mustExec(t, s, `UPDATE letter SET state = 'ready' WHERE id IN (SELECT id FROM letter WHERE state = 'delivered' ORDER BY id LIMIT 60)`)
			mustExec(t, s, `UPDATE letter SET state = 'needs-person' WHERE id IN (SELECT id FROM letter WHERE state = 'delivered' ORDER BY id LIMIT 60)`)
			for _, state := range []string{"not-taken", "outcome-unknown", "routed", "accepted"} {
				mustExec(t, s, `UPDATE letter SET state = $1 WHERE id IN (SELECT id FROM letter WHERE state = 'delivered' ORDER BY id LIMIT 15)`, state)
			}
			mustExec(t, s, `UPDATE letter SET batch = '' WHERE id IN (SELECT id FROM letter WHERE state = 'accepted' ORDER BY id LIMIT 7)`)
			mustExec(t, s, `UPDATE hand_over SET created_at = (SELECT (since * 7) % 700 FROM letter WHERE letter.id = letter)`)
			mustExec(t, s, `UPDATE letter SET not_before = (since * 11) % 700 WHERE state = 'ready' AND (since * 13) % 3 = 0`)
			mustExec(t, s, `UPDATE letter SET code = CASE (since * 17) % 4 WHEN 0 THEN 'paused' WHEN 1 THEN 'batch-held' WHEN 2 THEN 'carrier-resting' ELSE '' END WHERE state IN ('routed', 'not-taken', 'ready')`)
			mustExec(t, s, `UPDATE letter SET hold_at = 1 WHERE id IN (SELECT id FROM letter WHERE state = 'delivered' ORDER BY id LIMIT 20)`)
			var all []row
			if err := each(t.Context(), s.read, func(rows *sql.Rows) error {
				var r row
				err := rows.Scan(&r.id, &r.tenant, &r.batch, &r.state, &r.arrive, &r.carrier, &r.since, &r.sent, &r.before, &r.code, &r.held)
				all = append(all, r)
				return err
			}, `SELECT l.id, tenant, batch, state, arrive, COALESCE((SELECT carrier FROM hand_over h WHERE h.letter = l.id), ''), since,
				COALESCE((SELECT created_at FROM hand_over h WHERE h.letter = l.id), 0), not_before, code, hold_at > 0 FROM letter l ORDER BY l.id`); err != nil {
				t.Fatal(err)
			}
			test(t, s, all)
		})
	}
	run("sqlite", "sqlite://"+filepath.Join(t.TempDir(), "grown.db"))
	if server, ok := suite.Server(t, "the same on PostgreSQL"); ok {
		run("postgres", server)
	}
}

// TestAListHoldsWhatItsFilterSaysPageByPage compares lists of many filters, over one
// municipality and over all, with what the words of the filter choose.
func TestAListHoldsWhatItsFilterSaysPageByPage(t *testing.T) {
	grown(t, func(t *testing.T, s *Store, all []row) {
		luck := rand.New(rand.NewPCG(1, 2))
		one := func(of ...string) string { return of[luck.IntN(len(of))] }
		found := 0
		for range 150 {
			f := letter.Filter{
				Tenant: post.TenantID(one("", "", "", "m0", "m3", "nobody")), Batch: post.BatchID(one("", "", "", "batch-0")),
				State: post.LetterState(one("", "ready", "not-taken", "accepted", "needs-person", "delivered", "purged", "handed-over", "refused")),
				Open:  luck.IntN(2) == 0, Waiting: luck.IntN(5) == 0, Held: luck.IntN(8) == 0,
				Carrier: post.Carrier(one("", "", "digitalpost", "none")), Limit: 1 + luck.IntN(90),
			}
			if luck.IntN(3) == 0 {
				f.Since = time.UnixMicro(int64(luck.IntN(700)))
			}
			if luck.IntN(3) == 0 {
				f.AtWork = time.UnixMicro(int64(luck.IntN(700)))
			}
			var want, got []post.LetterID
			for _, r := range all {
				if chosen(f, r) {
					want = append(want, r.id)
				}
			}
			first := f
			for { // to the end
				vs, err := s.LetterList(t.Context(), f)
				if err != nil {
					t.Fatalf("%+v: %v", f, err)
				}
				for _, v := range vs {
					got = append(got, v.ID)
				}
				if len(vs) < f.Limit {
					break
				}
				f.After = vs[len(vs)-1].ID
			}
			if found += len(got); !slices.Equal(got, want) {
				t.Errorf("%+v: %d letters, want %d", first, len(got), len(want))
			}
		}
		if found < 1000 {
			t.Errorf("only %d letters were found", found)
		}
	})
}

// TestRetentionFindsTheLettersOfAllThatItIsNotToldToLeave in the order in which they
// ended: those of municipalities that nobody knows any more too, and none on hold.
func TestRetentionFindsTheLettersOfAllThatItIsNotToldToLeave(t *testing.T) {
	grown(t, func(t *testing.T, s *Store, all []row) {
		for _, of := range []Whose{{}, {Only: "m3"}, {Only: "nobody"}, {Not: []post.TenantID{"m1", "m2"}}, {Not: []post.TenantID{"m0", "m1", "m2", "m3", "m4"}}} {
			for _, before := range []int64{0, 400, 1000} {
				for _, n := range []int{1, 7, 1000} {
					var want, got []post.LetterID
					for _, r := range all { // since grows with id
						if !r.held && r.state.Final() && r.state != post.LetterPurged && r.since <= before && len(want) < n &&
							(of.Only == "" || of.Only == r.tenant) && !slices.Contains(of.Not, r.tenant) {
							want = append(want, r.id)
						}
					}
					items, err := s.LetterShelf(of).Overdue(t.Context(), time.UnixMicro(before), n)
					if err != nil {
						t.Fatal(err)
					}
					for _, i := range items {
						got = append(got, post.LetterID(i.ID))
					}
					if !slices.Equal(got, want) {
						t.Errorf("%+v, %d before %d: %d letters, want %d", of, n, before, len(got), len(want))
					}
				}
			}
		}
	})
}
