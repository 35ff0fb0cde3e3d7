package sqlstore

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// Whoever halted one channel first and everything later lifts both by one word.
func TestResumingBothLiftsEachHaltOfTheSameScopeAndNoOther(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		ctx := t.Context()
		for _, p := range []letter.Pause{{Channel: post.Digital}, {Channel: post.Physical}, {}, {Tenant: "engdal", Channel: post.Digital}} {
			if err := s.PauseChannel(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.ResumeChannel(ctx, letter.Pause{Channel: post.Physical}); err != nil {
			t.Fatal(err)
		}
		if all, err := s.Paused(ctx); err != nil || len(all) != 3 {
			t.Fatalf("one channel was resumed: %+v, %v", all, err)
		}
		if err := s.ResumeChannel(ctx, letter.Pause{}); err != nil {
			t.Fatal(err)
		}
		if all, err := s.Paused(ctx); err != nil || len(all) != 1 || all[0].Tenant != "engdal" {
			t.Errorf("both were resumed for every one: %+v, %v", all, err)
		}
		if err := s.ResumeChannel(ctx, letter.Pause{Tenant: "engdal"}); err != nil {
			t.Fatal(err)
		}
		if all, err := s.Paused(ctx); err != nil || len(all) != 0 {
			t.Errorf("both were resumed for the municipality: %+v, %v", all, err)
		}
	})
}

func TestAPauseIsKeptOnceAndItsEndWakesTheLettersThatWaitForIt(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		ctx := t.Context()
		l := newLedgered(t, s) // a digital and a paper letter of engdal
		far := micros(time.Now().Add(time.Hour))
		mustExec(t, s, `UPDATE letter SET code = 'paused'`)
		mustExec(t, s, `UPDATE job SET due_at = $1, lease_until = 0`, far)
		p := letter.Pause{Tenant: "engdal", Channel: post.Digital, Actor: "anne"}
		for range 2 {
			if err := s.PauseChannel(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		if all, err := s.Paused(ctx); err != nil || len(all) != 1 || all[0].Actor != "anne" || all[0].At.IsZero() {
			t.Fatalf("%+v, %v", all, err)
		}
		for range 2 {
			if err := s.ResumeChannel(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		if all, err := s.Paused(ctx); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
		if n := one[int](t, s, `SELECT count(*) FROM ledger_event WHERE kind IN ('channel.paused', 'channel.resumed')`); n != 2 {
			t.Errorf("%d ledger events, want one for each change", n)
		}
		for i, wakes := range []bool{true, false} { // the paper letter waits for something else
			if due := one[int64](t, s, `SELECT due_at FROM job WHERE id = $1`, string(l.ids[i])); (due < far) != wakes {
				t.Errorf("letter %d is due at %d", i, due)
			}
		}
	})
}
