// Package sign puts the letter signature on a letter's manifest (XML-DSig,
// enveloped, exclusive canonicalization; RSA-SHA256 or ECDSA P-256). Only the
// dispatcher links it.
//
// It signs what [verify.Manifest] writes and nothing else, and hands out a
// signature only after its own check accepted it. On failure nothing is signed.
//
// The signature covers the letter, not the channel. XAdES baseline properties
// come later; the shape leaves room for them beside the manifest.
package sign

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/beevik/etree"

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

// Sign returns the signed manifest as XML.
func (s *Signer) Sign(m verify.Manifest) ([]byte, error) {
	el := m.Element()
	if err := xmldsig.Sign(el, m.ElementID(), s.key, s.cert.Raw); err != nil {
		return nil, fmt.Errorf("sign letter %s: %w", m.Letter, err)
	}
	doc := etree.NewDocument()
	doc.SetRoot(el)
	b, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("sign letter %s: %w", m.Letter, err)
	}
	if _, err := verify.Signed(b, []*x509.Certificate{s.cert}); err != nil {
		return nil, fmt.Errorf("sign letter %s: own check: %w", m.Letter, err)
	}
	return b, nil
}
