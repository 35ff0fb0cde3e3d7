// Package verify checks letters with public keys alone: the signature of a
// letter's manifest by a pinned certificate, the digest of every document, and
// the evidence file of a letter, offline.
//
// A letter is signed in one of two ways. Policy "letter": one XAdES baseline
// B-B signature over its manifest. Policy "batch": one such signature over the
// root of a Merkle tree of manifests ([Root]), and for each letter the path
// from its manifest to the root. The signed form of a letter is one value that
// holds all of it; [Signed] accepts either.
//
// It refuses a manifest signed by any other key, one of any other spelling than
// [Manifest.XML], a document whose bytes differ, a path that does not lead to
// the signed root, and an evidence file of an unexpected shape or size.
// Whatever it cannot check it reports as not proven; it never guesses. Every
// such error wraps [ErrNotProven].
//
// What it does not prove: when the letter was signed, beyond the signer's own
// claim (baseline B-B has no time stamp), and that the certificate was not
// revoked then.
package verify

import (
	"bytes"
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

// ErrOtherDocument says, beside [ErrNotProven], that a document given is not one
// that the letter's signature covers; the evidence itself may be good.
var ErrOtherDocument = errors.New("not one of the letter's")

// Names of the signed files in an evidence file; signatures refer to them.
const (
	NameLetter = "letter.xml"
	NameRoot   = "batch.xml"
	namePath   = "inclusion.xml"
)

// signed is the signed form of a letter, taken apart.
type signed struct {
	manifest  []byte
	path      []byte // nil under policy "letter"
	root      []byte // nil under policy "letter"
	signature []byte
}

const openSignature = `<asic:XAdESSignatures `

// apart finds the parts of a signed form. Each part is of one spelling only, in
// which no other part's beginning can occur, so there is one way to take it
// apart; the readers of the parts insist on that spelling.
func apart(b []byte) (s signed, err error) {
	n := bytes.Index(b, []byte(openSignature))
	if n < 0 {
		return s, fmt.Errorf("%w: no signature", ErrNotProven)
	}
	s.manifest, s.signature = b[:n:n], b[n:]
	if p := bytes.Index(s.manifest, []byte(openPath)); p >= 0 {
		s.manifest, s.path = b[:p:p], b[p:n:n]
		r := bytes.Index(s.path, []byte(openRoot))
		if r < 0 {
			return s, fmt.Errorf("%w: no batch", ErrNotProven)
		}
		s.path, s.root = s.path[:r:r], s.path[r:]
	}
	return s, nil
}

// Signed checks the signed form of a letter with one of the pinned certs and
// returns what was signed. The certificate must have been valid at the time of
// signing that the signature claims.
func Signed(b []byte, certs []*x509.Certificate) (Manifest, error) {
	s, err := apart(b)
	if err != nil {
		return Manifest{}, err
	}
	return s.check(certs, signedRoot)
}

// check checks a letter's signed form; whole is how a signature over a whole batch
// is checked.
func (s signed) check(certs []*x509.Certificate, whole func(xml, signature []byte, certs []*x509.Certificate) (Root, error)) (Manifest, error) {
	m, err := readManifest(s.manifest)
	if err != nil {
		return Manifest{}, err
	}
	if s.root == nil {
		if err := covers(s.signature, NameLetter, s.manifest, m.SignedAt, certs); err != nil {
			return Manifest{}, err
		}
		return m, nil
	}
	root, err := whole(s.root, s.signature, certs)
	if err != nil {
		return Manifest{}, err
	}
	index, path, err := readPath(s.path)
	if err != nil {
		return Manifest{}, err
	}
	return m, inBatch(m, s.manifest, root, index, path)
}

// SignerUnknown reports whether err says that a signature names none of the certificates
// given. Then nothing more is known of it: who knows its certificate may still prove it.
func SignerUnknown(err error) bool { return xmldsig.Reason(err) == "sig-key-unknown" }

// covers checks that signature is one of certs over xml, by that name, and claims
// the time at.
func covers(signature []byte, name string, xml []byte, at time.Time, certs []*x509.Certificate) error {
	f, claimed, err := xmldsig.VerifyFile(signature, certs)
	if SignerUnknown(err) {
		return fmt.Errorf("%w: signed with a certificate that is not among those known here: %w", ErrNotProven, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	if f != Covered(name, xml) || !claimed.Equal(at) {
		return fmt.Errorf("%w: the signature covers something else", ErrNotProven)
	}
	return nil
}

// SignedRoot checks a signed root: its XML followed by its signature.
func SignedRoot(b []byte, certs []*x509.Certificate) (Root, error) {
	n := bytes.Index(b, []byte(openSignature))
	if n < 0 {
		return Root{}, fmt.Errorf("%w: no signature", ErrNotProven)
	}
	return signedRoot(b[:n], b[n:], certs)
}

func signedRoot(xml, signature []byte, certs []*x509.Certificate) (Root, error) {
	root, err := readRoot(xml)
	if err != nil {
		return Root{}, err
	}
	if err := covers(signature, NameRoot, xml, root.SignedAt, certs); err != nil {
		return Root{}, err
	}
	return root, nil
}

// Covered describes one of the signed files as its signature does.
func Covered(name string, b []byte) xmldsig.File {
	return xmldsig.File{URI: name, MediaType: "application/xml", SHA256: sha256.Sum256(b)}
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

// Into reads a document to its end into b, which is as long as d says, and
// compares it with d. When it fails nothing of b is to be used.
func (d Document) Into(b []byte, r io.Reader) error {
	n, err := io.ReadFull(r, b)
	if err == nil { // the end, and that nothing follows
		var more [1]byte
		var over int
		over, err = io.ReadFull(r, more[:])
		n += over
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read document: %w", err)
	}
	if int64(n) != d.Size || n != len(b) || sha256.Sum256(b) != d.SHA256 {
		return fmt.Errorf("%w: document differs from the signed digest", ErrNotProven)
	}
	return nil
}

func sum256(r io.Reader) (n int64, sum [32]byte, err error) {
	h := sha256.New()
	n, err = io.Copy(h, r)
	return n, [32]byte(h.Sum(nil)), err
}
