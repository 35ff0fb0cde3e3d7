package sign_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/verify"
)

func TestACheckerThatKnowsABatchSaysWhatOneSaysThatKnowsNothing(t *testing.T) {
	s := signer(t, keys(t)["RSA"])
	certs := []*x509.Certificate{s.Certificate()}
	c := verify.NewChecker(certs)
	var forms [][]byte
	for n := range 12 { // more than it remembers, each batch twice
		some, letters := batchOf(t, s, n+1)
		forms = append(forms, some[n])
		for range 2 {
			if m, err := c.Signed(some[n]); err != nil || m.Letter != letters[n].Letter {
				t.Fatalf("batch of %d: %v", n+1, err)
			}
		}
	}
	known := forms[11]
	for i := range known {
		b := bytes.Clone(known)
		b[i] ^= 4
		if _, err := c.Signed(b); !errors.Is(err, verify.ErrNotProven) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	// The signature of one batch does not vouch for another that it knows as well.
	cut := func(b []byte) int { return bytes.Index(b, []byte("<asic:XAdESSignatures ")) }
	if _, err := c.Signed(append(bytes.Clone(forms[10][:cut(forms[10])]), known[cut(known):]...)); !errors.Is(err, verify.ErrNotProven) {
		t.Errorf("the signature of another batch: %v", err)
	}
	for _, f := range forms {
		if _, err := c.Signed(f); err != nil {
			t.Error(err)
		}
	}
	other := signer(t, keys(t)["ECDSA P-256"])
	if _, err := verify.NewChecker([]*x509.Certificate{other.Certificate()}).Signed(known); !errors.Is(err, verify.ErrNotProven) {
		t.Errorf("a certificate that is not pinned: %v", err)
	}
	one, err := other.Sign(manifest())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.NewChecker([]*x509.Certificate{other.Certificate()}).Signed(one); err != nil {
		t.Errorf("a letter signed by itself: %v", err)
	}
}
