package internal_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"
)

// secretForms match private keys themselves, not talk about them.
var secretForms = map[string]*regexp.Regexp{
	"a PEM private key": regexp.MustCompile(`BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:\s|\\n|\\r)+[A-Za-z0-9+/]{16}`),
	"an age identity":   regexp.MustCompile(`(?i)AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{40}`),
	"a note signer key": regexp.MustCompile(`PRIVATE\+KEY\+\S+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{40}`),
}

func TestNoPrivateKeyInTheTree(t *testing.T) {
	for _, name := range kept(t) {
		text := read(t, name)
		for what, form := range secretForms {
			if form.MatchString(text) {
				t.Errorf("%s holds %s; make it in memory, in the test that needs it", name, what)
			}
		}
	}
}

// TestSecretFormsMatch shows that the search finds keys of today's making.
func TestSecretFormsMatch(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	signer, _, err := note.GenerateKey(rand.Reader, "example.dk/log")
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for what, secret := range map[string]string{
		"PKCS #8":            pkcs8,
		"SEC 1":              string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})),
		"PKCS #8 in JSON":    strings.ReplaceAll(pkcs8, "\n", `\n`),
		"hybrid identity":    hybrid.String(),
		"classic identity":   classic.String(),
		"note signer":        signer,
		"identity lowercase": strings.ToLower(classic.String()),
	} {
		found := false
		for _, form := range secretForms {
			found = found || form.MatchString(secret)
		}
		if !found {
			t.Errorf("a %s would not be found", what)
		}
	}
}

var cprForm = regexp.MustCompile(`(?:^|[^0-9A-Fa-f-])((?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}-[0-9]{4})(?:$|[^0-9A-Fa-f-])`)

// TestNoCPRNumberOfTheLiving lets only replacement numbers (day + 60) stand in
// the tree: whatever has the form of an ordinary number may be somebody's.
func TestNoCPRNumberOfTheLiving(t *testing.T) {
	for _, name := range kept(t) {
		if strings.HasSuffix(name, ".pdf") || name == "go.sum" {
			continue
		}
		for _, m := range cprForm.FindAllStringSubmatch(read(t, name), -1) {
			t.Errorf("%s holds %s******, which has the form of an ordinary CPR number; use one of internal/persona", name, m[1][:1])
		}
	}
	// Built from parts, or this file would be found.
	if !cprForm.MatchString("x 0101"+"70-1234 x") || cprForm.MatchString("6101"+"70-1234") {
		t.Error("the form of a CPR number is not recognized")
	}
}

// TestLettersHoldNoNumber reads the pages that the PDFs were printed from.
func TestLettersHoldNoNumber(t *testing.T) {
	number := regexp.MustCompile(`[0-9]{6}-?[0-9]{4}`)
	pages := 0
	for _, name := range kept(t) {
		if !strings.HasPrefix(name, "testdata/pdf/") || !strings.HasSuffix(name, ".html") {
			continue
		}
		pages++
		if number.MatchString(read(t, name)) {
			t.Errorf("%s holds a number in CPR form", name)
		}
		if pdf := strings.TrimSuffix(name, ".html") + ".pdf"; !strings.HasPrefix(read(t, pdf), "%PDF-1.") {
			t.Errorf("%s is not the PDF of %s", pdf, name)
		}
	}
	if pages < 5 {
		t.Errorf("found %d pages, want at least 5", pages)
	}
}
