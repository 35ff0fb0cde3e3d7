package blobstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A write that fails takes nothing of the blobs before it away, of which some
// bytes may still have waited.
func TestWhatWaitsOutlivesAFailedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	good, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(good)
	defer w.close()
	first := content(300_000)
	if _, err := w.Write(first); err != nil {
		t.Fatal(err)
	}
	if err := w.align(); err != nil {
		t.Fatal(err)
	}
	from := w.end()
	if w.f, err = os.Open(path); err != nil { // it cannot be written to
		t.Fatal(err)
	}
	if _, err := w.Write(content(400_000)); err == nil {
		t.Fatal("a write that cannot be")
	}
	w.f.Close()
	w.f = good
	w.back(from)
	last := content(10_000)
	if _, err := w.Write(last); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.flush(), w.finish()); err != nil {
		t.Fatal(err)
	}
	want := append(append(first, make([]byte, from-300_000)...), last...)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

func TestGoingBackCutsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(f)
	defer w.close()
	for _, n := range []int{3 << 20, 1} { // once past what was written, once within what waits
		if _, err := w.Write(content(n)); err != nil {
			t.Fatal(err)
		}
		w.back(100)
	}
	if err := errors.Join(w.flush(), w.finish()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || len(got) != 100 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
