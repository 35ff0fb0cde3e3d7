package sign_test

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// told is the ledger's entries in an evidence file, one for each event.
func told(t *testing.T, events ...ledger.Event) []byte {
	t.Helper()
	var entries []verify.Entry
	for _, e := range events {
		row, err := ledger.Commit(e)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, verify.Entry{Body: row.Body, Salt: row.Salt})
	}
	b, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Evidence whose signature is good, and whose other files speak of something else.
func TestEvidenceThatContradictsItselfIsRefused(t *testing.T) {
	s, m := signer(t, keys(t)["ECDSA P-256"]), manifest()
	form, err := s.Sign(m)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(of post.LetterID, kind, digest string) ledger.Event {
		e := ledger.New(kind, m.Tenant, string(of))
		e.Digest = digest
		return e
	}
	own, other := verify.ManifestDigest(form), post.LetterID(post.NewID())
	view := `{"id":"` + string(m.Letter) + `"}`
	for name, c := range map[string]struct {
		view   string
		ledger []byte
		good   bool
	}{
		"as it is":                         {view, told(t, signed(m.Letter, "letter.signed", own)), true},
		"a view of another letter":         {`{"id":"` + string(other) + `"}`, told(t, signed(m.Letter, "letter.signed", own)), false},
		"a view without a letter":          {`{}`, told(t, signed(m.Letter, "letter.signed", own)), false},
		"an entry of another letter":       {view, told(t, signed(m.Letter, "letter.signed", own), signed(other, "letter.delivered", "")), false},
		"no entries":                       {view, told(t), false},
		"an entry of another signature":    {view, told(t, signed(m.Letter, "letter.signed", verify.ManifestDigest([]byte("x")))), false},
		"the digest in an entry of a move": {view, told(t, signed(m.Letter, "letter.delivered", own)), false},
		"entries that are no list":         {view, []byte(`{}`), false},
	} {
		b, err := verify.Pack(verify.Evidence{Manifest: form, Letter: []byte(c.view), Receipts: []byte("[]"), Ledger: c.ledger})
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify.File(bytes.NewReader(b), int64(len(b)), []*x509.Certificate{s.Certificate()})
		if c.good && err != nil || !c.good && !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// repacked is a zip file of b's entries after change.
func repacked(t *testing.T, b []byte, change func(name string, data []byte) map[string][]byte) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i, f := range z.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range change(f.Name, data) {
			method := zip.Deflate
			if i == 0 {
				method = zip.Store
			}
			e, err := w.CreateHeader(&zip.FileHeader{Name: strings.TrimSuffix(name, "#"), Method: method})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Whoever reads a container by its names must find what was checked, and no more.
func TestEvidenceOfAnotherShapeIsRefused(t *testing.T) {
	s := signer(t, keys(t)["ECDSA P-256"])
	forms, letters := batchOf(t, s, 3)
	b := evidence(t, forms[1], `{"id":"`+string(letters[1].Letter)+`"}`)
	same := func(name string, data []byte) map[string][]byte { return map[string][]byte{name: data} }
	instead := func(of string, by map[string][]byte) func(string, []byte) map[string][]byte {
		return func(name string, data []byte) map[string][]byte {
			if name != of {
				return same(name, data)
			}
			all := map[string][]byte{name: data}
			for k, v := range by {
				if delete(all, name); v == nil {
					v = data
				}
				all[k] = v
			}
			return all
		}
	}
	for name, c := range map[string]struct {
		change func(string, []byte) map[string][]byte
		good   bool
	}{
		"as it is":     {same, true},
		"another name": {instead("META-INF/receipts.json", map[string][]byte{"META-INF/statements.json": nil}), false},
		"a name twice": {instead("META-INF/receipts.json", map[string][]byte{"META-INF/letter.json": nil}), false},
		"another twice, whose bytes nobody looks at": {instead("META-INF/receipts.json", map[string][]byte{"META-INF/manifest.xml": nil}), false},
		"another type":     {instead("mimetype", map[string][]byte{"mimetype": []byte("application/zip")}), false},
		"one file more":    {instead("META-INF/receipts.json", map[string][]byte{"META-INF/receipts.json": nil, "x": []byte("x")}), false},
		"a file too large": {instead("META-INF/receipts.json", map[string][]byte{"META-INF/receipts.json": append([]byte(`[]`), make([]byte, 2<<20)...)}), false},
	} {
		b := repacked(t, b, c.change)
		_, err := verify.File(bytes.NewReader(b), int64(len(b)), []*x509.Certificate{s.Certificate()})
		if c.good && err != nil || !c.good && !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A document is the letter's by its bytes, not by its length.
func TestADocumentOfTheSameLengthIsNotTheLetters(t *testing.T) {
	s, m := signer(t, keys(t)["ECDSA P-256"]), manifest()
	m.Documents = []verify.Document{{MediaType: "application/pdf"}}
	m.Documents[0].Size, m.Documents[0].SHA256 = 4, verify.Covered("", []byte("%PDF")).SHA256
	form, err := s.Sign(m)
	if err != nil {
		t.Fatal(err)
	}
	b := evidence(t, form, `{"id":"`+string(m.Letter)+`"}`)
	for given, want := range map[string]error{"%PDF": nil, "%PDf": verify.ErrOtherDocument, "%PDF ": verify.ErrOtherDocument} {
		res, err := verify.File(bytes.NewReader(b), int64(len(b)), []*x509.Certificate{s.Certificate()}, strings.NewReader(given))
		if !errors.Is(err, want) || want == nil && res.Documents[0] != verify.Matches {
			t.Errorf("%q: %v, %v", given, res.Documents, err)
		}
	}
}

// A leaf of the signed tree that says otherwise than its root of what they share.
func TestALetterThatContradictsItsBatchIsRefused(t *testing.T) {
	s, m := signer(t, keys(t)["ECDSA P-256"]), manifest()
	for name, spoil := range map[string]func(*verify.Root){
		"as it is":             func(*verify.Root) {},
		"another municipality": func(r *verify.Root) { r.Tenant = "fjordby" },
		"another CVR number":   func(r *verify.Root) { r.CVR = "29000012" },
		"another time":         func(r *verify.Root) { r.SignedAt = r.SignedAt.Add(-time.Second) },
	} {
		tree := verify.NewTree(1)
		tree.Append(leaf(t, m))
		r := verify.Root{Batch: post.BatchID(post.NewID()), Tenant: m.Tenant, CVR: m.CVR, SignedAt: m.SignedAt, Size: 1, Hash: tree.Root()}
		spoil(&r)
		root, err := s.SignRoot(r)
		if err != nil {
			t.Fatal(err)
		}
		form, err := tree.Form(m, 0, root)
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify.Signed(form, []*x509.Certificate{s.Certificate()})
		if good := name == "as it is"; good && err != nil || !good && !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The batch signer's tree gives no letter the place of another.
func TestALetterHasNoPlaceButItsOwn(t *testing.T) {
	tree := verify.NewTree(3)
	letters := []verify.Manifest{manifest(), manifest(), manifest()}
	for _, m := range letters {
		tree.Append(leaf(t, m))
	}
	for i, m := range letters {
		for at := int64(-1); at <= 3; at++ {
			if _, err := tree.Form(m, at, []byte("root")); (err == nil) != (at == int64(i)) {
				t.Errorf("letter %d at place %d: %v", i, at, err)
			}
		}
	}
}

// A good signature over the very file, that claims another time than the letter does.
func TestASignatureOfAnotherTimeIsRefused(t *testing.T) {
	key := keys(t)["ECDSA P-256"]
	s, m := signer(t, key), manifest()
	for off, good := range map[time.Duration]bool{0: true, time.Second: false, -time.Second: false} {
		signature, err := xmldsig.SignFile(verify.Covered(verify.NameLetter, m.XML()), "letter", m.SignedAt.Add(off), key, s.Certificate())
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify.Signed(append(m.XML(), signature...), []*x509.Certificate{s.Certificate()})
		if good && err != nil || !good && !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("off by %s: %v", off, err)
		}
	}
}

// The same key and another name: the signature is by the letter's certificate, and
// one that was no longer, or not yet, valid then proves nothing.
func TestOnlyAPinnedCertificateThatWasValidThenCounts(t *testing.T) {
	key := keys(t)["ECDSA P-256"]
	s, other := signer(t, key), signer(t, key)
	m := manifest()
	b, err := s.Sign(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Signed(b, []*x509.Certificate{other.Certificate()}); !errors.Is(err, verify.ErrNotProven) {
		t.Errorf("another certificate of the same key: %v", err)
	}
	if _, err := verify.Signed(b, nil); !errors.Is(err, verify.ErrNotProven) {
		t.Errorf("no certificate: %v", err)
	}
	for _, at := range []time.Time{s.Certificate().NotBefore.Add(-time.Minute), s.Certificate().NotAfter.Add(time.Minute)} {
		m := manifest()
		m.SignedAt = at.UTC().Truncate(time.Second)
		signature, err := xmldsig.SignFile(verify.Covered(verify.NameLetter, m.XML()), "letter", m.SignedAt, key, s.Certificate())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.Signed(append(m.XML(), signature...), []*x509.Certificate{s.Certificate()}); !errors.Is(err, verify.ErrNotProven) {
			t.Errorf("signed at %s, outside the certificate: %v", at, err)
		}
	}
}
