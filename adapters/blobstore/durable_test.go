package blobstore

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/vault/seal"
)

// synced is what was made durable, and what had its name then.
type synced struct {
	path  string // below the store's directory
	size  int64
	named []string // files that have their names
}

// watch notes each fsync below dir; fail says which of them fails, from 1; 0 is none.
func watch(t *testing.T, dir string, fail int) *[]synced {
	t.Helper()
	var all []synced
	fsync = func(f *os.File) error {
		path, err := filepath.Rel(dir, f.Name())
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		all = append(all, synced{path, info.Size(), underNames(t, dir)})
		if len(all) == fail {
			return errors.New("input/output error")
		}
		return f.Sync()
	}
	t.Cleanup(func() { fsync = (*os.File).Sync })
	return &all
}

// underNames lists the files below dir that are not on their way in.
func underNames(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() && !strings.HasPrefix(rel, incoming+string(filepath.Separator)) {
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func two(ctx context.Context) func(g seal.Group) error {
	return func(g seal.Group) error {
		for range 2 {
			if _, _, _, err := g.Put(ctx, func(w io.Writer) error { _, err := w.Write(make([]byte, 5000)); return err }); err != nil {
				return err
			}
		}
		return nil
	}
}

// What Put has answered survives power loss: first the bytes are on the disk, under
// no name; then each directory that names them is, with that name in it.
func TestBytesAreOnTheDiskBeforeTheirNameAndTheNameBeforeTheAnswer(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := watch(t, dir, 0)
	if err := s.PutGroup(t.Context(), two(t.Context())); err != nil {
		t.Fatal(err)
	}
	files := underNames(t, dir)
	if len(files) != 1 {
		t.Fatalf("files: %v", files)
	}
	info, err := os.Stat(filepath.Join(dir, files[0]))
	if err != nil {
		t.Fatal(err)
	}
	bytesAt := slices.IndexFunc(*all, func(s synced) bool {
		return strings.HasPrefix(s.path, incoming) && len(s.named) == 0 && s.size == info.Size()
	})
	inner := filepath.Dir(files[0])
	nameAt := slices.IndexFunc(*all, func(s synced) bool { return s.path == inner && len(s.named) == 1 })
	if bytesAt < 0 || nameAt < bytesAt {
		t.Errorf("bytes at %d, name at %d of %+v", bytesAt, nameAt, *all)
	}
	for _, parent := range []string{".", filepath.Dir(inner)} { // that names a directory which was made just now
		if !slices.ContainsFunc(*all, func(s synced) bool { return s.path == parent }) {
			t.Errorf("%s was not made durable: %+v", parent, *all)
		}
	}
}

// A disk that cannot promise it has not kept it: no fsync may fail unnoticed, and
// nothing is left under a name.
func TestNothingIsKeptThatTheDiskDoesNotPromise(t *testing.T) {
	for fail := 1; ; fail++ {
		dir := t.TempDir()
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		all := watch(t, dir, fail)
		err = s.PutGroup(t.Context(), two(t.Context()))
		if len(*all) < fail { // there are no more
			if err != nil || fail < 4 {
				t.Errorf("%v after %d", err, len(*all))
			}
			return
		}
		if left := underNames(t, dir); err == nil || len(left) > 0 {
			t.Errorf("fsync %d of %q failed: %v, %v is left", fail, (*all)[fail-1].path, err, left)
		}
	}
}
