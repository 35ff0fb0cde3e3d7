package blobstore

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/internal/vault/seal"
)

func TestADirectoryThatVanishedIsMadeAgain(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 1 << 16 { // as if each had been made and synced before
		at := shard(fmt.Sprintf("%04x", n))
		s.places.learn(at.outer())
		s.places.learn(filepath.Join(at.outer(), at.inner()))
	}
	var blobs []string
	err = s.PutGroup(t.Context(), func(g seal.Group) error {
		for range 3 {
			blob, _, _, err := g.Put(t.Context(), func(w io.Writer) error { _, err := w.Write([]byte("x")); return err })
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
	p, ok := find(blobs[0])
	if _, err := os.Stat(s.path(p)); !ok || err != nil {
		t.Error(blobs[0], err)
	}
	if at := shardOf(p.id); !s.places.known(filepath.Join(at.outer(), at.inner())) {
		t.Error("the directory made anew is not known to be durable")
	}
}

func TestADirectoryIsSyncedIntoTheOneAboveOnce(t *testing.T) {
	p := places{dir: t.TempDir()}
	if err := p.enter("abcd"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"cd": true, "cd/ab": true, "cd/ac": false, "ab": false} {
		if p.known(path) != want {
			t.Errorf("%s: %t", path, p.known(path))
		}
	}
}
