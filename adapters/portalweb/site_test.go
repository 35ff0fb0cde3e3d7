package portalweb_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"golang.org/x/net/html"

	"sikkerpost.dk/gateway/adapters/portalweb"
	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/intake/intaketest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/draft"
	"sikkerpost.dk/gateway/testdata"
)

// sessions logs in whoever the cookie names; a stand-in for the log-in.
type sessions struct{}

func (sessions) Session(r *http.Request) (login.Session, error) {
	c, err := r.Cookie("who")
	if err != nil {
		return login.Session{}, post.FaultLoginNeeded
	}
	p, ok := persona.By(c.Value)
	if !ok {
		return login.Session{}, post.FaultLoginNeeded
	}
	cpr, err := post.ParseCPR(p.CPR)
	if err != nil {
		return login.Session{}, err
	}
	return login.Session{ID: "s", Person: post.Person{Actor: post.NewParty(cpr, "", p.Name)}, Level: login.Substantial}, nil
}

// town is a site with everything around it in memory.
type town struct {
	*httptest.Server
	store *intaketest.Store
	blobs *intaketest.Blobs
	log   *safeBuffer
	dir   string
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newTown(t *testing.T, edits ...func(*portalweb.Config)) town {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	to := []age.Recipient{id.Recipient()}
	signing, err := intaketest.NewSigning()
	if err != nil {
		t.Fatal(err)
	}
	index := make([]byte, 32)
	rand.Read(index)
	c := town{store: intaketest.NewStore(), blobs: intaketest.NewBlobs(), log: &safeBuffer{}, dir: t.TempDir()}
	log := slog.New(slog.NewTextHandler(c.log, nil))
	desk, err := intake.New(intake.Config{
		Drafts: c.store, Inquiries: c.store, Receipts: c.store, Ledger: c.store, Blobs: c.blobs, Ring: draft.NewRing(),
		Tenants: persona.Tenants(), Inboxes: map[post.InboxID][]age.Recipient{"dpo-faelles": to}, Dispatcher: to,
		IndexKey: index, Signing: signing, Scanner: intake.NoScanner{}, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	saml := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "saml "+r.Method+" "+r.URL.Path) })
	conf := portalweb.Config{
		Intake: desk, Sessions: sessions{}, SAML: saml, LoginPath: "/saml/login", LogoutPath: "/logout",
		Tenants: persona.Tenants(), FormOrigins: []string{"https://login.example"}, LedgerDir: c.dir, Log: log,
	}
	for _, edit := range edits {
		edit(&conf)
	}
	site, err := portalweb.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	c.Server = httptest.NewTLSServer(site)
	t.Cleanup(c.Close)
	return c
}

// citizen is somebody with a browser that keeps cookies and follows redirects.
type citizen struct {
	t    *testing.T
	town town
	http *http.Client
	lang string
}

func (c town) citizen(t *testing.T, who, lang string) citizen {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	if who != "" {
		jar.SetCookies(u, []*http.Cookie{{Name: "who", Value: who, Secure: true}})
	}
	return citizen{t, c, &http.Client{Jar: jar, Transport: c.Client().Transport}, lang}
}

// shown is what a browser shows.
type shown struct {
	status int
	path   string
	header http.Header
	text   string
	root   *html.Node
}

func (c citizen) do(r *http.Request) shown {
	c.t.Helper()
	r.Header.Set("Accept-Language", c.lang)
	if r.Header.Get("Sec-Fetch-Site") == "" {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	return shown{resp.StatusCode, resp.Request.URL.Path, resp.Header, string(body), root}
}

func (c citizen) open(path string) shown {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.town.URL+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.do(r)
}

func (c citizen) send(path string, pairs ...string) shown {
	c.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.town.URL+path, strings.NewReader(v.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(r)
}

// upload sends files (name, content, name, content) and may press "continue".
func (c citizen) upload(next bool, files ...string) shown {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(files); i += 2 {
		p, err := w.CreateFormFile("file", files[i])
		if err == nil {
			_, err = io.WriteString(p, files[i+1])
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	if next {
		if err := w.WriteField("next", "1"); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.town.URL+"/ny/filer", &b)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return c.do(r)
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// elements returns every element with one of the names.
func (s shown) elements(names ...string) []*html.Node {
	var all []*html.Node
	for n := range s.root.Descendants() {
		for _, name := range names {
			if n.Type == html.ElementNode && n.Data == name {
				all = append(all, n)
			}
		}
	}
	return all
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (s shown) heading() string {
	for _, n := range s.elements("h1") {
		return words(n)
	}
	return ""
}

// value returns the value of a hidden field.
func (s shown) value(name string) string {
	for _, n := range s.elements("input") {
		if attr(n, "name") == name {
			return attr(n, "value")
		}
	}
	return ""
}

func pdf(t *testing.T) string {
	t.Helper()
	data, err := testdata.FS.ReadFile("pdf/request.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// toCheck fills in everything up to the last page.
func (c citizen) toCheck(road string) shown {
	c.t.Helper()
	c.send("/ny/modtager", "tenant", "engdal", "road", road)
	c.send("/ny/emne", "kind", "access", "subject", "Min ansøgning")
	c.send("/ny/besked", "text", "Hvad har I om mig? CANARY-text")
	page := c.upload(true, "mit bilag.pdf", pdf(c.t))
	if page.path != "/ny/tjek" || page.status != http.StatusOK {
		c.t.Fatalf("at %s: %d %s", page.path, page.status, page.heading())
	}
	return page
}

func TestWholeFlowWithoutScripts(t *testing.T) {
	for _, road := range []string{"dpo", "digital-post"} {
		for _, lang := range []string{"da", "en"} {
			t.Run(road+" "+lang, func(t *testing.T) {
				town := newTown(t)
				c := town.citizen(t, "nancy", lang)
				if p := c.open("/ny"); p.path != "/ny/modtager" {
					t.Fatalf("began at %s", p.path)
				}
				check := c.toCheck(road)
				for _, want := range []string{"CANARY-text", "mit bilag.pdf", "Engdal Kommune"} {
					if !strings.Contains(check.text, want) {
						t.Errorf("the summary lacks %s", want)
					}
				}
				id := check.value("draft")
				receipt := c.send("/ny/tjek", "draft", id)
				if receipt.status != http.StatusOK || !strings.HasPrefix(receipt.path, "/kvittering/SP-") {
					t.Fatalf("sent to %s: %d %s", receipt.path, receipt.status, receipt.heading())
				}
				if again := c.send("/ny/tjek", "draft", id); again.path != receipt.path {
					t.Errorf("sent twice: %s and %s", receipt.path, again.path)
				}
				if len(town.store.Accepted) != 1 {
					t.Errorf("%d inquiries", len(town.store.Accepted))
				}
				if strings.Contains(receipt.text, "CANARY-text") || !strings.Contains(receipt.text, "mit bilag.pdf") {
					t.Error("the receipt page must name the files and not repeat the text")
				}
				file := c.open(receipt.path + "/statement.json")
				if file.header.Get("Content-Type") != "application/json" {
					t.Error("the signed receipt is not JSON")
				}
				genuine := town.citizen(t, "", lang).send("/tjek-kvittering", "statement", file.text)
				if genuine.status != http.StatusOK || !strings.Contains(genuine.text, strings.TrimPrefix(receipt.path, "/kvittering/")) {
					t.Errorf("the receipt is not found genuine: %d", genuine.status)
				}
				if copied := c.open(receipt.path + "/kopi.txt"); !strings.Contains(copied.text, "CANARY-text") {
					t.Error("the copy lacks the text")
				}
				if mine := c.open("/mine"); !strings.Contains(mine.text, strings.TrimPrefix(receipt.path, "/kvittering/")) {
					t.Error("the inquiry is not among my own")
				}
				if other := town.citizen(t, "poul", lang).open(receipt.path); other.status != http.StatusNotFound {
					t.Errorf("somebody else sees %d", other.status)
				}
				for _, secret := range []string{"CANARY", "bilag", "6503851236", "Berggren"} {
					if strings.Contains(town.log.String(), secret) {
						t.Errorf("%s is in the log", secret)
					}
				}
			})
		}
	}
}

func TestFormsSayWhatIsWrong(t *testing.T) {
	town := newTown(t)
	c := town.citizen(t, "nancy", "da")
	filled := func(upTo int) {
		steps := []func(){
			func() { c.send("/ny/modtager", "tenant", "engdal", "road", "dpo") },
			func() { c.send("/ny/emne", "kind", "access") },
			func() { c.send("/ny/besked", "text", "hej") },
		}
		for _, s := range steps[:upTo] {
			s()
		}
	}
	tests := []struct {
		name   string
		filled int
		do     func() shown
		status int
		fields []string
	}{
		{"no municipality and no recipient", 0, func() shown { return c.send("/ny/modtager") }, 422, []string{"tenant", "road-dpo"}},
		{"an unknown municipality", 0, func() shown { return c.send("/ny/modtager", "tenant", "atlantis", "road", "dpo") }, 422, []string{"tenant"}},
		{"no topic", 1, func() shown { return c.send("/ny/emne") }, 422, []string{"kind-access"}},
		{"no text", 2, func() shown { return c.send("/ny/besked", "text", "  ") }, 422, []string{"text"}},
		{"too long a text", 2, func() shown { return c.send("/ny/besked", "text", strings.Repeat("a", 4001)) }, 422, []string{"text"}},
		{"a file of a wrong type", 3, func() shown { return c.upload(true, "a.exe", "MZ") }, 422, []string{"file"}},
		{"a PDF that is no PDF", 3, func() shown { return c.upload(true, "a.pdf", "hello") }, 422, []string{"file"}},
		{"the test virus", 3, func() shown {
			return c.upload(true, "a.txt", `X5O!P%@AP[4\PZX54(P^)7CC)7}$`+`EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`)
		}, 422, []string{"file"}},
		{"a file name that deceives", 3, func() shown { return c.upload(true, "a\u202etxt.pdf", "hello") }, 422, []string{"file"}},
		{"eleven files", 3, func() shown {
			var files []string
			for range 11 {
				files = append(files, "a.txt", "hej")
			}
			return c.upload(true, files...)
		}, 422, []string{"file"}},
		{"nothing to check", 0, func() shown { return c.send("/tjek-kvittering", "statement", "") }, 422, []string{"statement"}},
		{"no receipt", 0, func() shown { return c.send("/tjek-kvittering", "statement", "hello") }, 422, []string{"statement"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c.send("/ny/slet")
			filled(test.filled)
			p := test.do()
			if p.status != test.status {
				t.Fatalf("status %d, %s", p.status, p.heading())
			}
			checkStructure(t, p, "da")
			if title := words(p.elements("title")[0]); !strings.HasPrefix(title, "Fejl:") {
				t.Errorf("the title %q does not say so", title)
			}
			var linked []string
			for _, n := range p.elements("a") {
				if href := attr(n, "href"); strings.HasPrefix(href, "#") && href != "#main" {
					linked = append(linked, strings.TrimPrefix(href, "#"))
				}
			}
			if strings.Join(linked, " ") != strings.Join(test.fields, " ") {
				t.Errorf("the summary leads to %v, want %v", linked, test.fields)
			}
		})
	}
}

func TestGoodFilesStayWhenOthersAreRefused(t *testing.T) {
	town := newTown(t)
	c := town.citizen(t, "nancy", "en")
	c.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
	c.send("/ny/emne", "kind", "breach")
	c.send("/ny/besked", "text", "x")
	p := c.upload(true, "good.txt", "hej", "bad.pdf", "hej", "good2.txt", "hej")
	if p.status != http.StatusUnprocessableEntity || strings.Count(p.text, "good") < 2 {
		t.Fatalf("%d %s", p.status, p.heading())
	}
	p = c.open("/ny/filer")
	id := p.value("file")
	if p = c.send("/ny/filer/slet", "file", id); strings.Contains(p.text, ">good.txt<") || !strings.Contains(p.text, "good2.txt") {
		t.Error("the wrong file was removed")
	}
}

func TestDraftIsFoundAgainAndCanBeDeleted(t *testing.T) {
	town := newTown(t)
	c := town.citizen(t, "nancy", "da")
	c.toCheck("dpo")
	if p := town.citizen(t, "nancy", "da").open("/ny"); p.path != "/ny/tjek" || !strings.Contains(p.text, "CANARY-text") {
		t.Errorf("after a new log-in the draft is at %s", p.path)
	}
	if p := town.citizen(t, "poul", "da").open("/ny/tjek"); p.path != "/ny/modtager" || strings.Contains(p.text, "CANARY") {
		t.Errorf("somebody else is at %s", p.path)
	}
	if p := c.send("/ny/slet"); p.path != "/mine" || len(town.store.Drafts()) != 0 || len(town.blobs.Names()) != 0 {
		t.Error("the draft is still there")
	}
}

func TestLogFilesAreServedAndNothingElse(t *testing.T) {
	town := newTown(t)
	for name, text := range map[string]string{"checkpoint": "log\n", "tile/0/000": "tile", "tile/0/001.p/3": "part", ".secret": "no"} {
		path := filepath.Join(town.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(town.dir, "outside")); err != nil {
		t.Fatal(err)
	}
	c := town.citizen(t, "", "da")
	for path, want := range map[string]int{
		"/ledger/checkpoint": 200, "/ledger/tile/0/000": 200, "/ledger/tile/0/001.p/3": 200, "/ledger/.secret": 404,
		"/ledger/receipt-key": 200, "/ledger/": 404, "/ledger/tile": 404, "/ledger/none": 404, "/ledger/tile/%2e%2e/%2e%2e/x": 404,
	} {
		if p := c.open(path); p.status != want {
			t.Errorf("%s: %d, want %d", path, p.status, want)
		}
	}
	if p := c.open("/ledger/outside"); p.status < 400 {
		t.Errorf("a link out of the directory answers %d", p.status)
	}
	if p := c.open("/ledger/tile/0/000"); !strings.Contains(p.header.Get("Cache-Control"), "immutable") {
		t.Error("a full tile may be kept for ever")
	}
	if p := c.open("/ledger/tile/0/001.p/3"); strings.Contains(p.header.Get("Cache-Control"), "immutable") {
		t.Error("a partial tile changes")
	}
}
