package sqlstore_test

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/post"
)

func TestOneRequestOfManyGetsTheKey(t *testing.T) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		address, _, _ := fresh(t)
		oneRequestOfManyGetsTheKey(t, address)
	})
}

func oneRequestOfManyGetsTheKey(t *testing.T, address string) {
	s, err := sqlstore.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	var won, busy atomic.Int32
	var claim atomic.Int64
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			c, _, _, _, err := s.ClaimAnswer(t.Context(), "c", "k", now.Add(time.Duration(i)*time.Microsecond), now.Add(-time.Minute))
			switch {
			case err == nil:
				won.Add(1)
				claim.Store(c)
			case errors.Is(err, post.ErrStale):
				busy.Add(1)
			default:
				t.Errorf("claim: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || busy.Load() != 9 {
		t.Fatalf("%d claims, %d busy", won.Load(), busy.Load())
	}
	// A claim that is not the newest changes nothing.
	if err := s.KeepAnswer(t.Context(), "c", "k", claim.Load()+1, []byte("r"), 200, []byte("wrong")); err != nil {
		t.Fatal(err)
	}
	if err := s.DropAnswer(t.Context(), "c", "k", claim.Load()+1); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepAnswer(t.Context(), "c", "k", claim.Load(), []byte("r"), 201, []byte("right")); err != nil {
		t.Fatal(err)
	}
	_, request, status, answer, err := s.ClaimAnswer(t.Context(), "c", "k", now, now.Add(time.Hour))
	if err != nil || status != 201 || !bytes.Equal(request, []byte("r")) || !bytes.Equal(answer, []byte("right")) {
		t.Errorf("kept: %d %q %q %v", status, request, answer, err)
	}
	if _, _, status, _, err := s.ClaimAnswer(t.Context(), "other", "k", now, now); err != nil || status != 0 {
		t.Errorf("the key of another client: %d %v", status, err)
	}
}

func TestADroppedKeyIsFree(t *testing.T) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		address, _, _ := fresh(t)
		aDroppedKeyIsFree(t, address)
	})
}

func aDroppedKeyIsFree(t *testing.T, address string) {
	s, err := sqlstore.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	claim, _, _, _, err := s.ClaimAnswer(t.Context(), "c", "k", time.Now(), time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DropAnswer(t.Context(), "c", "k", claim); err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := s.ClaimAnswer(t.Context(), "c", "k", time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Errorf("after it was dropped: %v", err)
	}
}

func TestAnswersAreForgottenByAge(t *testing.T) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		address, _, _ := fresh(t)
		s, err := sqlstore.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		now := time.Now()
		for key, at := range map[string]time.Time{"old": now.Add(-48 * time.Hour), "new": now} {
			claim, _, _, _, err := s.ClaimAnswer(t.Context(), "c", key, at, at.Add(-time.Hour))
			if err == nil {
				err = s.KeepAnswer(t.Context(), "c", key, claim, []byte("r"), 201, []byte("a"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.ForgetAnswers(t.Context(), now.Add(-24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]int{"old": 0, "new": 201} {
			if _, _, status, _, err := s.ClaimAnswer(t.Context(), "c", key, now, now.Add(-time.Hour)); err != nil || status != want {
				t.Errorf("%s: %d, %v", key, status, err)
			}
		}
	})
}
