package sign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

func manifest() verify.Manifest {
	salt := bytes.Repeat([]byte{7}, 32)
	return verify.Manifest{Letter: post.LetterID(post.NewID()), Reference: post.NewReference(), Tenant: "engdal", CVR: "29000011",
		SignedAt: time.Now().UTC().Truncate(time.Second), Title: verify.Commit(salt, "title", "Afgørelse"),
		Documents: []verify.Document{{MediaType: "application/pdf", Size: 17, SHA256: [32]byte{1, 2}}, {MediaType: "application/pdf", Size: 0}}}
}

func signer(t *testing.T, key crypto.Signer) *sign.Signer {
	t.Helper()
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "letters"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.New(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RSA": r, "ECDSA P-256": e}
}

func TestSignedManifestReadsBackAsSigned(t *testing.T) {
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			s, m := signer(t, key), manifest()
			b, err := s.Sign(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := verify.Signed(b, []*x509.Certificate{s.Certificate()})
			if err != nil || got.Letter != m.Letter || got.Title != m.Title || len(got.Documents) != 2 || got.Documents[0] != m.Documents[0] {
				t.Errorf("got %+v, %v", got, err)
			}
			other := signer(t, keys(t)["RSA"])
			if _, err := verify.Signed(b, []*x509.Certificate{other.Certificate()}); !errors.Is(err, verify.ErrNotProven) {
				t.Errorf("another certificate: %v", err)
			}
		})
	}
}

func TestEveryChangedByteIsRefusedOrMeansTheSame(t *testing.T) {
	s, m := signer(t, keys(t)["ECDSA P-256"]), manifest()
	b, err := s.Sign(m)
	if err != nil {
		t.Fatal(err)
	}
	certs := []*x509.Certificate{s.Certificate()}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1
		got, err := verify.Signed(c, certs)
		if err == nil && (got.Letter != m.Letter || got.Documents[0] != m.Documents[0] || got.Recipient != m.Recipient) {
			t.Fatalf("byte %d changed and another letter was accepted", i)
		}
		if err != nil && !errors.Is(err, verify.ErrNotProven) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

func TestXmlsec1AcceptsTheSignature(t *testing.T) {
	tool, err := exec.LookPath("xmlsec1")
	if err != nil {
		if os.Getenv("SIKKERPOST_FULL") == "1" {
			t.Fatal("xmlsec1 is not installed")
		}
		t.Log("LEFT OUT: xmlsec1 is not installed; the signature was not checked by another implementation")
		return
	}
	for name, key := range keys(t) {
		s, m := signer(t, key), manifest()
		b, err := s.Sign(m)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file, cert := filepath.Join(dir, "manifest.xml"), filepath.Join(dir, "cert.pem")
		if err := errors.Join(os.WriteFile(file, b, 0o600),
			os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "--verify", "--id-attr:ID", verify.Namespace+":Letter", "--trusted-pem", cert, file).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestKeyAndCertificateMustFit(t *testing.T) {
	k := keys(t)
	if _, err := sign.New(k["RSA"], signer(t, k["ECDSA P-256"]).Certificate()); err == nil {
		t.Error("a certificate for another key was taken")
	}
}
