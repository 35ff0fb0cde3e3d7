package blobstore_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/blobstore/blobstoretest/suite"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
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

func TestAGroupOnAFullDiskIsPassingAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	err := s.PutGroup(t.Context(), func(p seal.Group) error {
		for range 3 {
			if _, _, _, err := p.Put(t.Context(), some); err != nil {
				return err
			}
		}
		_, _, _, err := p.Put(t.Context(), func(io.Writer) error { return syscall.ENOSPC })
		return err
	})
	if !errors.Is(err, post.FaultStorageFull) || errors.Is(err, post.ErrPermanent) {
		t.Errorf("got %v", err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func some(w io.Writer) error {
	_, err := w.Write([]byte("some"))
	return err
}

func TestAGroupThatCannotBeNamedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	n := 0
	err := s.PutGroup(t.Context(), func(p seal.Group) error {
		for range 3 {
			blob, _, _, err := p.Put(t.Context(), some)
			if err != nil {
				return err
			}
			if n++; n == 3 { // a directory that is not empty stands where the file goes
				if err := os.MkdirAll(filepath.Join(dir, blob[34:36], blob[32:34], blob[:36]+".blobs", "x"), 0o700); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		t.Fatal("the group was kept")
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestAGroupIsOneFile(t *testing.T) {
	dir := t.TempDir()
	err := open(t, dir).PutGroup(t.Context(), func(p seal.Group) error {
		for range 20 {
			if _, _, _, err := p.Put(t.Context(), some); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if all := files(t, dir); len(all) != 1 {
		t.Errorf("a group is %v", all)
	}
}

// A killed process leaves temporary files only: a blob has its name when its
// whole group is on the disk, or not at all.
func TestAKilledProcessLeavesNoBlobOfItsGroup(t *testing.T) {
	if dir := os.Getenv("SIKKERPOST_BLOBSTORE_KILL"); dir != "" {
		_ = open(t, dir).PutGroup(t.Context(), func(p seal.Group) error {
			for range 10 {
				if _, _, _, err := p.Put(t.Context(), some); err != nil {
					return err
				}
			}
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SIKKERPOST_BLOBSTORE_KILL="+dir)
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("it was not killed: %s", out)
	}
	left := files(t, dir)
	if len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
	for _, path := range left {
		if !strings.HasPrefix(path, filepath.Join(dir, "incoming")) {
			t.Errorf("%s has its name", path)
		}
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
		if err != nil || len(rel) != len("ab/cd/.blobs")+36 {
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
	old, fresh := filepath.Join(dir, "incoming", "a", post.NewID()), filepath.Join(dir, "incoming", "a", post.NewID())
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

// What was found bad after it was put has no name, and its bytes are not on the
// disk either, between neighbors that are kept.
func TestWhatIsLeftOutOfAGroupLeavesNoBytes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put := func(g seal.Group, letter string) string {
		blob, _, _, err := g.Put(t.Context(), func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Repeat(letter, 10_000))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return blob
	}
	err := s.PutGroup(t.Context(), func(g seal.Group) error {
		put(g, "a")
		bad := put(g, "b")
		put(g, "c")
		g.Leave(bad)
		g.Leave(put(g, "d")) // the last one is cut off
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := files(t, dir)
	if len(kept) != 1 {
		t.Fatalf("%v", kept)
	}
	text, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	for letter, want := range map[string]int{"a": 10_000, "b": 0, "c": 10_000, "d": 0} {
		if got := strings.Count(string(text), strings.Repeat(letter, 100)); got != want/100 {
			t.Errorf("%d times a hundred of %q, want %d", got, letter, want/100)
		}
	}
}
