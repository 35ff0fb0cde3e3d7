// Package sign puts the letter signature on letters: XAdES baseline B-B with
// RSA-SHA256 or ECDSA P-256 (r‖s), over one letter's manifest (policy "letter")
// or over the root of a batch (policy "batch"). Only the dispatcher links it.
//
// It signs what [verify.Manifest] and [verify.Root] write and nothing else, and
// hands out a signature only after its own check accepted it. On failure
// nothing is signed. The key is any [crypto.Signer]: a file, or a token.
//
// The signature covers the letter, not the channel.
package sign

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// A Signer signs letters with one key.
type Signer struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// New returns a signer. The certificate must be for the key.
func New(key crypto.Signer, cert *x509.Certificate) (*Signer, error) {
	if key == nil || cert == nil {
		return nil, errors.New("sign: key and certificate are required")
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(cert.PublicKey) {
		return nil, errors.New("sign: certificate is for another key")
	}
	return &Signer{key: key, cert: cert}, nil
}

// Certificate returns the certificate that verifies what s signs.
func (s *Signer) Certificate() *x509.Certificate { return s.cert }

// Sign returns the signed form of one letter: its manifest, then the signature.
func (s *Signer) Sign(m verify.Manifest) ([]byte, error) {
	b, err := s.file(verify.NameLetter, m.XML(), m.SignedAt)
	if err == nil {
		_, err = verify.Signed(b, []*x509.Certificate{s.cert})
	}
	if err != nil {
		return nil, fmt.Errorf("sign letter %s: %w", m.Letter, err)
	}
	return b, nil
}

// SignRoot returns the signed root of a batch. One call vouches for every
// letter in it; the caller keeps the answer before any letter uses it.
func (s *Signer) SignRoot(r verify.Root) ([]byte, error) {
	b, err := s.file(verify.NameRoot, r.XML(), r.SignedAt)
	if err == nil {
		_, err = verify.SignedRoot(b, []*x509.Certificate{s.cert})
	}
	if err != nil {
		return nil, fmt.Errorf("sign batch %s: %w", r.Batch, err)
	}
	return b, nil
}

func (s *Signer) file(name string, content []byte, at time.Time) ([]byte, error) {
	if content == nil {
		return nil, errors.New("a value cannot be written as it is")
	}
	signature, err := xmldsig.SignFile(verify.Covered(name, content), "letter", at, s.key, s.cert)
	if err != nil {
		return nil, err
	}
	return append(content[:len(content):len(content)], signature...), nil
}
