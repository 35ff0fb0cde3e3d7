package draft_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/draft"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

func box(t *testing.T, r *draft.Ring, text string) []byte {
	t.Helper()
	b, err := r.Small([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestADraftIsOpenForADayAndThenGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := draft.NewRing()
		start := time.Now()
		var boxes [][]byte
		for hour := range 30 {
			boxes = append(boxes, box(t, r, "kladde"))
			for age, b := range boxes {
				_, err := r.Open(b)
				old := time.Duration(hour-age) * time.Hour
				if open := err == nil; open != (old < draft.Life) {
					t.Fatalf("%v old: %v", old, err)
				}
				if err != nil && !errors.Is(err, post.FaultSealed) {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Hour)
		}
		if time.Since(start) != 30*time.Hour {
			t.Fatal("time did not pass")
		}
	})
}

func TestKeysTurnEveryHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := draft.NewRing()
		id := func() string { return string(bytes.SplitN(box(t, r, "x"), []byte("\n"), 3)[1][:60]) }
		first := id()
		time.Sleep(59 * time.Minute)
		if id() != first {
			t.Error("the key turned within the hour")
		}
		time.Sleep(2 * time.Minute)
		if id() == first {
			t.Error("the key did not turn")
		}
	})
}

func TestARingOpensOnlyItsOwn(t *testing.T) {
	mine, other := draft.NewRing(), draft.NewRing()
	b := box(t, mine, "kladde")
	if got, err := mine.Open(b); err != nil || string(got) != "kladde" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := other.Open(b); !errors.Is(err, post.FaultSealed) {
		t.Errorf("another process opens it: %v", err)
	}
	for i := range b {
		flipped := bytes.Clone(b)
		flipped[i] ^= 4
		if _, err := mine.Open(flipped); !errors.Is(err, post.FaultSealed) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

// memory is a place for one payload.
type memory struct{ bytes.Buffer }

func (m *memory) Put(_ context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	err := write(m)
	return "a", nil, int64(m.Len()), err
}

func TestPayloadOfADraft(t *testing.T) {
	r := draft.NewRing()
	want := bytes.Repeat([]byte("bilag"), 50_000)
	var payload memory
	sealed, err := seal.Stream(t.Context(), &payload, []age.Recipient{r.Recipient()}, func(w io.Writer) error {
		_, err := w.Write(want)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Payload(sealed.Header, &payload)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(out); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestARingServesManyAtOnce(t *testing.T) {
	r := draft.NewRing()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				b, err := r.Small([]byte("x"))
				if err == nil {
					_, err = r.Open(b)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
