package blobstore

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// content is n bytes that no other length has, and that are not zeros.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + (n+i)%251)
	}
	return b
}

func writing(b []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(b); return err }
}

func put(t testing.TB, s *Store, n int) (string, []byte) {
	t.Helper()
	blob, sum, _, err := s.Put(t.Context(), writing(content(n)))
	if err != nil {
		t.Fatal(err)
	}
	return blob, sum
}

// stored returns a store with one group of blobs of these sizes.
func stored(t testing.TB, sizes ...int) (*Store, []string) {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s, putGroup(t, s, sizes...)
}

func putGroup(t testing.TB, s *Store, sizes ...int) (blobs []string) {
	t.Helper()
	err := s.PutGroup(t.Context(), func(g seal.Group) error {
		for _, n := range sizes {
			blob, _, _, err := g.Put(t.Context(), writing(content(n)))
			if err != nil {
				return err
			}
			blobs = append(blobs, blob)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

func read(t testing.TB, s *Store, blob string) ([]byte, error) {
	t.Helper()
	r, err := s.Get(t.Context(), blob)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func list(t testing.TB, s *Store) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := s.List(t.Context(), func(blob string, _ int64, _ time.Time) error {
		if found[blob] {
			t.Errorf("%s is listed twice", blob)
		}
		found[blob] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// memory is a directory where a sync costs nothing, when the machine has one:
// what is tried there is the order of steps, many times.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "blobs") //nolint:usetesting // that one is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // a test's
	return dir
}

// begun begins a deletion, without a step.
func begun(t testing.TB, s *Store, blob string) *deletion {
	t.Helper()
	p, _ := find(blob)
	d, err := beginDeletion(s.path(p), p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A process that dies after any step of a deletion leaves a blob that is there
// whole or not at all, a neighbor that is not touched, and a name in the list
// until the deletion was finished by another.
func TestADeletionMayStopAfterAnyStep(t *testing.T) {
	const own, other = 70_000, 9_000
	for _, alone := range []bool{false, true} {
		for stop := range 6 {
			s, err := Open(memory(t))
			if err != nil {
				t.Fatal(err)
			}
			blobs := putGroup(t, s, other, own, other)
			if alone {
				for _, b := range []string{blobs[0], blobs[2]} {
					if err := s.Delete(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
			}
			blob := blobs[1]
			d := begun(t, s, blob)
			over := false
			for i := 0; i < stop && !over; i++ {
				var err error
				if over, err = d.steps()[i](); err != nil {
					t.Fatal(err)
				}
			}
			d.f.Close()
			if s, err = Open(s.dir); err != nil {
				t.Fatal(err)
			}
			got, err := read(t, s, blob)
			if stop == 0 && (err != nil || !bytes.Equal(got, content(own))) || stop > 0 && !errors.Is(err, post.ErrNotFound) {
				t.Errorf("alone %t, stopped after %d: %d bytes, %v", alone, stop, len(got), err)
			}
			if want := stop < 4 && !over; list(t, s)[blob] != want {
				t.Errorf("alone %t, stopped after %d: listed %t", alone, stop, !want)
			}
			if err := s.Delete(t.Context(), blob); err != nil {
				t.Fatal(err)
			}
			p, _ := find(blob)
			if _, err := os.Stat(s.path(p)); alone != errors.Is(err, fs.ErrNotExist) {
				t.Errorf("alone %t, stopped after %d, deleted again: %v", alone, stop, err)
			}
			if alone {
				continue
			}
			if found := list(t, s); len(found) != 2 || found[blob] {
				t.Errorf("stopped after %d: %v is listed", stop, found)
			}
			for _, b := range []string{blobs[0], blobs[2]} {
				if got, err := read(t, s, b); err != nil || !bytes.Equal(got, content(other)) {
					t.Errorf("stopped after %d: a neighbor has %d bytes, %v", stop, len(got), err)
				}
			}
		}
	}
}

// A state that was read is not yet one that is on the disk: another process may
// have written it and wait for the sync still, or the sync has failed.
func TestWhatReadsAsGoingIsToldAgainBeforeItsBytesGo(t *testing.T) {
	s, blobs := stored(t, 5_000, 6_000)
	first := begun(t, s, blobs[0])
	if _, err := first.retract(); err != nil {
		t.Fatal(err)
	}
	first.f.Close()
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(first.path, long, long); err != nil {
		t.Fatal(err)
	}
	second := begun(t, s, blobs[0])
	defer second.f.Close()
	if _, err := second.steps()[0](); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(second.path); err != nil || !info.ModTime().After(long) {
		t.Errorf("the state was not written again: %v", err)
	}
	if _, err := read(t, s, blobs[0]); !errors.Is(err, post.ErrNotFound) {
		t.Error(err)
	}
}

// Two programs delete at once: whatever the order of their steps, and wherever
// one of them dies, nothing comes back, nothing else goes, and nothing is left.
func TestTwoDeletionsInAnyOrder(t *testing.T) {
	for name, c := range map[string]struct {
		a, b int  // which of three
		rest bool // the third is kept
	}{
		"neighbors, and one more": {0, 1, true},
		"the last two":            {0, 2, false},
		"the same one":            {1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(memory(t))
			if err != nil {
				t.Fatal(err)
			}
			for order := range 1 << 8 { // a bit for each turn: whose it is
				blobs := putGroup(t, s, 5_000, 6_000, 7_000)
				if !c.rest {
					for n, b := range blobs {
						if n != c.a && n != c.b {
							if err := s.Delete(t.Context(), b); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				two := [2]*deletion{begun(t, s, blobs[c.a]), begun(t, s, blobs[c.b])}
				var step [2]int
				for turn := range 8 {
					who := order >> turn & 1
					if d := two[who]; step[who] < len(d.steps()) {
						over, err := d.steps()[step[who]]()
						if err != nil {
							t.Fatal(err)
						}
						step[who]++
						if over {
							step[who] = len(d.steps())
						}
					}
				}
				two[0].f.Close() // where they are, both die
				two[1].f.Close()
				for i, n := range []int{c.a, c.b} {
					if _, err := read(t, s, blobs[n]); step[i] > 0 && !errors.Is(err, post.ErrNotFound) {
						t.Fatalf("order %b: %v", order, err)
					}
				}
				gone := []string{blobs[c.a], blobs[c.b]}
				for blob := range list(t, s) { // and somebody sweeps
					if slices.Contains(gone, blob) {
						if err := s.Delete(t.Context(), blob); err != nil {
							t.Fatal(err)
						}
					}
				}
				left := list(t, s)
				p, _ := find(blobs[0])
				_, err = os.Stat(s.path(p))
				if c.rest {
					got, err := read(t, s, blobs[2])
					if err != nil || !bytes.Equal(got, content(7_000)) || len(left) != 1 {
						t.Fatalf("order %b: %v is left, %v", order, left, err)
					}
				} else if len(left) != 0 || !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("order %b: %v is left, %v", order, left, err)
				}
				os.RemoveAll(filepath.Dir(filepath.Dir(s.path(p)))) //nolint:errcheck // lists stay short
			}
		})
	}
}

func TestADeletedBlobGivesItsBlocksBack(t *testing.T) {
	s, blobs := stored(t, 200_000, 300_000, 100_000)
	p, _ := find(blobs[1])
	before := blocks(t, s.path(p))
	if err := s.Delete(t.Context(), blobs[1]); err != nil {
		t.Fatal(err)
	}
	if after := blocks(t, s.path(p)); before-after < 300_000/512 {
		t.Logf("LEFT OUT: this file system gives nothing back: %d blocks, then %d", before, after)
	}
	for _, b := range bytesAt(t, s.path(p), blobs[1], 300_000) {
		if b != 0 {
			t.Fatal("its bytes are still there")
		}
	}
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks //nolint:forcetypeassert // it is one
}

// bytesAt are the n bytes where a blob is, or was.
func bytesAt(t *testing.T, path, blob string, n int) []byte {
	t.Helper()
	p, _ := find(blob)
	all, err := tableOf(path, p.id)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := all.slots[p.slot].offset
	return whole[at : at+int64(n)]
}

func TestZerosGoOverWhatCannotBeGivenBack(t *testing.T) {
	s, blobs := stored(t, 10_000, 3<<20, 10_000)
	d := begun(t, s, blobs[1])
	defer d.f.Close()
	if err := zero(d.f, d.offset, d.end()-d.offset); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytesAt(t, d.path, blobs[1], 3<<20), make([]byte, 3<<20)) {
		t.Error("its bytes are still there")
	}
	for _, b := range []string{blobs[0], blobs[2]} {
		if got, err := read(t, s, b); err != nil || !bytes.Equal(got, content(10_000)) {
			t.Errorf("a neighbor: %d bytes, %v", len(got), err)
		}
	}
}

func TestNamesOfNobodyDeleteNothing(t *testing.T) {
	s, blobs := stored(t, 10, 20)
	p, _ := find(blobs[0])
	for _, blob := range []string{p.id, place{p.id, 2}.blob(), place{p.id, maxBlobs - 1}.blob(), post.NewID() + ".00"} {
		if err := s.Delete(t.Context(), blob); err != nil {
			t.Errorf("%s: %v", blob, err)
		}
		if _, err := s.Get(t.Context(), blob); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("%s: %v", blob, err)
		}
	}
	if found := list(t, s); len(found) != 2 {
		t.Errorf("%v is left", found)
	}
}

// Two machines whose network file system shows them one another's states late
// may both leave the file to the other.
func TestAFileOfWhichAllIsGoneIsSwept(t *testing.T) {
	s, blobs := stored(t, 10, 5_000)
	for _, blob := range blobs {
		d := begun(t, s, blob)
		if err := d.become(gone); err != nil {
			t.Fatal(err)
		}
		d.f.Close()
	}
	if found := list(t, s); len(found) != 1 || !found[blobs[0]] {
		t.Fatalf("%v is listed", found)
	}
	if err := s.Delete(t.Context(), blobs[0]); err != nil {
		t.Fatal(err)
	}
	p, _ := find(blobs[0])
	if _, err := os.Stat(s.path(p)); !errors.Is(err, fs.ErrNotExist) || len(list(t, s)) != 0 {
		t.Errorf("the file is left: %v", err)
	}
}
