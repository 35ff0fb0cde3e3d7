package blobstore

import (
	"bytes"
	"io"
	"testing"

	"sikkerpost.dk/gateway/internal/pagecache"
	"sikkerpost.dk/gateway/internal/pagecache/suite"
)

func TestWhatWasWrittenOrReadLongAgoLeavesTheSystemsMemory(t *testing.T) {
	dir := t.TempDir()
	if suite.InMemory(t, dir) {
		t.Logf("left out: %s is itself in memory", dir)
		return
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	s.recent = pagecache.New(2 * size) // one of these, and not two with their tables
	put := func() (blob, path string) {
		t.Helper()
		blob, _, _, err := s.Put(t.Context(), func(w io.Writer) error {
			_, err := w.Write(bytes.Repeat([]byte{1}, size))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		p, ok := find(blob)
		if !ok {
			t.Fatalf("%s is no name", blob)
		}
		return blob, s.path(p)
	}
	first, a := put()
	if suite.Resident(t, a) == 0 {
		t.Fatal("nothing of a blob just kept is in memory: this shows nothing")
	}
	_, b := put()
	if n := suite.Resident(t, a); n != 0 {
		t.Errorf("%d pages of the blob before the last are in memory", n)
	}
	r, err := s.Get(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || len(got) != size {
		t.Fatalf("%d bytes of the blob that left memory, and %v", len(got), err)
	}
	if n := suite.Resident(t, b); n != 0 {
		t.Errorf("%d pages of a blob are in memory after another was read", n)
	}
}
