package blobstore_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/blobstore/blobstoretest/suite"
	"sikkerpost.dk/gateway/internal/post"
)

func TestStore(t *testing.T) {
	suite.Run(t, func(t *testing.T) suite.Store { return open(t, t.TempDir()) })
}

func open(t *testing.T, dir string) *blobstore.Store {
	t.Helper()
	s, err := blobstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files lists everything below dir.
func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestAFullDiskIsPassingAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		_, _, _, err := s.Put(t.Context(), func(w io.Writer) error {
			_, _ = w.Write(make([]byte, 100_000))
			return fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "x", Err: cause})
		})
		if !errors.Is(err, post.FaultStorageFull) || !errors.Is(err, cause) || errors.Is(err, post.ErrPermanent) {
			t.Errorf("got %v", err)
		}
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestFilesAreShardedAndPrivate(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	inner := map[string]bool{}
	for range 30 {
		if _, _, _, err := s.Put(t.Context(), func(w io.Writer) error { _, err := w.Write([]byte("x")); return err }); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range files(t, dir) {
		inner[filepath.Dir(path)] = true
		rel, err := filepath.Rel(dir, path)
		if err != nil || len(rel) != len("ab/cd/")+36 {
			t.Errorf("%s is not two levels down: %v", rel, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", rel, info.Mode(), err)
		}
	}
	if len(inner) < 20 {
		t.Errorf("30 blobs of one moment share %d directories", len(inner))
	}
}

func TestOpenSweepsWhatInterruptedWritesLeft(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	old, fresh := filepath.Join(dir, "incoming", post.NewID()), filepath.Join(dir, "incoming", post.NewID())
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if left := files(t, dir); len(left) != 1 || left[0] != fresh {
		t.Errorf("%v is left", left)
	}
	if err := s.List(t.Context(), func(blob string, _ int64, _ time.Time) error { return errors.New(blob) }); err != nil {
		t.Errorf("a half-written blob is listed: %v", err)
	}
}

func TestBlobsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	blob, _, _, err := open(t, dir).Put(t.Context(), func(w io.Writer) error { _, err := w.Write([]byte("kept")); return err })
	if err != nil {
		t.Fatal(err)
	}
	r, err := open(t, dir).Get(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "kept" {
		t.Errorf("got %q, %v", b, err)
	}
}
