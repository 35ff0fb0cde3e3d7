package pagecache_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/internal/pagecache"
	"sikkerpost.dk/gateway/internal/pagecache/suite"
)

func TestTheSystemKeepsNoMemoryForWhatIsForgotten(t *testing.T) {
	dir := t.TempDir()
	if suite.InMemory(t, dir) {
		t.Logf("left out: %s is itself in memory", dir)
		return
	}
	const size = 1 << 20
	keep := func(name string) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = f.Write(bytes.Repeat([]byte("sealed. "), size/8))
		pagecache.StartWriting(f, 0, 0)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := keep("first"), keep("second")
	if suite.Resident(t, first) == 0 {
		t.Fatal("nothing of a file just written is in memory: this shows nothing")
	}
	r := pagecache.New(size)
	r.Touch(first, size)
	r.Touch(second, size)
	if n := suite.Resident(t, first); n != 0 {
		t.Errorf("%d pages of a forgotten file are in memory", n)
	}
	if suite.Resident(t, second) == 0 {
		t.Error("a file was forgotten that is within the bound")
	}
	if got, err := os.ReadFile(first); err != nil || !bytes.Equal(got, bytes.Repeat([]byte("sealed. "), size/8)) {
		t.Errorf("a forgotten file reads as something else: %v", err)
	}
	pagecache.Forget(filepath.Join(dir, "never was")) // as one that was deleted
}
