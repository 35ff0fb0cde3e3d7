package simulatorapp

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// carry puts a message with these files into Nancy's box and returns its UUID.
func carry(t *testing.T, s *stage, contents ...[]byte) string {
	t.Helper()
	uuid := post.DerivedID(post.LetterID(post.NewID()), post.Digital, 1)
	m := &memo.Message{
		Header: memo.Header{
			Type: memo.DigitalPost, UUID: uuid, Label: "T",
			Sender: memo.Party{ID: "29000011", IDType: "CVR", Label: "K"}, Recipient: memo.Party{ID: "6503851236", IDType: "CPR"},
		},
		Body: &memo.Body{Created: time.Now()},
	}
	for i, c := range contents {
		kind := memo.Main
		if i > 0 {
			kind = memo.Additional
		}
		m.Body.Documents = append(m.Body.Documents, memo.Document{Kind: kind, Files: []memo.File{{
			MediaType: "application/octet-stream", Filename: "a.bin", Language: "da", Size: int64(len(c)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c)), nil },
		}}})
	}
	var text bytes.Buffer
	if err := memo.Write(&text, m); err != nil {
		t.Fatal(err)
	}
	if got := s.app.NgDP().Carry(uuid, "", "29000011", text.Bytes()); got.Status != "COMPLETED" {
		t.Fatalf("got %+v", got)
	}
	return uuid
}

func TestSignaturesAreToldForWhatTheyAre(t *testing.T) {
	certs, _ := set(t, t.TempDir())
	key := pair(t, certs.LetterP256)
	cert, err := x509.ParseCertificate(key.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	private, ok := key.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatal("the key signs nothing")
	}
	signer, err := sign.New(private, cert)
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile("../../../testdata/pdf/answer.pdf")
	if err != nil {
		t.Fatal(err)
	}
	id := post.NewID()
	form, err := signer.Sign(verify.Manifest{
		Letter: post.LetterID(id), Reference: "SP-2222-3333", Tenant: "engdal", CVR: "29000011", SignedAt: time.Now().UTC().Truncate(time.Second),
		Recipient: sha256.Sum256([]byte("r")), Title: sha256.Sum256([]byte("t")),
		Documents: []verify.Document{{Filename: sha256.Sum256([]byte("f")), MediaType: "application/pdf", Size: int64(len(pdf)), SHA256: sha256.Sum256(pdf)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	event := ledger.New("letter.signed", "engdal", id)
	event.Digest = verify.ManifestDigest(form)
	row, err := ledger.Commit(event)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := json.Marshal([]verify.Entry{{Body: row.Body, Salt: row.Salt}})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := verify.Pack(verify.Evidence{Manifest: form, Letter: []byte(`{"id":"` + id + `"}`), Receipts: []byte("[]"), Ledger: entries})
	if err != nil {
		t.Fatal(err)
	}
	other := append(bytes.Clone(pdf), ' ')
	knowing := startWith(t, func(c *Config) { c.LetterCerts = []*x509.Certificate{cert} })
	blind := start(t)
	for _, c := range []struct {
		name  string
		s     *stage
		files [][]byte
		want  string
	}{
		{"evidence of the letter", knowing, [][]byte{pdf, proof}, "signature holds"},
		{"evidence of another document", knowing, [][]byte{other, proof}, "signature does not hold"},
		{"evidence, and nobody knows the signer", blind, [][]byte{pdf, proof}, "no certificate of letters"},
		{"a signed PDF", knowing, [][]byte{[]byte("%PDF-1.7\n/ByteRange [0 1 2 3]")}, "signed PDF (PAdES)"},
		{"signed XML", knowing, [][]byte{[]byte(`<a><s xmlns="http://www.w3.org/2000/09/xmldsig#"/></a>`)}, "recognized, not verified"},
		{"nothing", knowing, [][]byte{[]byte("hi")}, "no signature inside"},
	} {
		status, text := c.s.get(t, "/message/"+carry(t, c.s, c.files...)+"?tab=signature")
		if status != 200 || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d, without %q\n%s", c.name, status, c.want, text)
		}
	}
}

func TestTheOfficialSchemaJudgesToo(t *testing.T) {
	const what = "that the simulator lets xmllint judge by the official schema"
	if _, ok := outside.Program(t, "xmllint", what); !ok {
		return
	}
	schema, ok := outside.Data(t, "memo/1.2/xsd-derived/MeMo_core.xsd", what)
	if !ok {
		return
	}
	s := startWith(t, func(c *Config) { c.MeMoSchema = schema })
	good := carry(t, s, []byte("hi"))
	if _, text := s.get(t, "/message/"+good+"?tab=check"); !strings.Contains(text, "xmllint finds it valid") {
		t.Errorf("a good message: %s", text)
	}
	x, err := s.app.NgDP().XML(good)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(x)
	if err != nil {
		t.Fatal(err)
	}
	bad := post.DerivedID("bad", post.Digital, 1)
	s.app.NgDP().Carry(bad, "", "29000011", bytes.Replace(text, []byte("<memo:label>T</memo:label>"), nil, 1))
	if v := s.app.judge(t.Context(), bad); !v.Judged || len(v.Schema) == 0 || !strings.Contains(v.Schema[0], "not expected") || len(v.Faults) != 1 {
		t.Errorf("a bad message: %+v", v)
	}
	lost := startWith(t, func(c *Config) { c.MeMoSchema = filepath.Join(t.TempDir(), "none.xsd") })
	if v := lost.app.judge(t.Context(), carry(t, lost, []byte("hi"))); v.Judged || len(v.Schema) == 0 {
		t.Errorf("without its schema xmllint judged: %+v", v)
	}
}
