package verify

import (
	"bytes"
	"crypto/x509"
	"sync"
)

// A Checker is [Signed] for whoever checks letter after letter: it remembers the
// last few signatures over whole batches that it found good, and the roots that they
// cover, both byte by byte, so that a batch's signature is checked once and not once
// for each letter.
// Everything of a letter's own, its path to the root included, is checked each
// time. A signature that is refused is not remembered.
type Checker struct {
	certs []*x509.Certificate
	mu    sync.Mutex
	good  map[string]covered // guarded by mu; by the signature's bytes
	last  []string           // guarded by mu; oldest first
}

// covered is the root that a good signature covers.
type covered struct {
	xml  []byte
	root Root
}

// remembered bounds how many signatures are remembered.
const remembered = 8

// NewChecker returns a checker of letters signed with one of certs.
func NewChecker(certs []*x509.Certificate) *Checker {
	return &Checker{certs: certs, good: map[string]covered{}}
}

// Signed is [Signed].
func (c *Checker) Signed(b []byte) (Manifest, error) {
	s, err := apart(b)
	if err != nil {
		return Manifest{}, err
	}
	return s.check(c.certs, c.whole)
}

func (c *Checker) whole(xml, signature []byte, certs []*x509.Certificate) (Root, error) {
	c.mu.Lock()
	known, ok := c.good[string(signature)]
	c.mu.Unlock()
	if ok && bytes.Equal(known.xml, xml) {
		return known.root, nil
	}
	root, err := signedRoot(xml, signature, certs)
	if err != nil {
		return Root{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := string(signature)
	if _, ok := c.good[key]; !ok {
		if len(c.last) == remembered {
			delete(c.good, c.last[0])
			c.last = c.last[1:]
		}
		c.good[key], c.last = covered{bytes.Clone(xml), root}, append(c.last, key)
	}
	return root, nil
}
