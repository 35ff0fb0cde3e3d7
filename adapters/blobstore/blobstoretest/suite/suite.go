// Package suite is what every blob store must do, whatever it is built on.
package suite

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Store is a blob store under test.
type Store interface {
	seal.Putter
	PutGroup(ctx context.Context, fill func(seal.Group) error) error
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
	Delete(ctx context.Context, blob string) error
	List(ctx context.Context, visit func(blob string, size int64, at time.Time) error) error
}

// Run checks a store. open returns an empty one.
func Run(t *testing.T, open func(t *testing.T) Store) {
	t.Run("what is put comes back whole", func(t *testing.T) { roundTrip(t, open(t)) })
	t.Run("a write that fails leaves nothing", func(t *testing.T) { failedWrite(t, open(t)) })
	t.Run("a canceled write leaves nothing", func(t *testing.T) { canceled(t, open(t)) })
	t.Run("a blob is not seen before it is whole", func(t *testing.T) { halfWritten(t, open(t)) })
	t.Run("deleting twice is no failure", func(t *testing.T) { deletion(t, open(t)) })
	t.Run("a name that is no name finds nothing", func(t *testing.T) { badNames(t, open(t)) })
	t.Run("many may put at once", func(t *testing.T) { crowd(t, open(t)) })
	t.Run("listing stops when asked", func(t *testing.T) { listing(t, open(t)) })
	t.Run("a group is seen whole, and not before", func(t *testing.T) { group(t, open(t)) })
	t.Run("a group that fails leaves nothing", func(t *testing.T) { failedGroup(t, open(t)) })
	t.Run("one that fails is left out of its group", func(t *testing.T) { leftOut(t, open(t)) })
	t.Run("one of a group is deleted, its neighbors stay", func(t *testing.T) { neighbors(t, open(t)) })
	t.Run("what is deleted while it is read is its own bytes or not found", func(t *testing.T) { deletedWhileRead(t, open(t)) })
	t.Run("many may put groups at once", func(t *testing.T) { groups(t, open(t)) })
}

func put(t *testing.T, s Store, content []byte) string {
	t.Helper()
	blob, sum, size, err := s.Put(t.Context(), func(w io.Writer) error {
		for rest := content; len(rest) > 0; { // in pieces, as streams come
			n := min(len(rest), 10_007)
			if _, err := w.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(content)
	if !bytes.Equal(sum, want[:]) || size != int64(len(content)) {
		t.Errorf("%d bytes are described as %d, %x", len(content), size, sum)
	}
	return blob
}

func get(t *testing.T, s Store, blob string) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func list(t *testing.T, s Store) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	err := s.List(t.Context(), func(blob string, size int64, at time.Time) error {
		if age := time.Since(at); age < -time.Minute || age > time.Hour {
			t.Errorf("a fresh blob is %v old", age)
		}
		found[blob] = size
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func roundTrip(t *testing.T, s Store) {
	names := map[string]int64{}
	for _, n := range []int{0, 1, 4096, 1 << 20} {
		content := make([]byte, n)
		rand.Read(content)
		blob := put(t, s, content)
		if _, again := names[blob]; again {
			t.Fatal("a name was given twice")
		}
		names[blob] = int64(n)
		if !bytes.Equal(get(t, s, blob), content) {
			t.Errorf("%d bytes do not come back", n)
		}
	}
	found := list(t, s)
	if len(found) != len(names) {
		t.Errorf("%d of %d are listed", len(found), len(names))
	}
	for blob, size := range names {
		if found[blob] != size {
			t.Errorf("%s is listed with %d bytes, not %d", blob, found[blob], size)
		}
	}
}

func failedWrite(t *testing.T, s Store) {
	boom := errors.New("boom")
	blob, sum, size, err := s.Put(t.Context(), func(w io.Writer) error {
		_, _ = w.Write(make([]byte, 100_000))
		return boom
	})
	if !errors.Is(err, boom) || errors.Is(err, post.ErrPermanent) || blob != "" || sum != nil || size != 0 {
		t.Errorf("got %q, %x, %d, %v", blob, sum, size, err)
	}
	if found := list(t, s); len(found) != 0 {
		t.Errorf("%v is left", found)
	}
}

func canceled(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	_, _, _, err := s.Put(ctx, func(w io.Writer) error {
		cancel()
		_, err := w.Write([]byte("x"))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if found := list(t, s); len(found) != 0 {
		t.Errorf("%v is left", found)
	}
}

func halfWritten(t *testing.T, s Store) {
	_, _, _, err := s.Put(t.Context(), func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 100_000)); err != nil {
			return err
		}
		if found := list(t, s); len(found) != 0 {
			t.Errorf("%v is seen", found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list(t, s)) != 1 {
		t.Error("the whole blob is not seen")
	}
}

func deletion(t *testing.T, s Store) {
	blob, other := put(t, s, []byte("one")), put(t, s, []byte("two"))
	for range 2 {
		if err := s.Delete(t.Context(), blob); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(t.Context(), blob); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("a deleted blob: %v", err)
	}
	if string(get(t, s, other)) != "two" {
		t.Error("another blob is gone")
	}
}

func badNames(t *testing.T, s Store) {
	blob := put(t, s, []byte("x"))
	for _, name := range []string{"", ".", "..", "../" + blob, blob + "/..", blob[:35], "/etc/passwd", post.NewID()} {
		if r, err := s.Get(t.Context(), name); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("%q: %v, %v", name, r, err)
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if len(list(t, s)) != 1 {
		t.Error("a bad name deleted something")
	}
}

func crowd(t *testing.T, s Store) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 5 {
				content := bytes.Repeat([]byte{byte(i)}, 20_000)
				blob, _, _, err := s.Put(t.Context(), func(w io.Writer) error {
					_, err := w.Write(content)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				r, err := s.Get(t.Context(), blob)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
	all.Wait()
	if len(list(t, s)) != 40 {
		t.Error("some are missing")
	}
}

func listing(t *testing.T, s Store) {
	put(t, s, []byte("one"))
	put(t, s, []byte("two"))
	enough, n := errors.New("enough"), 0
	err := s.List(t.Context(), func(string, int64, time.Time) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("%d visits, %v", n, err)
	}
}
