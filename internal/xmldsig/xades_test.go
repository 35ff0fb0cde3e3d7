package xmldsig_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

func xadesKeys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RSA": rsaKey(), "P-256": e}
}

const signedText = `<Letter xmlns="https://example.dk/x"></Letter>`

func signFile(t testing.TB, id identity) (xmldsig.File, []byte) {
	t.Helper()
	f := xmldsig.File{URI: "letter.xml", MediaType: "application/xml", SHA256: sha256.Sum256([]byte(signedText))}
	doc, err := xmldsig.SignFile(f, "letter", time.Now(), id.key, id.cert)
	if err != nil {
		t.Fatal(err)
	}
	return f, doc
}

func TestDetachedSignatureIsItsOwnCanonicalForm(t *testing.T) {
	_, doc := signFile(t, issue(t, rsaKey()))
	tree, err := xmldsig.Parse(doc, xmldsig.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"//ds:SignedInfo", "//xades:SignedProperties"} {
		b, err := xmldsig.Canonical(tree.FindElement(path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(doc, b) {
			t.Errorf("%s is not written as it canonicalizes:\n%s", path, b)
		}
	}
}

func TestDetachedSignatureReadsBackAndIsBoundToItsKey(t *testing.T) {
	for name, key := range xadesKeys(t) {
		t.Run(name, func(t *testing.T) {
			id := issue(t, key)
			f, doc := signFile(t, id)
			got, at, err := xmldsig.VerifyFile(doc, []*x509.Certificate{issue(t, rsaKey()).cert, id.cert})
			if err != nil || got != f || time.Since(at) > time.Minute {
				t.Fatalf("got %+v, %v, %v", got, at, err)
			}
			for i := range doc { // one spelling: no changed byte passes
				for _, bit := range []byte{1, 0x20} {
					c := bytes.Clone(doc)
					c[i] ^= bit
					if _, _, err := xmldsig.VerifyFile(c, []*x509.Certificate{id.cert}); xmldsig.Reason(err) == "" {
						t.Fatalf("byte %d (…%s…) changed: %v", i, doc[max(0, i-20):min(len(doc), i+20)], err)
					}
				}
			}
			if _, _, err := xmldsig.VerifyFile(doc, []*x509.Certificate{issue(t, rsaKey()).cert}); xmldsig.Reason(err) != "sig-key-unknown" {
				t.Errorf("another certificate: %v", err)
			}
		})
	}
}

func TestDetachedSignatureRefusesOtherReferencesAndTimes(t *testing.T) {
	id := issue(t, rsaKey())
	f, doc := signFile(t, id)
	reference := string(doc[bytes.Index(doc, []byte("<ds:Reference Type")):bytes.Index(doc, []byte("</ds:SignedInfo>"))])
	for name, changed := range map[string]string{
		"without the signed properties": strings.Replace(string(doc), reference, "", 1),
		"a third reference":             strings.Replace(string(doc), reference, reference+reference, 1),
		"another signing time":          strings.Replace(string(doc), "<xades:SigningTime>20", "<xades:SigningTime>19", 1),
		"another media type":            strings.Replace(string(doc), "application/xml", "application/pdf", 1),
		"something after it":            string(doc) + "\n",
		"a second signature":            string(doc) + string(doc),
	} {
		if changed == string(doc) {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, _, err := xmldsig.VerifyFile([]byte(changed), []*x509.Certificate{id.cert}); xmldsig.Reason(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	late, err := xmldsig.SignFile(f, "letter", time.Now().Add(2*time.Hour), id.key, id.cert)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := xmldsig.VerifyFile(late, []*x509.Certificate{id.cert}); xmldsig.Reason(err) != "sig-key-expired" {
		t.Errorf("signed after the certificate ended: %v", err)
	}
	for _, uri := range []string{"", `a"b`, "a<b", "æ.xml"} {
		f.URI = uri
		if _, err := xmldsig.SignFile(f, "letter", time.Now(), id.key, id.cert); xmldsig.Reason(err) != "sign-name" {
			t.Errorf("URI %q: %v", uri, err)
		}
	}
}

// TestXmlsec1ChecksBothReferences lets another implementation resolve the file
// and the signed properties.
func TestXmlsec1ChecksBothReferences(t *testing.T) {
	tool, ok := outside.Program(t, "xmlsec1", "a second opinion on detached XAdES signatures")
	if !ok {
		return
	}
	for name, key := range xadesKeys(t) {
		t.Run(name, func(t *testing.T) {
			id := issue(t, key)
			_, doc := signFile(t, id)
			dir := t.TempDir()
			write := func(name string, b []byte) {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw}))
			judge := func(doc []byte, letter string) (string, error) {
				write("signatures.xml", doc)
				write("letter.xml", []byte(letter))
				cmd := exec.Command(tool, "--verify", "--id-attr:Id", xmldsig.NamespaceXAdES+":SignedProperties", "--trusted-pem", "cert.pem", "signatures.xml")
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			if out, err := judge(doc, signedText); err != nil || !strings.Contains(out, "SignedInfo References (ok/all): 2/2") {
				t.Errorf("%v\n%s", err, out)
			}
			if _, err := judge(doc, signedText+" "); err == nil {
				t.Error("xmlsec1 accepts another file")
			}
			if _, err := judge(bytes.Replace(doc, []byte("<xades:SigningTime>20"), []byte("<xades:SigningTime>19"), 1), signedText); err == nil {
				t.Error("xmlsec1 accepts other signed properties")
			}
		})
	}
}
