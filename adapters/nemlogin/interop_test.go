package nemlogin_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/inbound/login/logintest"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// simpleSAML is where Debian's package puts the programs.
const simpleSAML = "/usr/share/simplesamlphp"

// php is one SimpleSAMLphp as identity provider behind TLS, with a portal that
// trusts it, all on this machine.
type php struct {
	t       *testing.T
	dir     string
	idp     *httptest.Server // TLS in front of PHP's own web server
	portal  *httptest.Server
	trusted *nemlogin.IDP
	handler http.Handler
	sp      *nemlogin.SP
	store   *logintest.Memory
	log     bytes.Buffer
	answer  []byte // the last Response that a browser carried
}

// newPHP starts both sides, or returns nil when PHP or the package is missing.
func newPHP(t *testing.T) *php {
	t.Helper()
	const what = "log-in with SimpleSAMLphp as identity provider"
	tool, ok := outside.Program(t, "php", what)
	if !ok {
		return nil
	}
	if _, err := os.Stat(simpleSAML); err != nil {
		if outside.Full() {
			t.Fatal("simplesamlphp is not installed, and SIKKERPOST_FULL=1 asks for every check")
		}
		t.Logf("LEFT OUT, because simplesamlphp is not installed: %s", what)
		return nil
	}
	p := &php{t: t, dir: t.TempDir(), store: &logintest.Memory{}}
	backend := freeAddress(t)
	to, _ := url.Parse("http://" + backend)
	p.idp = httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	t.Cleanup(p.idp.Close)
	p.portal = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }))
	t.Cleanup(p.portal.Close)

	p.configure()
	p.start(tool, backend)
	var err error
	if p.trusted, err = nemlogin.ParseIDP(p.body(p.idp.URL + "/saml2/idp/metadata.php")); err != nil {
		t.Fatalf("metadata of SimpleSAMLphp: %v", err)
	}
	p.serve(nil)
	return p
}

// serve makes a fresh portal and gives its metadata to SimpleSAMLphp.
func (p *php) serve(bend func(*nemlogin.Config)) {
	p.t.Helper()
	p.store, p.log = &logintest.Memory{}, bytes.Buffer{}
	sessions, err := login.New(login.Config{Store: p.store, Sealer: logintest.Clear{}})
	if err != nil {
		p.t.Fatal(err)
	}
	c := nemlogin.Config{
		EntityID: entity, PublicURL: p.portal.URL, SigningKey: key("sp"), SigningCert: valid(key("sp")),
		Decryption: []nemlogin.Decryption{{Key: key("enc"), Cert: valid(key("enc"))}}, AllowCBC: true,
		IDP: p.trusted, Sessions: sessions, Audit: p.store, Log: slog.New(slog.NewJSONHandler(&p.log, nil)),
		OnFault: func(w http.ResponseWriter, _ *http.Request, f *post.Fault, _ string) { http.Error(w, f.Code, f.Status) },
	}
	if bend != nil {
		bend(&c)
	}
	if p.sp, err = nemlogin.New(c); err != nil {
		p.t.Fatal(err)
	}
	p.file("metadata/sp.xml", p.sp.Metadata())
	p.handler = p.sp.Handler()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *php) file(name string, data []byte) {
	p.t.Helper()
	full := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(full, data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// configure writes what an operator of SimpleSAMLphp would. It reads our
// metadata as we publish it.
func (p *php) configure() {
	p.t.Helper()
	for _, dir := range []string{"log", "data", "tmp", "sessions"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
	p.file("cert/idp.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(p.t, key("idp"))}))
	p.file("cert/idp.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: valid(key("idp")).Raw}))
	address, _ := url.Parse(p.idp.URL)
	p.file("prepend.php", fmt.Appendf(nil, "<?php $_SERVER['HTTPS']='on'; $_SERVER['SERVER_PORT']='%s';", address.Port()))
	p.file("config/config.php", fmt.Appendf(nil, `<?php $config = [
  'baseurlpath' => '%s/', 'certdir' => '%s/cert/', 'loggingdir' => '%[2]s/log/', 'datadir' => '%[2]s/data/',
  'tempdir' => '%[2]s/tmp', 'metadatadir' => '%[2]s/metadata/', 'secretsalt' => 'of-a-test', 'auth.adminpassword' => 'of-a-test-2',
  'technicalcontact_name' => 'Test', 'technicalcontact_email' => 'na@portal.test', 'timezone' => 'UTC',
  'logging.handler' => 'file', 'logging.level' => SimpleSAML\Logger::INFO, 'enable.saml20-idp' => true,
  'module.enable' => ['exampleauth' => true], 'store.type' => 'phpsession', 'session.cookie.secure' => true,
  'session.phpsession.savepath' => '%[2]s/sessions', 'session.phpsession.cookiename' => 'SimpleSAML',
  'metadata.sources' => [['type' => 'flatfile'], ['type' => 'xml', 'file' => '%[2]s/metadata/sp.xml']],
];`, p.idp.URL, p.dir))
	p.file("config/authsources.php", fmt.Appendf(nil, `<?php $config = ['people' => ['exampleauth:UserPass', %s]];`, people()))
	p.file("metadata/sp.xml", []byte(`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>`))
	p.hosted("")
}

// people are those who can log in, with their attributes named as OIOSAML does.
func people() string {
	var b strings.Builder
	for _, who := range persona.All() {
		if who.Level == "" || who.CVR != "" {
			continue
		}
		fmt.Fprintf(&b, `'%s:secret' => ['uid' => ['https://data.gov.dk/model/core/eid/person/uuid/%s'], 'opaque' => ['f3a91c'],
  'https://data.gov.dk/model/core/specVersion' => ['OIO-SAML-3.0'],
  'https://data.gov.dk/concept/core/nsis/loa' => ['%s'],
  'https://data.gov.dk/model/core/eid/cprNumber' => ['%s'],
  'https://data.gov.dk/model/core/eid/fullName' => ['%s']],`, who.Key, who.UUID, who.Level, who.CPR, who.Name)
	}
	return b.String()
}

// hosted writes the provider's own configuration, which PHP reads anew for each
// request. Lines in more win over ours.
func (p *php) hosted(more string) {
	p.t.Helper()
	p.file("metadata/saml20-idp-hosted.php", fmt.Appendf(nil, `<?php $metadata['%s/saml2/idp/metadata.php'] = [
  %s
] + [
  'host' => '__DEFAULT__', 'privatekey' => 'idp.pem', 'certificate' => 'idp.crt', 'auth' => 'people',
  'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:uri',
  'NameIDFormat' => ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
  'assertion.encryption' => true, 'redirect.sign' => true, 'redirect.validate' => true,
  'authproc' => [
    40 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid', 'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    90 => ['class' => 'core:AttributeLimit', 'default' => true],
  ],
];`, p.idp.URL, more))
}

func pkcs8(t *testing.T, k *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// start runs PHP's web server until the test ends.
func (p *php) start(tool, address string) {
	p.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, tool, "-S", address, "-t", simpleSAML+"/www",
		"-d", "auto_prepend_file="+filepath.Join(p.dir, "prepend.php"), "-d", "error_reporting=E_ALL & ~E_DEPRECATED & ~E_NOTICE",
		"-d", "display_errors=stderr", "-d", "session.save_path="+filepath.Join(p.dir, "sessions"))
	cmd.Env = append(os.Environ(), "SIMPLESAMLPHP_CONFIG_DIR="+filepath.Join(p.dir, "config"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		if p.t.Failed() {
			logged, _ := os.ReadFile(filepath.Join(p.dir, "log/simplesamlphp.log"))
			p.t.Logf("SimpleSAMLphp wrote:\n%s\n%s", logged, out.String())
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("PHP does not listen: %v", err)
		}
	}
}

// browser follows redirects and keeps cookies, like any.
func (p *php) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	c := p.idp.Client() // trusts both: httptest has one certificate
	return &http.Client{Transport: c.Transport, Jar: jar, Timeout: time.Minute}
}

func (p *php) body(address string) []byte {
	p.t.Helper()
	r, err := p.browser().Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(r)
}

func (p *php) read(r *http.Response) []byte {
	p.t.Helper()
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// form returns the first form of a page: where it goes and its fields.
func (p *php) form(r *http.Response) (action string, fields url.Values) {
	p.t.Helper()
	page := p.read(r)
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		p.t.Fatal(err)
	}
	fields = url.Values{}
	for n := range doc.Descendants() {
		at := map[string]string{}
		for _, a := range n.Attr {
			at[a.Key] = a.Val
		}
		switch {
		case n.Data == "form" && strings.EqualFold(at["method"], "post") && action == "":
			u, err := r.Request.URL.Parse(at["action"])
			if err != nil {
				p.t.Fatal(err)
			}
			action = u.String()
		case n.Data == "input" && at["name"] != "":
			fields.Set(at["name"], at["value"])
		}
	}
	if action == "" {
		p.t.Fatalf("%s shows no form (status %d): %.2000s", r.Request.URL.Path, r.StatusCode, page)
	}
	return action, fields
}

// login logs who in and returns the portal's answer to the posted Response.
func (p *php) login(b *http.Client, who string) *http.Response {
	p.t.Helper()
	r, err := b.Get(p.portal.URL + nemlogin.PathLogin + "?return=%2Fmine")
	if err != nil {
		p.t.Fatal(err)
	}
	action, fields := p.form(r)
	fields.Set("username", who)
	fields.Set("password", "secret")
	if r, err = b.PostForm(action, fields); err != nil {
		p.t.Fatal(err)
	}
	action, fields = p.form(r)
	if action != p.portal.URL+nemlogin.PathACS || fields.Get("SAMLResponse") == "" {
		p.t.Fatalf("SimpleSAMLphp posts %v to %s", fields, action)
	}
	if p.answer, err = base64.StdEncoding.DecodeString(fields.Get("SAMLResponse")); err != nil {
		p.t.Fatal(err)
	}
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { b.CheckRedirect = nil }()
	only := url.Values{"SAMLResponse": fields["SAMLResponse"], "RelayState": fields["RelayState"]}
	if r, err = b.PostForm(action, only); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// A person logs in and off with the most used free identity provider, which
// reads our metadata and our signed requests, and whose answers we read.
func TestLoginThroughSimpleSAMLphp(t *testing.T) {
	p := newPHP(t)
	if p == nil {
		return
	}
	b := p.browser()
	r := p.login(b, "nancy")
	if body := p.read(r); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/mine" {
		t.Fatalf("answered %d %s; log: %s", r.StatusCode, body, p.log.String())
	}
	nancy, _ := persona.By("nancy")
	s := p.session(b)
	if got := s.Person.Actor; got.RevealID() != nancy.CPR || s.Level != login.Substantial {
		t.Fatalf("somebody else logged in, at level %s", s.Level)
	}
	if s.NameID.Value != "https://data.gov.dk/model/core/eid/person/uuid/"+nancy.UUID || s.SessionIndex == "" {
		t.Fatalf("name %+v, session index %q", s.NameID, s.SessionIndex)
	}
	for _, secret := range []string{nancy.CPR, "Nancy", nancy.UUID} {
		if strings.Contains(p.log.String(), secret) {
			t.Fatalf("the log holds %q", secret)
		}
	}
	p.twice(b)
	p.logout(b)
	p.login(b, "nancy")
	p.logoutElsewhere(b)
}

// session returns the session of the browser's cookie.
func (p *php) session(b *http.Client) login.Session {
	p.t.Helper()
	r := httptest.NewRequest(http.MethodGet, p.portal.URL, nil)
	at, _ := url.Parse(p.portal.URL)
	for _, c := range b.Jar.Cookies(at) {
		r.AddCookie(c)
	}
	s, err := p.sp.Session(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// twice posts the same answer again.
func (p *php) twice(b *http.Client) {
	p.t.Helper()
	r, err := b.PostForm(p.portal.URL+nemlogin.PathACS, url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(p.answer)}})
	if err != nil {
		p.t.Fatal(err)
	}
	if p.read(r); r.StatusCode < 400 || p.store.Sessions() != 1 {
		p.t.Fatalf("a replayed answer got %d, %d sessions", r.StatusCode, p.store.Sessions())
	}
}

// logout goes to SimpleSAMLphp and back: it must accept our LogoutRequest, and
// we its LogoutResponse.
func (p *php) logout(b *http.Client) {
	p.t.Helper()
	r, err := b.PostForm(p.portal.URL+nemlogin.PathLogout, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	body := p.read(r)
	if r.Request.URL.Path != "/logget-af" || r.Request.URL.RawQuery != "" || p.store.Sessions() != 0 {
		p.t.Fatalf("logout ended at %s with %d sessions: %.500s; log: %s", r.Request.URL, p.store.Sessions(), body, p.log.String())
	}
	if r, err = b.Get(p.portal.URL + nemlogin.PathLogin); err != nil {
		p.t.Fatal(err)
	}
	if _, fields := p.form(r); !fields.Has("password") {
		p.t.Fatal("SimpleSAMLphp still knows the person after single logout")
	}
}

// logoutElsewhere ends the provider's session: it must tell us, and accept our
// answer.
func (p *php) logoutElsewhere(b *http.Client) {
	p.t.Helper()
	if p.session(b); p.store.Sessions() != 1 {
		p.t.Fatalf("%d sessions before", p.store.Sessions())
	}
	r, err := b.Get(p.idp.URL + "/saml2/idp/initSLO.php?RelayState=" + url.QueryEscape(p.idp.URL+"/saml2/idp/metadata.php"))
	if err != nil {
		p.t.Fatal(err)
	}
	body := p.read(r)
	if p.store.Sessions() != 0 || r.Request.URL.Path != "/saml2/idp/metadata.php" {
		p.t.Fatalf("logout elsewhere ended at %s with %d sessions: %.500s; log: %s", r.Request.URL, p.store.Sessions(), body, p.log.String())
	}
}

// TestSurprisesOfSimpleSAMLphp keeps what it does by habit or by a likely
// mistake of its operator; docs/saml.md tells each. Where there is a reason, no
// session may come of it.
func TestSurprisesOfSimpleSAMLphp(t *testing.T) {
	p := newPHP(t)
	if p == nil {
		return
	}
	const persistent = `'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'`
	for _, c := range []struct {
		name, hosted, who string
		strict            bool   // CBC stays refused, as it is for NemLog-in
		holds             string // what the Response must hold for the case to be real
		reason            string
	}{
		{name: "encrypts with AES-128-CBC whatever the metadata asks for", strict: true,
			holds: "xmlenc#aes128-cbc", reason: "decrypt"},
		{name: "CBC in a Response that is not signed is never opened", hosted: `'saml20.sign.response' => false,`,
			holds: "xmlenc#aes128-cbc", reason: "decrypt"},
		{name: "leaves assertions in clear unless told", hosted: `'assertion.encryption' => false,`,
			holds: "<saml:Assertion", reason: "response-assertions"},
		{name: "signs with SHA-1 when told to", hosted: `'signature.algorithm' => 'http://www.w3.org/2000/09/xmldsig#rsa-sha1',`,
			holds: "xmldsig#rsa-sha1", reason: "response-sig-algorithm"},
		{name: "heeds WantAssertionsSigned over its operator", hosted: `'saml20.sign.assertion' => false,`},
		{name: "heeds the NameFormat that we request over its operator",
			hosted: `'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',`},
		{name: "makes up an opaque persistent name", hosted: `'authproc' => [40 => ['class' => 'saml:AttributeNameID', 'attribute' => 'opaque', ` + persistent + `]],`,
			reason: "name-id"},
		{name: "falls back to a transient name without a word", // which OIOSAML 3 allows
			hosted: `'authproc' => [], 'simplesaml.nameidattribute' => 'missing',`},
		{name: "answers below the requested level", who: "mette", reason: "level-too-low"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			p.hosted(c.hosted)
			p.serve(func(n *nemlogin.Config) { n.AllowCBC = !c.strict })
			r := p.login(p.browser(), cmp.Or(c.who, "nancy"))
			body := p.read(r)
			if !bytes.Contains(p.answer, []byte(c.holds)) {
				t.Fatalf("the answer does not hold %q", c.holds)
			}
			if c.reason == "" {
				if r.StatusCode != http.StatusSeeOther || p.store.Sessions() != 1 {
					t.Fatalf("answered %d %s", r.StatusCode, body)
				}
				return
			}
			if r.StatusCode < 400 || r.StatusCode > 499 || p.store.Sessions() != 0 {
				t.Fatalf("answered %d with %d sessions", r.StatusCode, p.store.Sessions())
			}
			if !strings.Contains(p.log.String(), `"reason":"`+c.reason+`"`) {
				t.Fatalf("want reason %q, log says %s", c.reason, p.log.String())
			}
		})
	}
}
