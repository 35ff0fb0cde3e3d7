package nemlogin_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
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
	sign    *rsa.PrivateKey
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
	var err error
	tr.idp, err = nemlogintest.New(nemlogintest.Config{
		BaseURL: provider, Key: tr.sign, Cert: valid(tr.sign), Log: slog.New(slog.DiscardHandler),
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
	encCert := valid(tr.enc)
	tr.sp, err = nemlogin.New(nemlogin.Config{
		EntityID: entity, PublicURL: portal, SigningKey: key("sp"), SigningCert: valid(key("sp")),
		Decryption: []nemlogin.Decryption{{Key: tr.enc, Cert: encCert}},
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
	req := nemlogintest.Request{ID: tr.pending.ID, SP: nemlogintest.SP{EntityID: entity, ACS: portal + nemlogin.PathACS, Encryption: encCert}}
	nancy, _ := persona.By("nancy")
	tr.answer, err = tr.idp.Answer(req, nancy, "_index", tweak{Plaintext: func(b []byte) []byte { tr.plain = b; return b }})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *track) verify(b testing.TB) {
	c, err := tr.sp.Claims(context.Background(), tr.pending, tr.answer)
	if err != nil || c.Person.Actor.RevealID() == "" {
		b.Fatal(err)
	}
}

// BenchmarkClaims is the whole work on one answer, for profiles.
func BenchmarkClaims(b *testing.B) {
	tr := newTrack(b)
	b.ReportAllocs()
	for b.Loop() {
		tr.verify(b)
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

func BenchmarkRatio(b *testing.B) {
	tr := newTrack(b)
	verify := func() { tr.verify(b) }
	ratio.Row{Name: "login_costs_of_its_two_raw_RSA_operations", AtMost: 1.3, Rounds: 41, Each: 8}.
		Cost(b, verify, tr.raw(b))
	ratio.Row{Name: "login_allocates", AtMost: 300}.
		Amount(b, "KB", ratio.Allocated(200, verify)/1000)
}
