package dispatcherapp

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// TestLettersOfTheFormerCertificateAreProven: those that were signed before the
// certificate was changed are under way for weeks.
func TestLettersOfTheFormerCertificateAreProven(t *testing.T) {
	dir := t.TempDir()
	set, err := devcerts.Make(filepath.Join(dir, "certs"), devcerts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	signer := func(cert, key string) *sign.Signer {
		s, err := letterSigner(config.Dispatcher{LetterCertFile: cert, LetterKeyFile: key})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	former, present := signer(set.LetterRSA.Cert, set.LetterRSA.Key), signer(set.LetterP256.Cert, set.LetterP256.Key)
	root, err := former.SignRoot(verify.Root{Batch: post.BatchID(post.NewID()), Tenant: "engdal", CVR: "12345678", SignedAt: time.Now().UTC().Truncate(time.Second), Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(dir, "both.pem")
	var pem []byte
	for _, name := range []string{set.LetterRSA.Cert, set.LetterP256.Cert} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, b...)
	}
	if err := os.WriteFile(both, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, proven := range map[string]bool{"": false, set.LetterRSA.Cert: true, both: true} {
		certs, err := letterCerts(config.Dispatcher{OtherLetterCertFile: file}, present)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.SignedRoot(root, certs); (err == nil) != proven {
			t.Errorf("with %q besides the present certificate: %v", file, err)
		}
	}
	if _, err := letterCerts(config.Dispatcher{OtherLetterCertFile: set.LetterRSA.Key}, present); err == nil {
		t.Error("a key is taken for certificates")
	}
	// Who issued a certificate vouches for no letter, and is not taken for who may.
	if _, err := letterCerts(config.Dispatcher{OtherLetterCertFile: set.LetterCA}, present); !errors.Is(err, post.FaultIssuerCert) {
		t.Errorf("an issuer's certificate gives %v", err)
	}
	issuer, err := config.LoadCertificate(set.LetterCA)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.SignedRoot(root, []*x509.Certificate{present.Certificate(), issuer}); !verify.SignerUnknown(err) {
		t.Errorf("what a certificate of that issuer signed gives %v", err)
	}
}
