package sqlstore

import (
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestLettersOfABatchAreMovedTogetherOrNot: one that was cancelled after the list was
// read is neither revived, nor left out with an event and a job that say otherwise.
func TestLettersOfABatchAreMovedTogetherOrNot(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		stays := addLetter(t, s, post.LetterHeld, longAgo, "b", post.NewID())
		gone := addLetter(t, s, post.LetterCancelled, longAgo, "b", post.NewID())
		move := func(ids ...string) error {
			return s.tx(t.Context(), func(tx *sql.Tx) error {
				return s.moveMany(t.Context(), tx, ids, "engdal", []post.LetterState{post.LetterHeld}, post.LetterReady, "", "batch b")
			})
		}
		if err := move(stays, gone); !errors.Is(err, post.ErrStale) {
			t.Errorf("both: %v", err)
		}
		for id, want := range map[string]post.LetterState{stays: post.LetterHeld, gone: post.LetterCancelled} {
			if is := one[string](t, s, `SELECT state FROM letter WHERE id = $1`, id); is != string(want) {
				t.Errorf("it is %s and was %s", is, want)
			}
		}
		if n := one[int](t, s, `SELECT count(*) FROM ledger_event`); n != 0 {
			t.Errorf("%d events of moves that were not made", n)
		}
		if err := move(stays); err != nil {
			t.Error(err)
		}
		if n := one[int](t, s, `SELECT count(*) FROM letter l JOIN ledger_event e ON e.subject = l.id WHERE l.state = 'ready' AND e.kind = 'letter.ready'`); n != 1 {
			t.Errorf("%d letters are ready with their event, want 1", n)
		}
	})
}

// TestALetterThatACarrierMayHaveIsNotAmongThoseOfItsBatch: doubt about its present
// hand-over keeps it back, doubt about a former one, or none, does not.
func TestALetterThatACarrierMayHaveIsNotAmongThoseOfItsBatch(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		var want []string
		for i, c := range []struct {
			channel            post.Channel
			generation, unsure int
			listed             bool
		}{
			{post.Digital, 2, 1, false},
			{post.Digital, 2, 0, true},
			{post.Digital, 1, 1, true},
			{post.Physical, 2, 1, true},
			{post.Digital, 1, 0, false}, // behind the last line
		} {
			id := addLetter(t, s, post.LetterHeld, longAgo, "b", post.NewID())
			mustExec(t, s, `UPDATE letter SET line = $1, channel = 'digital', generation = 2 WHERE id = $2`, i+1, id)
			mustExec(t, s, `INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, unsure)
				VALUES ($1, $1, $2, $3, 1, 1, $4, 1, $5)`, id, string(c.channel), c.generation, make([]byte, 32), c.unsure)
			if c.listed {
				want = append(want, id)
			}
		}
		err := s.tx(t.Context(), func(tx *sql.Tx) error {
			got, err := lettersIn(t.Context(), tx, "b", []post.LetterState{post.LetterHeld}, 4, 10)
			if !slices.Equal(got, want) {
				t.Errorf("%d letters, want %d:\n%v\n%v", len(got), len(want), got, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestAJobHasOneHolderAtATime: neither way of taking it takes one that is held or not
// due, the preferred one included, and each has a fence of its own. Whoever lost it can
// neither give it back nor keep it.
func TestAJobHasOneHolderAtATime(t *testing.T) {
	const kind = queue.AdvanceLetter
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		later := micros(time.Now().Add(time.Hour))
		for id, at := range map[string][2]int64{"due": {2, 0}, "held": {1, later}, "later": {later, 0}} {
			mustExec(t, s, `INSERT INTO job (kind, id, due_at, lease_until, fence) VALUES ($1, $2, $3, $4, 7)`, string(kind), id, at[0], at[1])
		}
		for _, id := range []string{"held", "later", "none"} {
			if _, ok, err := s.Lease(t.Context(), kind, id, time.Hour); ok || err != nil {
				t.Errorf("%s: leased %v, %v", id, ok, err)
			}
			if all, err := s.LeaseDue(t.Context(), queue.Claim{Kind: kind, Prefer: id, N: 1, For: time.Hour}); len(all) != 0 || err != nil {
				t.Errorf("%s, preferred: %+v, %v", id, all, err)
			}
		}
		all, err := s.LeaseDue(t.Context(), queue.Claim{Kind: kind, N: 9, For: -time.Second}) // it is over at once
		if err != nil || len(all) != 1 || all[0].ID != "due" || all[0].Fence != 8 {
			t.Fatalf("%+v, %v", all, err)
		}
		former := all[0]
		l, ok, err := s.Lease(t.Context(), kind, "due", time.Hour)
		if err != nil || !ok || l.Fence != 9 {
			t.Fatalf("%+v, %v, %v", l, ok, err)
		}
		if err := s.ExtendLease(t.Context(), former, 2*time.Hour); !errors.Is(err, post.ErrStale) {
			t.Errorf("who lost it kept it: %v", err)
		}
		if err := s.Release(t.Context(), former, time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		if _, ok, err := s.Lease(t.Context(), kind, "due", time.Hour); ok || err != nil {
			t.Errorf("who lost it gave it back: %v, %v", ok, err)
		}
	})
}

// TestAKeyHasOneClaimAtATime: one that is stale is taken over, and whoever had it can
// neither answer for the key nor free it; nor can anybody free what was answered.
func TestAKeyHasOneClaimAtATime(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, ctx := open(t), t.Context()
		claim := func(at, stale int64) (int64, int, string, error) {
			c, _, status, answer, err := s.ClaimAnswer(ctx, "c", "k", time.Unix(at, 0), time.Unix(stale, 0))
			return c, status, string(answer), err
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		former, _, _, err := claim(100, 0)
		must(err)
		if _, _, _, err := claim(110, 99); !errors.Is(err, post.ErrStale) {
			t.Errorf("it was taken from whoever is at it: %v", err)
		}
		now, status, _, err := claim(200, 100)
		if err != nil || status != 0 || now == former {
			t.Fatalf("a stale one was not taken over: %d, %v", status, err)
		}
		must(s.KeepAnswer(ctx, "c", "k", former, nil, 500, []byte("late")))
		must(s.DropAnswer(ctx, "c", "k", former))
		if _, _, _, err := claim(210, 150); !errors.Is(err, post.ErrStale) {
			t.Errorf("who lost it answered, or freed it: %v", err)
		}
		must(s.KeepAnswer(ctx, "c", "other", now, nil, 500, nil))
		must(s.KeepAnswer(ctx, "c", "k", now, []byte("r"), 201, []byte("made")))
		must(s.KeepAnswer(ctx, "c", "k", now, []byte("r"), 500, []byte("again")))
		must(s.DropAnswer(ctx, "c", "k", now))
		if _, status, answer, err := claim(900, 800); err != nil || status != 201 || answer != "made" {
			t.Errorf("the answer is %d %q, %v", status, answer, err)
		}
	})
}

// TestAReceiptThatComesAgainChangesNothing: it may bear the same id and say something
// else; what came first counts, and what was settled stays settled.
func TestAReceiptThatComesAgainChangesNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, ctx := open(t), t.Context()
		id := addLetter(t, s, post.LetterHandedOver, longAgo, "", post.NewID())
		mustExec(t, s, `UPDATE letter SET channel = 'digital', generation = 1, available_at = 0 WHERE id = $1`, id)
		mustExec(t, s, `DELETE FROM receipt`)
		first := track.Receipt{Carrier: "digitalpost", EventID: "e", MessageID: "m", Kind: track.Delivered, At: time.Unix(1_790_000_000, 0), Code: "first", Raw: []byte("sealed")}
		again := first
		again.Kind, again.MessageID, again.Code, again.At = track.RefusedContent, "n", "again", time.Unix(1_790_000_900, 0)
		other := again
		other.Carrier = "kombipost"
		for range 2 {
			if err := s.KeepReceipts(ctx, []track.Receipt{first, again}); err != nil {
				t.Fatal(err)
			}
		}
		waiting, err := s.WaitingReceipts(ctx, 9)
		if err != nil || len(waiting) != 1 || waiting[0].Kind != track.Delivered || waiting[0].Code != "first" || waiting[0].MessageID != "m" || !waiting[0].At.Equal(first.At) {
			t.Fatalf("%+v, %v", waiting, err)
		}
		settle := track.Settlement{Receipt: first, Verdict: track.Applied, Path: []post.LetterState{post.LetterDelivered},
			Standing: track.Standing{Letter: post.LetterID(id), Tenant: "engdal", State: post.LetterHandedOver, Version: 1, Channel: post.Digital, Generation: 1, Present: true, On: post.Digital}}
		if stale, err := s.SettleReceipts(ctx, []track.Settlement{settle}); err != nil || len(stale) != 0 {
			t.Fatalf("%+v, %v", stale, err)
		}
		if at := one[int64](t, s, `SELECT available_at FROM letter WHERE id = $1`, id); at != micros(first.At) {
			t.Errorf("it lies there since %d, and the carrier said %d", at, micros(first.At))
		}
		if err := s.KeepReceipts(ctx, []track.Receipt{again, other}); err != nil {
			t.Fatal(err)
		}
		waiting, err = s.WaitingReceipts(ctx, 9)
		if err != nil || len(waiting) != 1 || waiting[0].Carrier != "kombipost" {
			t.Errorf("what was settled waits anew, or another carrier's was left out: %+v, %v", waiting, err)
		}
		if _, err := s.SettleReceipts(ctx, []track.Settlement{settle}); err != nil {
			t.Error(err)
		}
		late := track.Settlement{Receipt: first, Standing: settle.Standing, Verdict: track.Parked, Reason: "of another matcher"}
		if stale, err := s.SettleReceipts(ctx, []track.Settlement{late}); err != nil || len(stale) != 0 {
			t.Errorf("%+v, %v", stale, err)
		}
		if v := one[string](t, s, `SELECT verdict FROM receipt WHERE carrier = 'digitalpost'`); v != string(track.Applied) {
			t.Errorf("it was applied, and now it is %s", v)
		}
		if v := one[int64](t, s, `SELECT version FROM letter WHERE id = $1`, id); v != 2 {
			t.Errorf("a settlement that came twice moved it to version %d", v)
		}
	})
}
