package suite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"sync"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// into puts content of n bytes, all of them n, through p.
func into(ctx context.Context, t *testing.T, p seal.Putter, n int) string {
	t.Helper()
	content := bytes.Repeat([]byte{byte(n)}, n)
	blob, sum, size, err := p.Put(ctx, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(content)
	if !bytes.Equal(sum, want[:]) || size != int64(n) {
		t.Errorf("%d bytes are described as %d, %x", n, size, sum)
	}
	return blob
}

func group(t *testing.T, s Store) {
	names := map[string]int{}
	err := s.PutGroup(t.Context(), func(g seal.Group) error {
		for n := range 40 {
			names[into(t.Context(), t, g, n*1000)] = n * 1000
			if found := list(t, s); len(found) != 0 {
				t.Fatalf("%v is seen", found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := list(t, s); len(found) != 40 || len(names) != 40 {
		t.Errorf("%d names, %d listed", len(names), len(found))
	}
	for blob, n := range names {
		if !bytes.Equal(get(t, s, blob), bytes.Repeat([]byte{byte(n)}, n)) {
			t.Errorf("%d bytes do not come back", n)
		}
	}
	if err := s.PutGroup(t.Context(), func(seal.Group) error { return nil }); err != nil {
		t.Errorf("a group of none: %v", err)
	}
}

func failedGroup(t *testing.T, s Store) {
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		end  func() error
		want error
	}{
		"fill fails":             {func() error { return boom }, boom},
		"the caller has gone by": {func() error { cancel(); return nil }, context.Canceled},
	} {
		err := s.PutGroup(ctx, func(g seal.Group) error {
			for range 3 {
				into(context.WithoutCancel(ctx), t, g, 70_000)
			}
			return c.end()
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if found := list(t, s); len(found) != 0 {
			t.Errorf("%s: %v is left", name, found)
		}
		ctx, cancel = context.WithCancel(t.Context())
	}
	cancel()
}

func leftOut(t *testing.T, s Store) {
	boom := errors.New("boom")
	var kept []string
	err := s.PutGroup(t.Context(), func(g seal.Group) error {
		kept = append(kept, into(t.Context(), t, g, 10))
		blob, _, _, err := g.Put(t.Context(), func(w io.Writer) error {
			_, _ = w.Write(make([]byte, 400_000))
			return boom
		})
		if !errors.Is(err, boom) || blob != "" {
			t.Errorf("got %q, %v", blob, err)
		}
		g.Leave(into(t.Context(), t, g, 70_000))
		g.Leave(post.NewID()) // nobody's
		kept = append(kept, into(t.Context(), t, g, 20))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := list(t, s); len(found) != 2 || found[kept[0]] != 10 || found[kept[1]] != 20 {
		t.Errorf("%v is listed", found)
	}
	err = s.PutGroup(t.Context(), func(g seal.Group) error {
		g.Leave(into(t.Context(), t, g, 30))
		return nil
	})
	if found := list(t, s); err != nil || len(found) != 2 {
		t.Errorf("a group whose only blob was left out: %v is listed, %v", found, err)
	}
}

func neighbors(t *testing.T, s Store) {
	names := map[string]int{}
	err := s.PutGroup(t.Context(), func(g seal.Group) error {
		for _, n := range []int{0, 1, 256, 4095, 4096, 4097, 100_000, 300_001} {
			names[into(t.Context(), t, g, n)] = n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for blob := range maps.Clone(names) { // in any order
		for range 2 {
			if err := s.Delete(t.Context(), blob); err != nil {
				t.Fatal(err)
			}
		}
		n := names[blob]
		delete(names, blob)
		if _, err := s.Get(t.Context(), blob); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("%d bytes that are deleted: %v", n, err)
		}
		if found := list(t, s); len(found) != len(names) {
			t.Errorf("%d are listed, %d are there", len(found), len(names))
		}
		for other, n := range names {
			if !bytes.Equal(get(t, s, other), bytes.Repeat([]byte{byte(n)}, n)) {
				t.Errorf("a neighbor of %d bytes is changed", n)
			}
		}
	}
}

func deletedWhileRead(t *testing.T, s Store) {
	var blob string
	err := s.PutGroup(t.Context(), func(g seal.Group) error {
		blob = into(t.Context(), t, g, 100_001)
		into(t.Context(), t, g, 7)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 100_001)
	if _, err := io.ReadFull(r, got[:1000]); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), blob); err != nil {
		t.Fatal(err)
	}
	n, err := io.ReadFull(r, got[1000:])
	if want := bytes.Repeat([]byte{100_001 % 256}, 1000+n); !bytes.Equal(got[:1000+n], want) {
		t.Errorf("of %d bytes some are not its own", n)
	}
	if err != nil && !errors.Is(err, post.ErrNotFound) {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func groups(t *testing.T, s Store) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				err := s.PutGroup(t.Context(), func(g seal.Group) error {
					for range 5 {
						if _, _, _, err := g.Put(t.Context(), func(w io.Writer) error { _, err := w.Write([]byte("x")); return err }); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := len(list(t, s)); n != 100 {
		t.Errorf("%d of 100 are listed", n)
	}
}
