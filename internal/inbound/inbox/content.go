package inbox

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// ErrChanged says that a sealed payload is not the one that was accepted.
var ErrChanged = errors.New("sealed content differs from what was accepted")

// verifier gives the bytes of r, and an error in place of io.EOF when they are
// not those that want and size describe. A changed payload could not be opened
// anyway; this tells apart a damaged store from a wrong key.
type verifier struct {
	io.ReadCloser
	sum  hash.Hash
	left int64
	want []byte
}

func verified(r io.ReadCloser, s Sealed) io.ReadCloser {
	return &verifier{ReadCloser: r, sum: sha256.New(), left: s.Size, want: s.SHA256}
}

// Read implements [io.Reader].
func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n])
	v.left -= int64(n)
	if v.left < 0 {
		return 0, ErrChanged
	}
	if v.left == 0 && n > 0 && !bytes.Equal(v.sum.Sum(nil), v.want) {
		return 0, ErrChanged // before the last bytes are given
	}
	if err == io.EOF && v.left > 0 {
		return n, ErrChanged
	}
	return n, err
}
