package memo

import (
	"bytes"
	"encoding/base64"
	"io"
	"testing"
	"testing/iotest"
)

// FuzzDecoded holds the decoder to the standard library's, on text without
// white space: the same bytes, or both refuse.
func FuzzDecoded(f *testing.F) {
	long := bytes.Repeat([]byte("AAEC"), 5000)
	for _, seed := range [][]byte{
		nil, []byte("aGk="), []byte("aA=="), []byte("aGk"), []byte("a==="), []byte("aGk=aGk="), []byte("aG=k"), []byte("!!!!"), []byte("="),
		long, append(bytes.Clone(long), "aA=="...), append(append(bytes.Clone(long[:8<<10-4]), "aA=="...), "AAAA"...), long[:len(long)-1],
		append(bytes.Clone(long), '*'),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.ContainsAny(text, "\r\n") {
			return
		}
		want, wantErr := base64.StdEncoding.DecodeString(string(text))
		for name, r := range map[string]io.Reader{
			"whole": bytes.NewReader(text), "byte by byte": iotest.OneByteReader(bytes.NewReader(text)),
			"half": iotest.HalfReader(bytes.NewReader(text)), "end with data": iotest.DataErrReader(bytes.NewReader(text)),
		} {
			got, err := io.ReadAll(&decoded{r: r})
			if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes, %v; want %d, %v", name, len(got), err, len(want), wantErr)
			}
		}
	})
}
