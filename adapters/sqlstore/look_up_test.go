package sqlstore

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/post"
)

// TestALookUpIsAskedForOnceTakenByOneAndGoneAfterAnHour.
func TestALookUpIsAskedForOnceTakenByOneAndGoneAfterAnHour(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, ctx := open(t), t.Context()
		add := func(state string) post.BatchID {
			t.Helper()
			id := post.NewID()
			mustExec(t, s, `INSERT INTO batch (id, tenant, client, business, digest, state, lines, opened_at) VALUES ($1, 'engdal', 'case', $2, $2, $3, 3, 1)`, id, []byte(id), state)
			for n := range 3 {
				mustExec(t, s, `INSERT INTO batch_line (batch, n, letter, reference, business, digest, document, recipient, content) VALUES ($1, $2, $3, $3, $4, $4, '', $4, $4)`,
					id, n+1, post.NewID(), []byte(post.NewID()))
			}
			return post.BatchID(id)
		}
		now := time.Now().Truncate(time.Microsecond)
		id := add("closed")
		ask := func(tenant post.TenantID, id post.BatchID, at time.Time, open int) error {
			return s.AskLookUp(ctx, lookup.Request{Tenant: tenant, Batch: id, Actor: "case", At: at}, open)
		}
		find := func(at time.Time) (lookup.View, error) { return s.FindLookUp(ctx, "engdal", id, at.Add(-lookup.Life)) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := ask("fjordby", id, now, 1); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("another municipality's: %v", err)
		}
		for _, state := range []string{"receiving", "open", "closing", "approved", "released", "stopping", "stopped"} {
			if err := ask("engdal", add(state), now, 1); !errors.Is(err, post.FaultLookUpState) {
				t.Errorf("%s: %v", state, err)
			}
		}
		if _, err := find(now); !errors.Is(err, post.FaultLookUpNone) {
			t.Errorf("before anybody asked: %v", err)
		}
		must(ask("engdal", id, now, 1))
		must(ask("engdal", id, now.Add(time.Minute), 1)) // the same one
		if err := ask("engdal", add("closed"), now, 1); !errors.Is(err, post.FaultLookUpsMany) {
			t.Errorf("one too many: %v", err)
		}
		if n := one[int](t, s, `SELECT count(*) FROM ledger_event WHERE kind = 'batch.look-up-asked'`); n != 1 {
			t.Errorf("%d ledger entries", n)
		}
		if _, err := s.FindLookUp(ctx, "fjordby", id, time.Time{}); !errors.Is(err, post.FaultLookUpNone) {
			t.Errorf("another municipality sees it: %v", err)
		}

		take := func(at time.Time) (lookup.Work, bool) {
			t.Helper()
			w, ok, err := s.TakeLookUp(ctx, at, at.Add(-lookup.Life), time.Minute)
			must(err)
			return w, ok
		}
		w, ok := take(now)
		if !ok || w.Batch != id || w.Lines != 3 || !w.Waits || !w.At.Equal(now) {
			t.Fatalf("%+v %v", w, ok)
		}
		if _, ok := take(now); ok {
			t.Error("two have it")
		}
		again, ok := take(now.Add(2 * time.Minute)) // the first one died, or so it seems
		if !ok {
			t.Fatal("it lies for ever")
		}
		lines, err := s.LinesToLookUp(ctx, id, 1, 1)
		if err != nil || len(lines) != 1 || lines[0].N != 2 {
			t.Errorf("%+v %v", lines, err)
		}
		all := []lookup.Answer{{Reach: lookup.Reachable, Address: true}, {Reach: lookup.Unreachable}, {Reach: lookup.Unsure, Address: true}}
		must(s.KeepLooked(ctx, again, all[:2]))
		for what, err := range map[string]error{"kept": s.KeepLooked(ctx, w, all), "put off": s.PutOffLookUp(ctx, w, now), "ended": s.EndLookUp(ctx, w, lookup.EndedLate)} {
			if !errors.Is(err, post.ErrStale) {
				t.Errorf("%s by who was too late: %v", what, err)
			}
		}
		w, _ = take(time.Now().Add(time.Second))
		must(s.PutOffLookUp(ctx, w, now.Add(10*time.Minute)))
		if _, ok := take(now.Add(9 * time.Minute)); ok {
			t.Error("taken before it was due")
		}
		if w, ok = take(now.Add(11 * time.Minute)); !ok || w.Tries != 1 || w.Done != 2 {
			t.Fatalf("%+v %v", w, ok)
		}
		must(s.KeepLooked(ctx, w, all[2:]))
		v, err := find(now)
		if err != nil || !v.Done() || v.Ended != "" || !slices.Equal(v.Answers, all) {
			t.Errorf("%+v %v", v, err)
		}
		items, err := s.LookUpItems(ctx, "engdal", id, 1, 10)
		if err != nil || len(items) != 2 || items[0].Line != 2 {
			t.Errorf("%+v %v", items, err)
		}
		if items, err := s.LookUpItems(ctx, "fjordby", id, 0, 10); err != nil || len(items) != 0 {
			t.Errorf("another municipality's lines: %+v %v", items, err)
		}
		// An hour later nobody is shown it, and the next step of a dispatcher erases it.
		if _, err := find(now.Add(lookup.Life)); !errors.Is(err, post.FaultLookUpNone) {
			t.Errorf("after its hour: %v", err)
		}
		if _, ok := take(now.Add(lookup.Life)); ok {
			t.Error("an old one is worked on")
		}
		if n := one[int](t, s, `SELECT (SELECT count(*) FROM look_up) + (SELECT count(*) FROM look_up_line)`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		// One that was ended is begun anew.
		must(ask("engdal", id, now, 1))
		w, _ = take(now)
		must(s.KeepLooked(ctx, w, all[:1]))
		w, _ = take(time.Now().Add(time.Second))
		must(s.EndLookUp(ctx, w, lookup.EndedPaused))
		if v, err := find(now); err != nil || v.Ended != lookup.EndedPaused || len(v.Answers) != 1 {
			t.Errorf("%+v %v", v, err)
		}
		must(ask("engdal", id, now, 1))
		if v, err := find(now); err != nil || v.Done() || len(v.Answers) != 0 {
			t.Errorf("%+v %v", v, err)
		}
	})
}
