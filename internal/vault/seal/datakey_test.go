package seal_test

import (
	"context"
	"errors"
	"testing"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// shelf is a store of wrapped data keys.
type shelf struct {
	keys  map[string][]byte
	down  error
	asked int
}

func (s *shelf) WrappedDataKey(_ context.Context, id string) ([]byte, error) {
	s.asked++
	if s.down != nil {
		return nil, s.down
	}
	w, ok := s.keys[id]
	if !ok {
		return nil, post.ErrNotFound
	}
	return w, nil
}

func dataKey(t testing.TB, to age.Recipient, s *shelf) *seal.DataKey {
	t.Helper()
	k, wrapped, err := seal.NewDataKey(to)
	if err != nil {
		t.Fatal(err)
	}
	if s.keys == nil {
		s.keys = map[string][]byte{}
	}
	s.keys[k.ID()] = wrapped
	return k
}

func TestDataKeyIsFetchedOnceAndOpensEveryLetter(t *testing.T) {
	dispatcher, s := hybrid(t), &shelf{}
	k := dataKey(t, dispatcher.Recipient(), s)
	id := unseal.DataKeys(t.Context(), s, dispatcher)
	for range 50 {
		o, payload := sealed(t, []byte("afgørelse"), k)
		if got, err := open(o.Header, payload, id); err != nil || string(got) != "afgørelse" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if s.asked != 1 {
		t.Errorf("the key was fetched %d times", s.asked)
	}
	if k.Age() < 0 || k.Age() > 10_000_000_000 {
		t.Errorf("age is %v", k.Age())
	}
}

func TestDataKeyMixesWithAHybridRecipient(t *testing.T) {
	dispatcher, dpo, s := hybrid(t), hybrid(t), &shelf{}
	k := dataKey(t, dispatcher.Recipient(), s)
	o, payload := sealed(t, []byte("begge"), k, dpo.Recipient())
	for _, id := range []age.Identity{dpo, unseal.DataKeys(t.Context(), s, dispatcher)} {
		if _, err := open(o.Header, payload, id); err != nil {
			t.Error(err)
		}
	}
}

func TestDataKeyRefusals(t *testing.T) {
	dispatcher, stranger, s := hybrid(t), hybrid(t), &shelf{}
	k, other := dataKey(t, dispatcher.Recipient(), s), dataKey(t, dispatcher.Recipient(), s)
	o, payload := sealed(t, []byte("x"), k)

	if _, err := open(o.Header, payload, unseal.DataKeys(t.Context(), s, stranger)); !errors.Is(err, post.FaultSealed) {
		t.Errorf("a stranger's identity: %v", err)
	}
	down := &shelf{down: errors.New("database is locked")}
	if _, err := open(o.Header, payload, unseal.DataKeys(t.Context(), down, dispatcher)); !errors.Is(err, down.down) || errors.Is(err, post.ErrPermanent) {
		t.Errorf("a store that is down is not passing: %v", err)
	}
	if _, err := open(o.Header, payload, unseal.DataKeys(t.Context(), &shelf{}, dispatcher)); !errors.Is(err, post.FaultSealed) {
		t.Errorf("a key that is gone: %v", err)
	}
	swapped := &shelf{keys: map[string][]byte{k.ID(): s.keys[other.ID()]}}
	if _, err := open(o.Header, payload, unseal.DataKeys(t.Context(), swapped, dispatcher)); !errors.Is(err, post.FaultSealed) {
		t.Errorf("a key stored under another's id: %v", err)
	}
	toStranger, strangerWrote := sealed(t, []byte("x"), stranger.Recipient())
	if _, err := open(toStranger.Header, strangerWrote, unseal.DataKeys(t.Context(), s, dispatcher)); !errors.Is(err, post.FaultSealed) {
		t.Errorf("something without a data key: %v", err)
	}
}

func BenchmarkLetterUnderDataKey(b *testing.B) {
	k := dataKey(b, hybrid(b).Recipient(), &shelf{})
	for b.Loop() {
		if _, err := seal.Small([]byte("afgørelse"), k); err != nil {
			b.Fatal(err)
		}
	}
}
