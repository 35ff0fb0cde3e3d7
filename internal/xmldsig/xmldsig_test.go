package xmldsig_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"sikkerpost.dk/gateway/internal/xmldsig"
)

// identity is a key and its certificate, made in memory.
type identity struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func issue(t testing.TB, key crypto.Signer) identity {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return identity{key, c}
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func rsaIdentity(t testing.TB) identity { return issue(t, rsaKey()) }

func ecIdentity(t testing.TB) identity {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issue(t, k)
}

const letter = `<m:Manifest xmlns:m="urn:example:manifest" xmlns:unused="urn:example:unused" ID="m1">` +
	`<m:Letter tenant="engdal">Ærø &amp; Ø &lt;1&gt;</m:Letter><m:Document digest="abc"/></m:Manifest>`

func parse(t testing.TB, s string) *etree.Document {
	t.Helper()
	d, err := xmldsig.Parse([]byte(s), xmldsig.Limits{Bytes: 64 << 20, Elements: 60000})
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return d
}

func signed(t testing.TB, who identity, doc string) string {
	t.Helper()
	d := parse(t, doc)
	id, _ := xmldsig.Attr(d.Root(), "ID")
	if err := xmldsig.Sign(d.Root(), id, who.key, who.cert.Raw); err != nil {
		t.Fatal(err)
	}
	s, err := d.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verify(t testing.TB, doc string, certs ...*x509.Certificate) (*etree.Element, error) {
	t.Helper()
	d, err := xmldsig.Parse([]byte(doc), xmldsig.Limits{Bytes: 64 << 20, Elements: 60000})
	if err != nil {
		return nil, err
	}
	return xmldsig.Verify(d.Root(), certs, xmldsig.Rules{})
}

func TestSignedDocumentVerifiesAndComesBackAsSigned(t *testing.T) {
	for name, who := range map[string]identity{"RSA": rsaIdentity(t), "P-256": ecIdentity(t)} {
		t.Run(name, func(t *testing.T) {
			doc := signed(t, who, letter)
			el, err := verify(t, doc, who.cert)
			if err != nil {
				t.Fatal(err)
			}
			if !xmldsig.Is(el, "urn:example:manifest", "Manifest") || len(el.ChildElements()) != 2 {
				t.Fatalf("verified element is %s with %d children", el.Tag, len(el.ChildElements()))
			}
			if got, _ := xmldsig.Text(el.ChildElements()[0]); got != "Ærø & Ø <1>" {
				t.Fatalf("text came back as %q", got)
			}
			if first := parse(t, doc).Root().ChildElements()[0]; first.Tag != "Signature" {
				t.Fatalf("first child is %s", first.Tag)
			}
		})
	}
}

func TestAnotherLibraryVerifiesWhatSignMakes(t *testing.T) {
	who := rsaIdentity(t)
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{who.cert}})
	if _, err := ctx.Validate(parse(t, signed(t, who, letter)).Root()); err != nil {
		t.Fatal(err)
	}
}

func TestXMLSecVerifiesWhatSignMakes(t *testing.T) {
	tool, err := exec.LookPath("xmlsec1")
	if err != nil {
		if os.Getenv("SIKKERPOST_FULL") == "1" {
			t.Fatal("xmlsec1 is not installed")
		}
		t.Log("LEFT OUT: xmlsec1 is not installed; signatures were not checked by a second implementation")
		return
	}
	for name, who := range map[string]identity{"RSA": rsaIdentity(t), "P-256": ecIdentity(t)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cert, file := filepath.Join(dir, "cert.der"), filepath.Join(dir, "letter.xml")
			write(t, cert, who.cert.Raw)
			check := func(doc string) error {
				write(t, file, []byte(doc))
				out, err := exec.Command(tool, "--verify", "--enabled-reference-uris", "same-doc",
					"--id-attr:ID", "urn:example:manifest:Manifest", "--pubkey-cert-der", cert, file).CombinedOutput()
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			}
			doc := signed(t, who, letter)
			if err := check(doc); err != nil {
				t.Fatal(err)
			}
			if err := check(strings.Replace(doc, "engdal", "fjordby", 1)); err == nil {
				t.Fatal("xmlsec1 accepts a changed document: this test proves nothing")
			}
		})
	}
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWeSignWeVerifyAtAnySize(t *testing.T) {
	who := ecIdentity(t)
	for _, n := range []int{1, 799, 1000, 20000} {
		doc := `<m xmlns="urn:example:manifest" ID="m1">` + strings.Repeat(`<d a="1">x</d>`, n) + `</m>`
		if _, err := verify(t, signed(t, who, doc), who.cert); err != nil {
			t.Errorf("%d elements: %v", n, err)
		}
	}
}

func TestEveryChangedByteIsRefusedOrChangesNothing(t *testing.T) {
	who := ecIdentity(t)
	doc := []byte(signed(t, who, letter))
	el, err := verify(t, string(doc), who.cert)
	if err != nil {
		t.Fatal(err)
	}
	want := text(t, el)
	survived := 0
	for i := range doc {
		for _, flip := range []byte{1, 0x20} {
			changed := bytes.Clone(doc)
			changed[i] ^= flip
			el, err := verify(t, string(changed), who.cert)
			if err != nil {
				continue
			}
			survived++
			if got := text(t, el); got != want {
				t.Fatalf("byte %d: verified as %q", i, got)
			}
		}
	}
	t.Logf("%d of %d changes left the signed content as it was", survived, 2*len(doc))
	if survived > len(doc)/10 {
		t.Fatalf("%d changes survived", survived)
	}
}

func text(t testing.TB, el *etree.Element) string {
	t.Helper()
	b, err := xmldsig.Canonical(el)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
