package segments_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/segments"
)

type entry struct {
	head string
	at   segments.At
}

func open(t testing.TB, dir string, o segments.Options) (*segments.Log, []entry) {
	t.Helper()
	l, all, err := try(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, all
}

func try(dir string, o segments.Options) (*segments.Log, []entry, error) {
	var all []entry
	l, err := segments.Open(dir, o, func(head []byte, at segments.At) error {
		all = append(all, entry{string(head), at})
		return nil
	})
	return l, all, err
}

func body(t testing.TB, l *segments.Log, at segments.At) string {
	t.Helper()
	r, err := l.Body(at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestARecordIsThereWholeOrNotAtAll cuts the last segment at every byte, as a
// kill in the middle of a write does, and opens it.
func TestARecordIsThereWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir, segments.Options{})
	var ends []int64
	for i := range 3 {
		at, err := l.Append(fmt.Appendf(nil, "head %d", i), bytes.Repeat([]byte{byte('a' + i)}, 20*i))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, at.Offset+at.Size)
	}
	name := filepath.Join(dir, "000000000001.log")
	whole, err := os.ReadFile(name)
	if err != nil || int64(len(whole)) != ends[2] {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	for cut := range len(whole) + 1 {
		at := t.TempDir()
		if err := os.WriteFile(filepath.Join(at, "000000000001.log"), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		again, all := open(t, at, segments.Options{})
		want := 0
		for _, end := range ends {
			if int64(cut) >= end {
				want++
			}
		}
		if len(all) != want {
			t.Fatalf("cut at %d: %d records, want %d", cut, len(all), want)
		}
		next, err := again.Append([]byte("next"), []byte("body"))
		if err != nil || body(t, again, next) != "body" {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if _, all := open(t, at, segments.Options{}); len(all) != want+1 || all[want].head != "next" {
			t.Fatalf("cut at %d: then %v", cut, all)
		}
	}
}

func TestDamageIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir, segments.Options{Segment: 100})
	for i := range 4 {
		if _, err := l.Append(fmt.Appendf(nil, "head %d", i), bytes.Repeat([]byte("x"), 80)); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, "000000000002.log")
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[30] ^= 1 // in the head
	for what, text := range map[string][]byte{"cut short in the middle of the log": good[:50], "a head that was changed": flipped, "no log": []byte(strings.Repeat("-", 60))} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := try(dir, segments.Options{}); !errors.Is(err, segments.ErrDamaged) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestClearingIsWholeOrNotBegun leaves an old segment behind, as a kill in the
// middle of Clear does.
func TestClearingIsWholeOrNotBegun(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir, segments.Options{})
	if _, err := l.Append([]byte("old"), nil); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, "000000000001.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Clear(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "000000000001.log"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, all := open(t, dir, segments.Options{}); len(all) != 0 {
		t.Errorf("what was cleared is back: %v", all)
	}
	if _, err := os.Stat(filepath.Join(dir, "000000000001.log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old segment stays: %v", err)
	}
}

func TestABodyThatWasChangedIsNotTakenForWhole(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir, segments.Options{})
	if _, err := l.Append([]byte("head"), []byte("text")); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "000000000001.log")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)-1] ^= 1
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	again, all := open(t, dir, segments.Options{})
	r, err := again.Body(all[0].at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); !errors.Is(err, segments.ErrDamaged) || !strings.Contains(err.Error(), name) {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestWhatIsKeptElsewhereCountsToo: the owner's files fill the log as its own
// records do, until their segment is dropped.
func TestWhatIsKeptElsewhereCountsToo(t *testing.T) {
	l, _ := open(t, t.TempDir(), segments.Options{Segment: 100, Keep: 8 << 10})
	first, err := l.Append([]byte("first"), make([]byte, 200))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append([]byte("second"), nil); err != nil {
		t.Fatal(err)
	}
	if n, full := l.Full(); full {
		t.Fatalf("full at segment %d", n)
	}
	l.Weigh(first.Segment, 8<<10)
	if n, full := l.Full(); !full || n != first.Segment {
		t.Errorf("segment %d, full %v", n, full)
	}
	if err := l.Drop(first.Segment); err != nil {
		t.Fatal(err)
	}
	if n, full := l.Full(); full {
		t.Errorf("what was dropped counts: segment %d", n)
	}
}

func TestALogTakesNoMoreRoomThanItMay(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir, segments.Options{Segment: 1 << 10, Keep: 8 << 10})
	first, err := l.Append([]byte("first"), []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	reading, err := l.Body(first)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	for range 100 {
		if _, err := l.Append([]byte("head"), bytes.Repeat([]byte("x"), 500)); err != nil {
			t.Fatal(err)
		}
		for n, full := l.Full(); full; n, full = l.Full() {
			if err := l.Drop(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	var size int64
	paths, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 8<<10 {
		t.Errorf("%d bytes in %d files", size, len(paths))
	}
	if _, err := l.Body(first); !errors.Is(err, segments.ErrGone) {
		t.Errorf("got %v", err)
	}
	if b, err := io.ReadAll(reading); err != nil || string(b) != "text" {
		t.Errorf("what was being read is %q, %v", b, err)
	}
	if n, _ := l.Full(); l.Drop(n+100) != nil { // one that is not there is gone
		t.Error("a segment that is gone cannot be dropped")
	}
}

func TestTheLogIsWhatWasAppended(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "log-") //nolint:usetesting // one for each case
		if err != nil {
			rt.Fatal(err)
		}
		o := segments.Options{Segment: 200}
		l, _, err := try(dir, o)
		if err != nil {
			rt.Fatal(err)
		}
		type kept struct{ head, body string }
		var want []kept
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				if err := l.Clear(); err != nil {
					rt.Fatal(err)
				}
				want = nil
			case 1:
				if err := l.Close(); err != nil {
					rt.Fatal(err)
				}
				var all []entry
				if l, all, err = try(dir, o); err != nil || len(all) != len(want) {
					rt.Fatalf("%d records, want %d, %v", len(all), len(want), err)
				}
				for i, e := range all {
					if e.head != want[i].head || body(t, l, e.at) != want[i].body {
						rt.Fatalf("record %d is %q", i, e.head)
					}
				}
			default:
				k := kept{rapid.String().Draw(rt, "head"), rapid.StringN(0, 100, -1).Draw(rt, "body")}
				at, err := l.Append([]byte(k.head), []byte(k.body))
				if err != nil || body(t, l, at) != k.body {
					rt.Fatal(err)
				}
				want = append(want, k)
			}
		}
		if err := l.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("SPG1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "000000000001.log"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		again, _, err := try(dir, segments.Options{})
		if err != nil {
			return
		}
		defer again.Close()
		if at, err := again.Append([]byte("a"), []byte("b")); err != nil || body(t, again, at) != "b" {
			t.Fatal(err)
		}
	})
}
