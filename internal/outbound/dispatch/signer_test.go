package dispatch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// unknownSigner is what a dispatcher finds that knows one certificate of letters and
// meets what was signed with another.
func unknownSigner(t *testing.T) error {
	t.Helper()
	var signers []*sign.Signer
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		s, err := sign.New(key, c)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, s)
	}
	root, err := signers[0].SignRoot(verify.Root{Batch: post.BatchID(post.NewID()), Tenant: "engdal", CVR: "12345678", SignedAt: time.Now().UTC().Truncate(time.Second), Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.SignedRoot(root, []*x509.Certificate{signers[1].Certificate()})
	if !errors.Is(err, verify.ErrNotProven) || !verify.SignerUnknown(err) {
		t.Fatalf("another certificate gives %v", err)
	}
	return err
}

// TestTheLogSaysWhatToDoAboutASignerThatIsNotKnown: who changes certificates in the
// wrong order reads it in the line of each letter that waits for it.
func TestTheLogSaysWhatToDoAboutASignerThatIsNotKnown(t *testing.T) {
	s, a := aheadOf(t, post.LetterRouted)
	var out strings.Builder
	a.Log = slog.New(slog.NewTextHandler(&out, nil))
	if err := a.fail(t.Context(), queue.Lease{ID: "a"}, s.is, unknownSigner(t)); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "certificate that is not among those known here") ||
		!strings.Contains(got, "name the certificate in other_letter_cert_file of each dispatcher and restart them") {
		t.Errorf("the log says\n%s", got)
	}
	if len(s.waits) != 1 || s.waits[0].Code != "signer-unknown" {
		t.Errorf("waits %+v, moves %+v", s.waits, s.moves)
	}
}
