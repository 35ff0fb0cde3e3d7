package blobstore

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

const someID = "01900000-0000-7000-8000-0000000000ab"

var someSlots = []slot{{0, 5, kept}, {4096, 0, gone}, {4096, 4097, going}}

func TestATableSaysWhatWasWritten(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456)
	got, err := decode(someID, encode(someID, at, someSlots), 3*block)
	if err != nil || !got.at.Equal(at) || len(got.slots) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for n, s := range got.slots {
		if s != someSlots[n] {
			t.Errorf("%d: %+v", n, s)
		}
	}
}

// Every bit of a table that says something, turned over, is noticed: nothing is
// read from another place than it was written to, nothing comes back.
func TestATurnedBitIsNoticed(t *testing.T) {
	b := encode(someID, time.Now(), someSlots)
	want, err := decode(someID, b, 3*block)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rowLen * (1 + len(someSlots)) {
		if i < rowLen && i >= 24 || i >= rowLen && i%rowLen > stateAt {
			continue // zeros that say nothing
		}
		for bit := range 8 {
			b[i] ^= 1 << bit
			got, err := decode(someID, b, 3*block)
			if err == nil {
				for n, s := range got.slots {
					hurt := i >= rowLen && n == i/rowLen-1
					if hurt && s != (slot{}) || !hurt && s != want.slots[n] {
						t.Errorf("byte %d, bit %d: slot %d is %+v", i, bit, n, s)
					}
				}
			}
			if err == nil && i < rowLen || err != nil && !errors.Is(err, errDamaged) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
			if err == nil && got.over() {
				t.Errorf("byte %d, bit %d: the file would go", i, bit)
			}
			b[i] ^= 1 << bit
		}
	}
	if _, err := decode("01900000-0000-7000-8000-0000000000ac", b, 3*block); !errors.Is(err, errDamaged) {
		t.Errorf("the table of another group: %v", err)
	}
}

func FuzzTable(f *testing.F) {
	f.Add(encode(someID, time.Now(), someSlots), int64(3*block))
	f.Add(encode(someID, time.Now(), someSlots), int64(4096))
	f.Add(make([]byte, tableLen), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, body int64) {
		got, err := decode(someID, b, body)
		if err != nil {
			return
		}
		for _, s := range got.slots {
			if s.offset < 0 || s.length < 0 || s.length > 0 && s.offset+s.length > body || s.offset%block != 0 {
				t.Errorf("%+v is not within %d bytes", s, body)
			}
		}
	})
}

func TestADamagedTableLosesNothingElse(t *testing.T) {
	s, blobs := stored(t, 10_000, 20_000)
	other, _ := put(t, s, 500)
	p, _ := find(blobs[0])
	path := s.path(p)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := len(whole) - tableLen
	for name, c := range map[string]struct {
		do     func(b []byte) []byte
		listed int // of the group
		second bool
	}{
		"its head":       {func(b []byte) []byte { b[table+3] ^= 1; return b }, 1, true},
		"a slot":         {func(b []byte) []byte { b[table+rowLen] ^= 1; return b }, 2, true},
		"a state":        {func(b []byte) []byte { b[table+rowLen+stateAt] = 0; return b }, 2, true},
		"cut in a block": {func(b []byte) []byte { return b[:table+100] }, 1, false},
		"cut off":        {func(b []byte) []byte { return b[:table] }, 1, false},
		"empty":          {func([]byte) []byte { return nil }, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := c.do(bytes.Clone(whole))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if name != "its head" { // readers look at the slot alone
				if _, err := s.Get(t.Context(), blobs[0]); !errors.Is(err, post.ErrNotFound) {
					t.Errorf("get: %v", err)
				}
				if err := s.Delete(t.Context(), blobs[0]); !errors.Is(err, errDamaged) {
					t.Errorf("delete: %v", err)
				}
			}
			if _, err := s.Get(t.Context(), blobs[1]); (err == nil) != c.second {
				t.Errorf("its neighbor: %v", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
				t.Errorf("the file was touched: %v", err)
			}
			if found := list(t, s); len(found) != c.listed+1 || !found[blobs[0]] || !found[other] {
				t.Errorf("%v is listed", found)
			}
		})
	}
}
