package sqlstore

import (
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// TestWhatIsWrongWithEventsThatShareARowIsFoundWhileTheyWait: once they have their places,
// the log says something else than the events for ever, or nobody gets a place any more.
func TestWhatIsWrongWithEventsThatShareARowIsFoundWhileTheyWait(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		const leaves, ids = `UPDATE ledger_waiting SET leaves = $1 WHERE first = $2`, `UPDATE ledger_waiting SET events = $1 WHERE first = $2`
		for _, tt := range []struct {
			name   string
			damage func(s *Store, made []ledger.Event, rows []awaiting)
			want   []int // of the events
			why    string
		}{
			{"nothing", func(*Store, []ledger.Event, []awaiting) {}, nil, ""},
			{"an event is taken out", func(s *Store, made []ledger.Event, w []awaiting) {
				rows := waitingRows(slices.Delete(w[:waitingInRow], 3, 4))
				mustExec(t, s, ids, rows[0][1], made[0].ID)
				mustExec(t, s, leaves, rows[0][2], made[0].ID)
			}, []int{3}, ""},
			{"a row is taken away", func(s *Store, made []ledger.Event, _ []awaiting) {
				mustExec(t, s, `DELETE FROM ledger_waiting WHERE first = $1`, made[waitingInRow].ID)
			}, []int{24, 25}, ""},
			{"leaves are swapped", func(s *Store, made []ledger.Event, w []awaiting) {
				w[3].leaf, w[7].leaf = w[7].leaf, w[3].leaf
				mustExec(t, s, leaves, waitingRows(w)[0][2], made[0].ID)
			}, []int{3, 7}, "waits with the leaf of another"},
			{"a bit of a leaf is changed", func(s *Store, made []ledger.Event, w []awaiting) {
				w[5].leaf[31] ^= 1
				mustExec(t, s, leaves, waitingRows(w)[0][2], made[0].ID)
			}, []int{5}, "waits with the leaf of another"},
			{"a row is doubled", func(s *Store, made []ledger.Event, _ []awaiting) {
				mustExec(t, s, `INSERT INTO ledger_waiting (first, events, leaves) SELECT $1, $1 || substr(events, 37), leaves FROM ledger_waiting WHERE first = $2`, made[25].ID, made[24].ID)
			}, []int{25, 25}, "waits twice"},
			{"a row lacks bytes", func(s *Store, made []ledger.Event, _ []awaiting) {
				mustExec(t, s, `UPDATE ledger_waiting SET leaves = substr(leaves, 2) WHERE first = $1`, made[24].ID)
			}, []int{24, 24, 25}, ""},
			{"an event that waits has its place", func(s *Store, made []ledger.Event, _ []awaiting) {
				mustExec(t, s, `INSERT INTO ledger_place (idx, event) VALUES (0, $1)`, made[2].ID)
			}, []int{2}, "has its place already, or is gone"},
			{"an event that waits is gone", func(s *Store, made []ledger.Event, _ []awaiting) {
				mustExec(t, s, `DELETE FROM ledger_event WHERE id = $1`, made[2].ID)
			}, []int{2}, "has its place already, or is gone"},
			{"a row is called by another name", func(s *Store, made []ledger.Event, _ []awaiting) {
				mustExec(t, s, `UPDATE ledger_waiting SET first = $1 WHERE first = $2`, made[9].ID, made[0].ID)
			}, []int{9}, "is damaged"},
		} {
			s, made := open(t), []ledger.Event(nil)
			for range waitingInRow + 2 {
				e := ledger.New("letter.signed", "engdal", post.NewID())
				e.At = time.Now()
				made = append(made, e)
			}
			write(t, s, made, false)
			waiting, _, err := unplaced(t.Context(), s.read, 100)
			if err != nil || len(waiting) != len(made) {
				t.Fatalf("%s: %d wait, %v", tt.name, len(waiting), err)
			}
			tt.damage(s, made, waiting)
			stray, err := s.StrayRows(t.Context())
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			var got, want []string
			for _, one := range stray {
				got = append(got, one.ID)
			}
			for _, n := range tt.want {
				want = append(want, made[n].ID)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s: %v", tt.name, stray)
			}
			if slices.ContainsFunc(stray, func(one account.Stray) bool { return one.Why != tt.why && one.What != "row of waiting events" }) {
				t.Errorf("%s: %v", tt.name, stray)
			}
		}
	})
}
