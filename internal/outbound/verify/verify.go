// Package verify checks letters with public keys alone: the signature of a
// letter's manifest by a pinned certificate, the digest of every document, and
// the evidence file of a letter, offline.
//
// It refuses a manifest signed by any other key, one that holds anything
// besides what [Manifest] names, a document whose bytes differ, and an evidence
// file of an unexpected shape or size. Whatever it cannot check it reports as
// not proven; it never guesses. Every such error wraps [ErrNotProven].
//
// What it does not prove: when the letter was signed, beyond the signer's own
// claim (there is no time stamp yet), and that the certificate was not revoked
// then. The evidence file follows the layout of ASiC-E; conformance to XAdES
// baseline and ASiC-E is not claimed.
package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"sikkerpost.dk/gateway/internal/xmldsig"
)

// ErrNotProven says that the letter is not what it claims to be, or that this
// cannot be shown.
var ErrNotProven = errors.New("letter not proven")

// Signed checks a signed manifest with one of the pinned certs and returns what
// was signed. The certificate must have been valid at the time of signing that
// the manifest claims.
func Signed(manifest []byte, certs []*x509.Certificate) (Manifest, error) {
	doc, err := xmldsig.Parse(manifest, xmldsig.Limits{})
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	at := time.Time{}
	if e := doc.Root().SelectElement("SignedAt"); e != nil {
		at, _ = time.Parse(time.RFC3339, e.Text()) // a claim; if the key signed it, the key's holder made it
	}
	if at.IsZero() {
		return Manifest{}, fmt.Errorf("%w: manifest: SignedAt", ErrNotProven)
	}
	el, err := xmldsig.Verify(doc.Root(), certs, xmldsig.Rules{At: at})
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	return read(el)
}

// Bytes reads a document to its end and compares it with d. It holds no more
// than a buffer in memory.
func (d Document) Bytes(r io.Reader) error {
	n, sum, err := sum256(io.LimitReader(r, d.Size+1))
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	if n != d.Size || sum != d.SHA256 {
		return fmt.Errorf("%w: document differs from the signed digest", ErrNotProven)
	}
	return nil
}

func sum256(r io.Reader) (n int64, sum [32]byte, err error) {
	h := sha256.New()
	n, err = io.Copy(h, r)
	return n, [32]byte(h.Sum(nil)), err
}
