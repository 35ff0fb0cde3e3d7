package sign_test

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

func manifest() verify.Manifest {
	salt := bytes.Repeat([]byte{7}, 32)
	return verify.Manifest{Letter: post.LetterID(post.NewID()), Reference: post.NewReference(), Tenant: "engdal", CVR: "29000011",
		SignedAt: time.Now().UTC().Truncate(time.Second), Title: verify.Commit(salt, "title", "Afgørelse"),
		Documents: []verify.Document{{MediaType: "application/pdf", Size: 17, SHA256: [32]byte{1, 2}}, {MediaType: "application/pdf", Size: 0}}}
}

func signer(t testing.TB, key crypto.Signer) *sign.Signer {
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

func keys(t testing.TB) map[string]crypto.Signer {
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

func leaf(t testing.TB, m verify.Manifest) tlog.Hash {
	t.Helper()
	l, err := verify.Leaf(m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// batchOf signs n letters under one root and returns their signed forms.
func batchOf(t testing.TB, s *sign.Signer, n int) (forms [][]byte, letters []verify.Manifest) {
	t.Helper()
	var tree verify.Tree
	at := manifest().SignedAt
	for i := range n {
		m := manifest()
		m.SignedAt = at
		m.Documents[0].Size = int64(i)
		letters = append(letters, m)
		tree.Append(leaf(t, m))
	}
	m := letters[0]
	root, err := s.SignRoot(verify.Root{Batch: post.BatchID(post.NewID()), Tenant: m.Tenant, CVR: m.CVR, SignedAt: m.SignedAt, Size: int64(n), Hash: tree.Root()})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range letters {
		form, err := tree.Form(m, int64(i), root)
		if err != nil {
			t.Fatal(err)
		}
		forms = append(forms, form)
	}
	return forms, letters
}

func TestOneSignatureVouchesForEachLetterOfABatchAndForNoOther(t *testing.T) {
	s := signer(t, keys(t)["RSA"])
	certs := []*x509.Certificate{s.Certificate()}
	for _, n := range []int{1, 2, 3, 7, 8, 33} {
		forms, letters := batchOf(t, s, n)
		for i, f := range forms {
			got, err := verify.Signed(f, certs)
			if err != nil || got.Letter != letters[i].Letter || got.Documents[0] != letters[i].Documents[0] {
				t.Fatalf("letter %d of %d: %+v, %v", i, n, got, err)
			}
		}
		stranger := manifest()
		stranger.SignedAt = letters[0].SignedAt
		cut := bytes.Index(forms[0], []byte("<Inclusion"))
		if _, err := verify.Signed(append(stranger.XML(), forms[0][cut:]...), certs); !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("a letter outside the batch: %v", err)
		}
		if n > 1 { // the place of another letter proves nothing
			other := append(letters[1].XML(), forms[0][cut:]...)
			if _, err := verify.Signed(other, certs); !errors.Is(err, verify.ErrNotProven) {
				t.Errorf("the path of another letter: %v", err)
			}
		}
	}
	forms, _ := batchOf(t, s, 5)
	for i := range forms[2] {
		c := bytes.Clone(forms[2])
		c[i] ^= 4
		if _, err := verify.Signed(c, certs); !errors.Is(err, verify.ErrNotProven) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

func TestManifestIsItsOwnCanonicalForm(t *testing.T) {
	s := signer(t, keys(t)["ECDSA P-256"])
	forms, _ := batchOf(t, s, 3)
	for _, part := range regexp.MustCompile(`(?s)<Letter .*</Letter>|<Inclusion.*</Inclusion>|<LetterBatch.*</LetterBatch>`).FindAll(forms[1], -1) {
		doc, err := xmldsig.Parse(part, xmldsig.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := xmldsig.Canonical(doc.Root()); err != nil || !bytes.Equal(b, part) {
			t.Errorf("%v: written\n%s\ncanonical\n%s", err, part, b)
		}
	}
}

func TestWhatCannotBeWrittenAsItIsIsNotSigned(t *testing.T) {
	s := signer(t, keys(t)["ECDSA P-256"])
	for name, spoil := range map[string]func(*verify.Manifest){
		"markup in a media type": func(m *verify.Manifest) { m.Documents[0].MediaType = `a"><b` },
		"no document":            func(m *verify.Manifest) { m.Documents = nil },
		"twelve documents":       func(m *verify.Manifest) { m.Documents = make([]verify.Document, 12) },
		"no reference":           func(m *verify.Manifest) { m.Reference = "" },
		"a name with a line":     func(m *verify.Manifest) { m.Tenant = "a\nb" },
	} {
		m := manifest()
		spoil(&m)
		if _, err := s.Sign(m); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
}

// TestXmlsec1AcceptsTheSignature unpacks an evidence file of either policy and
// lets another implementation check both References.
func TestXmlsec1AcceptsTheSignature(t *testing.T) {
	tool, ok := outside.Program(t, "xmlsec1", "a second opinion on evidence files")
	if !ok {
		return
	}
	for name, key := range keys(t) {
		s, m := signer(t, key), manifest()
		single, err := s.Sign(m)
		if err != nil {
			t.Fatal(err)
		}
		forms, _ := batchOf(t, s, 9)
		for policy, form := range map[string][]byte{"letter": single, "batch": forms[4]} {
			dir := t.TempDir()
			extract(t, evidence(t, form, "{}"), dir)
			if err := os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(tool, "--verify", "--id-attr:Id", xmldsig.NamespaceXAdES+":SignedProperties", "--trusted-pem", "cert.pem", "META-INF/signatures-letter.xml")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("References (ok/all): 2/2")) {
				t.Errorf("%s, policy %s: %v\n%s", name, policy, err, out)
			}
		}
	}
}

// evidence packs a signed form with the ledger entry that vouches for it.
func evidence(t testing.TB, form []byte, view string) []byte {
	t.Helper()
	e := ledger.New("letter.signed", "engdal", between(string(form), "<LetterID>", "<"))
	e.Digest = verify.ManifestDigest(form)
	row, err := ledger.Commit(e)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := json.Marshal([]verify.Entry{{Body: row.Body, Salt: row.Salt}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := verify.Pack(verify.Evidence{Manifest: form, Letter: []byte(view), Receipts: []byte("[]"), Ledger: entries})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

func extract(t testing.TB, b []byte, dir string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err == nil {
		err = os.CopyFS(dir, z)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTwoThousandFlippedBytes flips one bit of an evidence file 2,000 times,
// evenly over the file. Each is refused or yields exactly what was signed.
func TestTwoThousandFlippedBytes(t *testing.T) {
	s := signer(t, keys(t)["ECDSA P-256"])
	certs := []*x509.Certificate{s.Certificate()}
	form, err := s.Sign(manifest())
	if err != nil {
		t.Fatal(err)
	}
	forms, _ := batchOf(t, s, 40)
	for policy, form := range map[string][]byte{"letter": form, "batch": forms[17]} {
		id := between(string(form), "<LetterID>", "<")
		b := evidence(t, form, `{"id":"`+id+`","state":"delivered"}`)
		want, err := verify.File(bytes.NewReader(b), int64(len(b)), certs)
		if err != nil {
			t.Fatal(err)
		}
		const flips = 2000
		refused := 0
		for i := range flips {
			c := bytes.Clone(b)
			c[i*len(b)/flips] ^= 1 << (i % 8)
			got, err := verify.File(bytes.NewReader(c), int64(len(c)), certs)
			switch {
			case errors.Is(err, verify.ErrNotProven):
				refused++
			case err != nil:
				t.Fatalf("policy %s, flip %d: %v", policy, i, err)
			case !reflect.DeepEqual(got, want):
				t.Fatalf("policy %s, flip %d at byte %d: accepted as something else", policy, i, i*len(b)/flips)
			}
		}
		t.Logf("policy %s: %d flips over %d bytes: %d refused, %d read as exactly what was signed", policy, flips, len(b), refused, flips-refused)
		if refused < flips*8/10 {
			t.Errorf("policy %s: only %d of %d flips refused", policy, refused, flips)
		}
	}
}

func TestKeyAndCertificateMustFit(t *testing.T) {
	k := keys(t)
	if _, err := sign.New(k["RSA"], signer(t, k["ECDSA P-256"]).Certificate()); err == nil {
		t.Error("a certificate for another key was taken")
	}
}
