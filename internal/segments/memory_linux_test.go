package segments_test

import (
	"os"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/internal/pagecache/suite"
	"sikkerpost.dk/gateway/internal/segments"
)

func TestSegmentsWrittenLongAgoLeaveTheSystemsMemory(t *testing.T) {
	dir := t.TempDir()
	if suite.InMemory(t, dir) {
		t.Logf("left out: %s is itself in memory", dir)
		return
	}
	l, _ := open(t, dir, segments.Options{Segment: 64 << 10})
	body := make([]byte, 60<<10)
	for range 11 { // each in a segment of its own
		at, err := l.Append([]byte("letter"), body)
		if err != nil {
			t.Fatal(err)
		}
		if at.Segment == 1 { // what is not on the disk is not given back
			f, err := os.Open(filepath.Join(dir, "000000000001.log"))
			if err == nil {
				err = f.Sync()
			}
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	if err := l.Close(); err != nil { // and with it what goes on beside it
		t.Fatal(err)
	}
	if n := suite.Resident(t, filepath.Join(dir, "000000000001.log")); n != 0 {
		t.Errorf("%d pages of the oldest of 11 segments are in memory", n)
	}
	if suite.Resident(t, filepath.Join(dir, "000000000011.log")) == 0 {
		t.Error("the newest segment has left the memory")
	}
	if _, all := open(t, dir, segments.Options{}); len(all) != 11 {
		t.Errorf("%d records are there afterwards, not 11", len(all))
	}
}
