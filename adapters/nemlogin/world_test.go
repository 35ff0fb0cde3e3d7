package nemlogin_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	portal   = "https://portal.test"
	provider = "https://idp.test"
	entity   = "https://saml.portal.test"
)

// testNow is every world's first moment, so that a vector made for one world
// means the same in each, however slow the machine is.
var testNow = time.Now().Truncate(time.Millisecond)

// serials keep certificates apart that are alike in everything else.
var serials atomic.Int64

// keys are made once; names keep them apart.
var keys = struct {
	sync.Mutex
	m map[string]*rsa.PrivateKey
}{m: map[string]*rsa.PrivateKey{}}

func key(name string) *rsa.PrivateKey {
	keys.Lock()
	defer keys.Unlock()
	if keys.m[name] == nil {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys.m[name] = k
	}
	return keys.m[name]
}

// certificate issues a certificate for k that is valid from and until.
func certificate(k crypto.Signer, from, until time.Time) *x509.Certificate {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), Subject: pkix.Name{CommonName: "NemLog-in (simulator)"}, NotBefore: from, NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

// valid returns k's certificate for the day, which is made once.
func valid(k crypto.Signer) *x509.Certificate {
	if c, ok := certificates.Load(k); ok {
		return c.(*x509.Certificate)
	}
	c, _ := certificates.LoadOrStore(k, certificate(k, testNow.Add(-24*time.Hour), testNow.Add(24*time.Hour)))
	return c.(*x509.Certificate)
}

var certificates sync.Map // by key

// world is one portal and one provider, with a clock that both read.
type world struct {
	t     testing.TB
	now   time.Time
	sp    *nemlogin.SP
	idp   *nemlogintest.IDP
	conf  nemlogin.Config
	store *logintest.Memory
	log   bytes.Buffer
	fault *post.Fault // the last one shown
	jar   map[string]string
	sso   map[string]string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: testNow, store: &logintest.Memory{}}
	w.clear()
	log := slog.New(slog.NewJSONHandler(&w.log, nil))
	clock := func() time.Time { return w.now }
	idp, err := nemlogintest.New(nemlogintest.Config{
		BaseURL: provider, Key: key("idp"), Cert: valid(key("idp")), Log: slog.New(slog.DiscardHandler), Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.idp = idp
	trusted, err := nemlogin.ParseIDP(idp.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := login.New(login.Config{Store: w.store, Sealer: logintest.Clear{}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	w.conf = nemlogin.Config{
		EntityID: entity, PublicURL: portal, SigningKey: key("sp"), SigningCert: valid(key("sp")),
		Decryption: []nemlogin.Decryption{
			{Key: key("enc"), Cert: valid(key("enc"))}, {Key: key("enc-old"), Cert: valid(key("enc-old"))},
		},
		IDP: trusted, Sessions: sessions, Audit: w.store, Log: log, Now: clock, ContactMail: "drift@portal.test",
		OnFault: func(rw http.ResponseWriter, _ *http.Request, f *post.Fault, ref string) {
			w.fault = f
			rw.WriteHeader(f.Status)
			_, _ = io.WriteString(rw, f.Code)
			if ref == "" {
				t.Error("a fault page without reference")
			}
		},
	}
	w.rebuild()
	return w
}

// rebuild makes the portal from w.conf and tells the provider about it.
func (w *world) rebuild() {
	w.t.Helper()
	sp, err := nemlogin.New(w.conf)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sp = sp
	if err := w.idp.Register(sp.Metadata()); err != nil {
		w.t.Fatal(err)
	}
}

// clear makes a new browser.
func (w *world) clear() { w.jar, w.sso = map[string]string{}, map[string]string{} }

// portal sends r as the browser does and keeps the cookies that come back.
func (w *world) portal(r *http.Request) *httptest.ResponseRecorder {
	return visit(w.sp.Handler(), r, w.jar)
}

func (w *world) provider(r *http.Request) *httptest.ResponseRecorder {
	return visit(w.idp.Handler(), r, w.sso)
}

func visit(h http.Handler, r *http.Request, jar map[string]string) *httptest.ResponseRecorder {
	for name, value := range jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(jar, c.Name)
		}
	}
	return rec
}

func get(address string) *http.Request { return httptest.NewRequest(http.MethodGet, address, nil) }

func postForm(address string, v url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// begin starts a log-in and returns the provider's address for it.
func (w *world) begin(query string) string {
	w.t.Helper()
	rec := w.portal(get(portal + nemlogin.PathLogin + query))
	if rec.Code != http.StatusFound {
		w.t.Fatalf("login answered %d %s", rec.Code, rec.Body)
	}
	return rec.Header().Get("Location")
}

// choose logs who in at the provider and returns the form for the portal.
func (w *world) choose(address, who string, bend nemlogintest.Tweak) url.Values {
	w.t.Helper()
	w.idp.Next(bend)
	r := postForm(strings.Replace(address, "/sso?", "/sso/choose?", 1), url.Values{"persona": {who}})
	r.Header.Set("Accept", "application/json")
	rec := w.provider(r)
	if rec.Code != http.StatusOK {
		w.t.Fatalf("choose answered %d %s", rec.Code, rec.Body)
	}
	var out map[string]string
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		w.t.Fatal(err)
	}
	if out["acs"] != portal+nemlogin.PathACS {
		w.t.Fatalf("acs is %q", out["acs"])
	}
	return url.Values{"SAMLResponse": {out["SAMLResponse"]}, "RelayState": {out["RelayState"]}}
}

func (w *world) acs(form url.Values) *httptest.ResponseRecorder {
	return w.portal(postForm(portal+nemlogin.PathACS, form))
}

// login is one whole log-in.
func (w *world) login(query, who string, bend nemlogintest.Tweak) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.acs(w.choose(w.begin(query), who, bend))
}

// session returns who is logged in with the browser's cookie.
func (w *world) session() (login.Session, error) {
	r := get(portal)
	for name, value := range w.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return w.sp.Session(r)
}

// accepted checks that the browser is logged in.
func (w *world) accepted(rec *httptest.ResponseRecorder) login.Session {
	w.t.Helper()
	if rec.Code != http.StatusSeeOther {
		w.t.Fatalf("answered %d; log: %s", rec.Code, w.log.String())
	}
	s, err := w.session()
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// rejected checks that nothing came of an answer, and that only the audit trail
// and the log know why.
func (w *world) rejected(rec *httptest.ResponseRecorder, reason string) {
	w.t.Helper()
	if rec.Code < 400 || rec.Code > 599 {
		w.t.Fatalf("answered %d", rec.Code)
	}
	for _, c := range rec.Result().Cookies() {
		if strings.Contains(c.Name, "session") && c.MaxAge >= 0 {
			w.t.Fatal("a session cookie was set")
		}
	}
	if n := w.store.Sessions(); n != 0 {
		w.t.Fatalf("%d sessions came out", n)
	}
	if !strings.Contains(w.log.String(), `"reason":"`+reason+`"`) {
		w.t.Fatalf("want reason %q, log says %s", reason, w.log.String())
	}
	for _, secret := range []string{"Nancy", "6503851236", "SAMLResponse", "Assertion>", "panic"} {
		if strings.Contains(w.log.String(), secret) || strings.Contains(rec.Body.String(), secret) {
			w.t.Fatalf("%q got out: %s", secret, w.log.String())
		}
	}
}

// audited checks that the refusal is in the audit trail.
func (w *world) audited(reason string) {
	w.t.Helper()
	for _, e := range w.store.Events() {
		if e.Kind == "auth.rejected" && e.Outcome == reason && e.Subject != "" {
			return
		}
	}
	w.t.Fatalf("no audit event says %q: %+v", reason, w.store.Events())
}

// w509 are the certificates that the provider signs with.
func w509() []*x509.Certificate { return []*x509.Certificate{valid(key("idp"))} }

// sp509 are the certificates that the portal signs with.
func (w *world) sp509() []*x509.Certificate { return []*x509.Certificate{w.conf.SigningCert} }
