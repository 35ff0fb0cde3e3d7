package blobstore

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// model is what a store must say: what is there, and what a deletion has left.
type model struct {
	t     testing.TB
	s     *Store
	there map[string][]byte
	gone  []string
	half  map[string]bool // deleted, but not to the end
}

// Whatever comes in whatever order, a blob is there whole or it is not there,
// and nothing that is done to one is done to another.
func TestEachBlobHasItsOwnLife(t *testing.T) {
	t.Parallel()
	dirs := memory(t)
	rapid.Check(t, func(r *rapid.T) {
		dir := filepath.Join(dirs, post.NewID())
		m := &model{t: t, there: map[string][]byte{}, half: map[string]bool{}}
		m.reopen(r, dir)
		r.Repeat(map[string]func(*rapid.T){
			"put a group":        m.put,
			"keep one as of old": m.old,
			"delete":             m.delete,
			"delete, and die":    m.deleteAndDie,
			"sweep":              m.sweep,
			"reopen":             func(r *rapid.T) { m.reopen(r, dir) },
			"":                   m.check,
		})
		m.there, m.gone = nil, append(m.gone, slices.Collect(maps.Keys(m.there))...)
		m.sweep(r)
		m.check(r)
		if left, err := filepath.Glob(filepath.Join(dir, "??", "??", "*")); err != nil || len(left) != 0 {
			r.Errorf("all is deleted, and %v is left, %v", left, err)
		}
	})
}

func (m *model) reopen(r *rapid.T, dir string) {
	s, err := Open(dir)
	if err != nil {
		r.Fatal(err)
	}
	m.s = s
}

// put puts a group, of which some fail, some are left out, and perhaps all.
func (m *model) put(r *rapid.T) {
	boom := errors.New("boom")
	fails := rapid.IntRange(0, 9).Draw(r, "fails") == 0
	kept := map[string][]byte{}
	err := m.s.PutGroup(m.t.Context(), func(g seal.Group) error {
		for range rapid.IntRange(0, 6).Draw(r, "blobs") {
			b := make([]byte, rapid.SampledFrom([]int{0, 1, 4095, 4096, 4097, 12_288, 70_000, 300_000}).Draw(r, "size"))
			fill := rapid.Byte().Draw(r, "fill") // zeros are bytes as others
			for i := range b {
				b[i] = fill
			}
			broken := rapid.IntRange(0, 4).Draw(r, "broken") == 0
			blob, _, n, err := g.Put(m.t.Context(), func(w io.Writer) error {
				_, err := w.Write(b)
				if broken {
					err = boom
				}
				return err
			})
			if broken {
				if !errors.Is(err, boom) {
					r.Fatal(err)
				}
				continue
			}
			if err != nil || n != int64(len(b)) {
				r.Fatal(n, err)
			}
			kept[blob] = b
		}
		for _, blob := range slices.Sorted(maps.Keys(kept)) {
			if rapid.IntRange(0, 3).Draw(r, "left") == 0 {
				g.Leave(blob)
				delete(kept, blob)
				m.gone = append(m.gone, blob)
			}
		}
		if fails {
			return boom
		}
		return nil
	})
	if fails != errors.Is(err, boom) || !fails && err != nil {
		r.Fatal(err)
	}
	if fails {
		m.gone = append(m.gone, slices.Collect(maps.Keys(kept))...)
		return
	}
	maps.Copy(m.there, kept)
}

// old keeps a blob as versions before groups did.
func (m *model) old(r *rapid.T) {
	blob, b := post.NewID(), rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(r, "content")
	p, _ := find(blob)
	if err := os.MkdirAll(filepath.Dir(m.s.path(p)), 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(m.s.path(p), b, 0o600); err != nil {
		r.Fatal(err)
	}
	m.there[blob] = b
}

func (m *model) delete(r *rapid.T) {
	all := slices.Sorted(maps.Keys(m.there))
	if len(all) == 0 || len(m.gone) > 0 && rapid.IntRange(0, 3).Draw(r, "again") == 0 {
		all = m.gone
	}
	if len(all) == 0 {
		return
	}
	blob := rapid.SampledFrom(all).Draw(r, "blob")
	if err := m.s.Delete(m.t.Context(), blob); err != nil {
		r.Fatal(err)
	}
	delete(m.there, blob)
	delete(m.half, blob)
	m.gone = append(m.gone, blob)
}

func (m *model) deleteAndDie(r *rapid.T) {
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(m.there)), func(b string) bool { p, _ := find(b); return p.slot == alone })
	if len(all) == 0 {
		return
	}
	blob := rapid.SampledFrom(all).Draw(r, "blob")
	d := begun(m.t, m.s, blob)
	defer d.f.Close()
	for _, step := range d.steps()[:rapid.IntRange(1, 4).Draw(r, "steps")] {
		over, err := step()
		if err != nil {
			r.Fatal(err)
		}
		if over {
			break
		}
	}
	delete(m.there, blob)
	m.gone = append(m.gone, blob)
	m.half[blob] = true
}

// sweep deletes what is listed and nobody names.
func (m *model) sweep(r *rapid.T) {
	for blob := range list(m.t, m.s) {
		if _, named := m.there[blob]; !named {
			if err := m.s.Delete(m.t.Context(), blob); err != nil {
				r.Fatal(err)
			}
		}
	}
	clear(m.half)
	if found := list(m.t, m.s); len(found) != len(m.there) {
		r.Errorf("after a sweep %d are listed, %d are there", len(found), len(m.there))
	}
}

func (m *model) check(r *rapid.T) {
	found := list(m.t, m.s)
	for blob, want := range m.there {
		if got, err := read(m.t, m.s, blob); err != nil || !bytes.Equal(got, want) || !found[blob] {
			r.Errorf("%s: %d bytes of %d, listed %t, %v", blob, len(got), len(want), found[blob], err)
		}
	}
	for _, blob := range m.gone {
		if _, err := m.s.Get(m.t.Context(), blob); !errors.Is(err, post.ErrNotFound) {
			r.Errorf("%s is gone: %v", blob, err)
		}
	}
	for blob := range found {
		if _, there := m.there[blob]; !there && !m.half[blob] {
			r.Errorf("%s is listed", blob)
		}
	}
}
