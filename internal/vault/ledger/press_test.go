package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFilesAreThereForGoodWhenTheyAreSettled plays steps and looks which directories
// were synced after the last name that each of them got.
func TestFilesAreThereForGoodWhenTheyAreSettled(t *testing.T) {
	root := t.TempDir()
	var synced []string
	sync := func(dir string) error {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		synced = append(synced, rel)
		return syncDir(dir)
	}
	p := &press{dir: root, sync: sync}
	step := func(files, want []string) {
		t.Helper()
		for _, f := range files {
			if err := p.writeOnce(f, []byte(f)); err != nil {
				t.Fatal(err)
			}
		}
		if len(synced) > 0 {
			t.Errorf("synced before the end: %q", synced)
		}
		if err := p.settle(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(synced, want) {
			t.Errorf("%q synced %q, not %q", files, synced, want)
		}
		synced = nil
		for _, f := range files {
			if b, err := os.ReadFile(filepath.Join(root, f)); err != nil || string(b) != f {
				t.Errorf("%s: %q, %v", f, b, err)
			}
		}
	}
	// Each directory once, and above each new one the one that names it.
	step([]string{"tile/0/000", "tile/0/001", "tile/0/002.p/7", "tile/entries/000"},
		[]string{".", "tile", "tile/0", "tile/0/002.p", "tile/entries"})
	step([]string{"tile/0/002.p/8"}, []string{"tile/0/002.p"})
	step([]string{"tile/0/002", "tile/1/000.p/1"}, []string{"tile", "tile/0", "tile/1", "tile/1/000.p"})
	step(nil, nil)

	// The process ended between the names and their sync: the next one finds the
	// files and cannot know how far it came.
	if err := p.writeOnce("tile/0/003.p/1", []byte("tile/0/003.p/1")); err != nil {
		t.Fatal(err)
	}
	p = &press{dir: root, sync: sync}
	step([]string{"tile/0/003.p/1", "tile/0/003.p/2"}, []string{".", "tile", "tile/0", "tile/0/003.p"})
	p = &press{dir: root, sync: sync}
	step([]string{"tile/0/003.p/1"}, []string{".", "tile", "tile/0", "tile/0/003.p"})
	step([]string{"tile/0/003.p/3"}, []string{"tile/0/003.p"})
	step([]string{"tile/0/004.p/1"}, []string{"tile/0", "tile/0/004.p"})

	if err := p.writeOnce("tile/0/000", []byte("other bytes")); !errors.Is(err, ErrDiverged) {
		t.Errorf("a file was written twice: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(root, "tile", "*", ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
}

// TestWhatDidNotStayIsSyncedWithTheNextStep: a directory that could not be synced is
// tried again.
func TestWhatDidNotStayIsSyncedWithTheNextStep(t *testing.T) {
	down, calls := errors.New("input/output error"), 0
	p := &press{dir: t.TempDir(), sync: func(string) error {
		if calls++; calls == 2 {
			return down
		}
		return nil
	}}
	if err := p.writeOnce("tile/0/000", []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := p.settle(); !errors.Is(err, down) {
		t.Fatalf("settled: %v", err)
	}
	calls = 10
	if err := p.settle(); err != nil || calls != 13 { // the root, tile and tile/0
		t.Errorf("%d directories, %v", calls-10, err)
	}
}
