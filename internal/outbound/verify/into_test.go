package verify_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"sikkerpost.dk/gateway/internal/outbound/verify"
)

func TestADocumentReadIntoMemoryIsProvenAsAStreamIs(t *testing.T) {
	want, down := []byte("%PDF-1.4 the whole of it"), errors.New("input/output error")
	d := verify.Document{Size: int64(len(want)), SHA256: sha256.Sum256(want)}
	for name, c := range map[string]struct {
		have []byte
		room int
		ok   bool
	}{
		"the same":      {want, len(want), true},
		"one changed":   {append([]byte("!"), want[1:]...), len(want), false},
		"last changed":  {append(bytes.Clone(want[:len(want)-1]), '!'), len(want), false},
		"one too many":  {append(bytes.Clone(want), '!'), len(want), false},
		"one too few":   {want[:len(want)-1], len(want), false},
		"none":          {nil, len(want), false},
		"less room":     {want[:5], 5, false},
		"room for more": {append(bytes.Clone(want), '!'), len(want) + 1, false},
	} {
		b := make([]byte, c.room)
		err := d.Into(b, iotest.HalfReader(bytes.NewReader(c.have)))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("%s: %v", name, err)
		}
		if stream := d.Bytes(bytes.NewReader(c.have)); c.room == len(want) && (stream == nil) != c.ok {
			t.Errorf("%s, as a stream: %v", name, stream)
		}
		if c.ok && !bytes.Equal(b, want) {
			t.Errorf("%s: other bytes", name)
		}
	}
	for n := range len(want) + 1 { // also right before the end
		broken := io.MultiReader(bytes.NewReader(want[:n]), iotest.ErrReader(down))
		if err := d.Into(make([]byte, len(want)), broken); !errors.Is(err, down) || errors.Is(err, verify.ErrNotProven) {
			t.Errorf("a read that broke off after %d bytes: %v", n, err)
		}
	}
}
