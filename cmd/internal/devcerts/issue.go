package devcerts

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// purpose is what a certificate is for; it decides key usages and names.
type purpose int

const (
	authorityCert purpose = iota
	serverLeaf
	clientLeaf
	signingLeaf    // SAML messages
	encryptionLeaf // SAML assertions
	letterLeaf     // decisions: signature and content commitment (non-repudiation)
)

// algorithm is the kind of key of a certificate.
type algorithm int

const (
	p256 algorithm = iota
	rsa3072
)

func (a algorithm) generate() (crypto.Signer, error) {
	if a == rsa3072 {
		return rsa.GenerateKey(rand.Reader, 3072)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func (a algorithm) fits(key crypto.Signer) bool {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return a == rsa3072 && k.N.BitLen() == 3072
	case *ecdsa.PrivateKey:
		return a == p256 && k.Curve == elliptic.P256()
	}
	return false
}

// authority is one PKI: a folder with a CA and the leafs it issues.
type authority struct {
	m      *maker
	name   string
	pair   Pair
	leaves []leaf
}

type leaf struct {
	name string
	use  purpose
	alg  algorithm
	pair Pair
}

func (m *maker) authority(name string, caFile *string) *authority {
	a := &authority{m: m, name: name, pair: m.pair(name, "ca")}
	*caFile = a.pair.Cert
	return a
}

func (a *authority) leaf(name string, use purpose, alg algorithm, p *Pair) {
	*p = a.m.pair(a.name, name)
	a.leaves = append(a.leaves, leaf{name, use, alg, *p})
}

func (m *maker) pair(folder, name string) Pair {
	return Pair{filepath.Join(m.dir, folder, name+".pem"), filepath.Join(m.dir, folder, name+"-key.pem")}
}

// issuer is a CA ready to sign.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// make brings the authority about, then all its leafs at the same time.
func (a *authority) make() error {
	ca, ok := a.m.kept(a.pair, leaf{name: "ca", use: authorityCert, alg: p256}, nil)
	if !ok {
		var err error
		if ca, err = a.m.issue(a.pair, leaf{name: a.name + " CA", use: authorityCert, alg: p256}, nil); err != nil {
			return err
		}
	}
	jobs := make([]func() error, 0, len(a.leaves))
	for _, l := range a.leaves {
		jobs = append(jobs, func() error {
			if _, ok := a.m.kept(l.pair, l, &ca); ok {
				return nil
			}
			_, err := a.m.issue(l.pair, l, &ca)
			return err
		})
	}
	return parallel(jobs)
}

// kept reads back the pair when it still serves: readable, the key belongs to
// the certificate, issued by ca, valid long enough, right usages and names.
func (m *maker) kept(p Pair, l leaf, ca *issuer) (issuer, bool) {
	cert, err := readCert(p.Cert)
	if err != nil {
		return issuer{}, false
	}
	key, err := readKey(p.Key)
	if err != nil || !l.alg.fits(key) || !samePublic(key, cert) {
		return issuer{}, false
	}
	if cert.NotAfter.Before(m.opts.Now.Add(m.opts.RenewBefore)) || cert.NotBefore.After(m.opts.Now) {
		return issuer{}, false
	}
	want := m.template(l)
	if cert.KeyUsage != want.KeyUsage || !slices.Equal(cert.ExtKeyUsage, want.ExtKeyUsage) || !covers(cert, want) {
		return issuer{}, false
	}
	if ca == nil {
		return issuer{cert, key}, cert.CheckSignatureFrom(cert) == nil
	}
	return issuer{cert, key}, cert.CheckSignatureFrom(ca.cert) == nil
}

// issue makes a key and a certificate, signed by ca or, when nil, by itself.
// The key is written first: a crash in between leaves a pair that does not
// match, which the next run makes again.
func (m *maker) issue(p Pair, l leaf, ca *issuer) (issuer, error) {
	key, err := l.alg.generate()
	if err != nil {
		return issuer{}, fmt.Errorf("generate key of %s: %w", p.Cert, err)
	}
	template := m.template(l)
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return issuer{}, fmt.Errorf("issue %s: %w", p.Cert, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return issuer{}, fmt.Errorf("encode key of %s: %w", p.Cert, err)
	}
	if err := m.write(p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})); err != nil {
		return issuer{}, err
	}
	if err := m.write(p.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return issuer{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return issuer{cert, key}, err
}

// template says what a certificate of l contains.
func (m *maker) template(l leaf) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Sikkerpost dev " + l.name, Organization: []string{"Sikkerpost development, trusted by nobody"}},
		// A minute back, for clocks that differ a little.
		NotBefore:             m.opts.Now.Add(-time.Minute),
		NotAfter:              m.opts.Now.Add(m.opts.Lifetime),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
	switch l.use {
	case authorityCert:
		t.IsCA, t.MaxPathLenZero = true, true
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	case serverLeaf:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		t.DNSNames = []string{"localhost", "*.localhost"}
		for _, h := range m.opts.Hosts {
			if ip := net.ParseIP(h); ip != nil {
				t.IPAddresses = append(t.IPAddresses, ip)
			} else if h != "" {
				t.DNSNames = append(t.DNSNames, strings.ToLower(h))
			}
		}
	case clientLeaf:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case encryptionLeaf:
		t.KeyUsage = x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	case letterLeaf:
		t.KeyUsage |= x509.KeyUsageContentCommitment
	case signingLeaf:
	}
	return t
}

// covers reports whether have names at least the hosts of want.
func covers(have, want *x509.Certificate) bool {
	for _, d := range want.DNSNames {
		if !slices.Contains(have.DNSNames, d) {
			return false
		}
	}
	for _, ip := range want.IPAddresses {
		if !slices.ContainsFunc(have.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// Fingerprint returns the hex SHA-256 of the first certificate in a PEM file,
// as the desk's list of clients wants it.
func Fingerprint(certFile string) (string, error) {
	cert, err := readCert(certFile)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:]), nil
}

func readCert(path string) (*x509.Certificate, error) {
	der, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func readKey(path string) (crypto.Signer, error) {
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read key %s: it cannot sign", path)
	}
	return s, nil
}

func readPEM(path, kind string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("read %s: no %s in it", path, kind)
	}
	return block.Bytes, nil
}

func samePublic(key crypto.Signer, cert *x509.Certificate) bool {
	a, err1 := x509.MarshalPKIXPublicKey(key.Public())
	b, err2 := x509.MarshalPKIXPublicKey(cert.PublicKey)
	return err1 == nil && err2 == nil && bytes.Equal(a, b)
}
