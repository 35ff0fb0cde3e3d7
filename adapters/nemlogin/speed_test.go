package nemlogin_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"net/http"
	"testing"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/ratio"
)

// track is one portal and one provider with keys of 3,072 bits, as NemLog-in's
// are, and one genuine answer.
type track struct {
	sp      *nemlogin.SP
	idp     *nemlogintest.IDP
	enc     *rsa.PrivateKey
	encCert *x509.Certificate
	sign    *rsa.PrivateKey
	idpCert *x509.Certificate
	who     persona.Persona
	pending login.Pending
	answer  []byte // the Response
	plain   []byte // the assertion before it was encrypted
}

func newTrack(t testing.TB) *track {
	t.Helper()
	big := func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 3072)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	tr := &track{enc: big(), sign: big()}
	tr.encCert, tr.idpCert = valid(tr.enc), valid(tr.sign)
	tr.who, _ = persona.By("nancy")
	var err error
	tr.idp, err = nemlogintest.New(nemlogintest.Config{
		BaseURL: provider, Key: tr.sign, Cert: tr.idpCert, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := nemlogin.ParseIDP(tr.idp.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	store := &logintest.Memory{}
	sessions, err := login.New(login.Config{Store: store, Sealer: logintest.Clear{}})
	if err != nil {
		t.Fatal(err)
	}
	tr.sp, err = nemlogin.New(nemlogin.Config{
		EntityID: entity, PublicURL: portal, SigningKey: key("sp"), SigningCert: valid(key("sp")),
		Decryption: []nemlogin.Decryption{{Key: tr.enc, Cert: tr.encCert}},
		IDP:        trusted, Sessions: sessions, Audit: store, Log: slog.New(slog.DiscardHandler),
		OnFault: func(rw http.ResponseWriter, _ *http.Request, f *post.Fault, _ string) { rw.WriteHeader(f.Status) },
	})
	if err != nil {
		t.Fatal(err)
	}
	tr.pending = login.Pending{
		ID: "_0000000000000000000000000000000000000000000000000000000000000000", Level: login.Substantial,
		Kind: login.Citizen, Return: "/", StartedAt: testNow, ExpiresAt: testNow.Add(600e9),
	}
	tr.answer = tr.made(t, nemlogintest.Encryption{}, func(b []byte) []byte { tr.plain = b; return b })
	return tr
}

// made returns a fresh answer to the pending log-in.
func (tr *track) made(t testing.TB, e nemlogintest.Encryption, plaintext func([]byte) []byte) []byte {
	t.Helper()
	req := nemlogintest.Request{ID: tr.pending.ID, SP: nemlogintest.SP{
		EntityID: entity, ACS: portal + nemlogin.PathACS, Encryption: tr.encCert,
	}}
	answer, err := tr.idp.Answer(req, tr.who, "_index", tweak{Plaintext: plaintext, Encryption: e})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// reads returns the whole work on one answer.
func (tr *track) reads(t testing.TB, answer []byte) func() {
	return func() {
		c, err := tr.sp.Claims(context.Background(), tr.pending, answer)
		if err != nil || c.Person.Actor.RevealID() != tr.who.CPR {
			t.Fatalf("genuine answer: %v", err)
		}
	}
}

// BenchmarkClaims is the whole work on one answer, for profiles.
func BenchmarkClaims(b *testing.B) {
	tr := newTrack(b)
	b.ReportAllocs()
	read := tr.reads(b, tr.answer)
	for b.Loop() {
		read()
	}
}

// raw returns the two private and public operations that no reader of an
// encrypted, signed assertion can do without.
func (tr *track) raw(t testing.TB) func() {
	t.Helper()
	oaep := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	sealed, err := rsa.EncryptOAEPWithOptions(rand.Reader, &tr.enc.PublicKey, make([]byte, 32), oaep)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(tr.plain)
	sig, err := rsa.SignPKCS1v15(nil, tr.sign, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := tr.enc.Decrypt(rand.Reader, sealed, oaep); err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(&tr.sign.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
			t.Fatal(err)
		}
	}
}

// The bounds are wide, for a busy machine; make bench measures the real ones.
// Memory does not depend on the machine.
func TestAnAnswerCostsLittleMoreThanItsCryptography(t *testing.T) {
	tr := newTrack(t)
	read := tr.reads(t, tr.answer)
	m := ratio.Cost(7, 3, read, tr.raw(t))
	if m.Ratio > 3 {
		t.Errorf("%.2f times its two RSA operations: %v to %v", m.Ratio, m.Subject, m.Base)
	}
	if kb := ratio.Allocated(20, read) / 1000; kb > 300 {
		t.Errorf("%.0f KB allocated", kb)
	}
}

// BenchmarkRatio measures what docs/benchmarks.md promises of the log-in. An
// answer is decrypted, verified, and read through every check.
func BenchmarkRatio(b *testing.B) {
	tr := newTrack(b)
	read := tr.reads(b, tr.answer)
	ratio.Row{Name: "login:_cost_of_an_answer_to_its_two_raw_RSA_operations", AtMost: 1.3, Rounds: 61, Each: 6}.
		Cost(b, read, tr.raw(b))
	ratio.Row{Name: "login:_allocated_per_answer", AtMost: 300}.
		Amount(b, "KB", ratio.Allocated(200, read)/1000)

	stock := tr.made(b, nemlogintest.Encryption{Data: nemlogintest.AES128GCM}, nil)
	crewjam := tr.crewjam(b, stock)
	ratio.Row{Name: "login:_speed_of_an_answer_to_stock_crewjam/saml", Rounds: 31, Each: 4}.
		Speed(b, tr.reads(b, stock), crewjam)
	ratio.Row{Name: "login:_memory_of_stock_crewjam/saml_for_the_same_answer"}.
		Amount(b, "KB", ratio.Allocated(50, crewjam)/1000)

	tool, ok := xmlsec1(b)
	if !ok {
		return
	}
	check, open := tr.xmlsec(b, tool)
	ratio.Row{Name: "login:_speed_of_a_signature_check_to_xmlsec1_started_per_message", AtLeast: 5}.
		Speed(b, tr.signatureOnly(b), check)
	ratio.Row{Name: "login:_speed_of_an_answer_to_xmlsec1_started_to_open_and_to_check_it", AtLeast: 5}.
		Speed(b, read, open)
	if python := tr.python(b, tool); python != nil {
		ratio.Row{Name: "login:_speed_of_an_answer_to_pysaml2"}.Speed(b, read, python)
	}
}
