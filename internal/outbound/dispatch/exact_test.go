package dispatch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestExactHoldsTheLastByteBack(t *testing.T) {
	want := []byte("the bytes that were committed")
	for name, c := range map[string]struct {
		have []byte
		ok   bool
	}{
		"the same":       {want, true},
		"one changed":    {append([]byte("T"), want[1:]...), false},
		"last changed":   {append(bytes.Clone(want[:len(want)-1]), '!'), false},
		"one too many":   {append(bytes.Clone(want), 'x'), false},
		"one too few":    {want[:len(want)-1], false},
		"half":           {want[:10], false},
		"nothing at all": {nil, false},
	} {
		for _, slow := range []bool{false, true} {
			var r io.Reader = bytes.NewReader(c.have)
			if slow {
				r = iotest.OneByteReader(r)
			}
			e := &exact{r: r, c: io.NopCloser(nil), left: int64(len(want)), want: sha256.Sum256(want), h: sha256.New(), bad: errForm}
			got, err := io.ReadAll(e)
			switch {
			case c.ok && (err != nil || !bytes.Equal(got, want)):
				t.Errorf("%s: %q, %v", name, got, err)
			case !c.ok && (!errors.Is(err, errForm) || len(got) >= len(want)):
				t.Errorf("%s: %d of %d bytes got out, %v", name, len(got), len(want), err)
			}
		}
	}
	e := &exact{r: bytes.NewReader(nil), c: io.NopCloser(nil), want: sha256.Sum256(nil), h: sha256.New(), bad: errForm}
	if got, err := io.ReadAll(e); err != nil || len(got) != 0 {
		t.Errorf("empty: %q, %v", got, err)
	}
}
