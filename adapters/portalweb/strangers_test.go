package portalweb_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"sikkerpost.dk/gateway/adapters/portalweb"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// try is what somebody sends to a route that asks for a log-in: the form that nancy would, and the
// ids of what is hers.
type try struct {
	path  string
	pairs []string
	id    string // of hers, in path or pairs
	file  bool   // the form is an upload
	gone  bool   // about what is not there it is refused; else it is about one's own alone
}

// tries has a row for every route that asks for a log-in: a new one without a row fails the test.
func tries(reference, draft, file string) map[string]try {
	receipt := "/kvittering/" + reference
	return map[string]try{
		"GET /session":                         {path: "/session"},
		"POST /session/forlaeng":               {path: "/session/forlaeng"},
		"GET /fuldmagt":                        {path: "/fuldmagt"},
		"POST /fuldmagt":                       {path: "/fuldmagt", pairs: []string{"acting", "1", "return", "/mine"}},
		"GET /ny":                              {path: "/ny"},
		"GET /ny/modtager":                     {path: "/ny/modtager"},
		"POST /ny/modtager":                    {path: "/ny/modtager", pairs: []string{"tenant", "fjordby", "road", "dpo"}},
		"GET /ny/emne":                         {path: "/ny/emne"},
		"POST /ny/emne":                        {path: "/ny/emne", pairs: []string{"kind", "breach"}},
		"GET /ny/besked":                       {path: "/ny/besked"},
		"POST /ny/besked":                      {path: "/ny/besked", pairs: []string{"text", "andet"}},
		"GET /ny/filer":                        {path: "/ny/filer"},
		"POST /ny/filer":                       {path: "/ny/filer", file: true},
		"POST /ny/filer/slet":                  {path: "/ny/filer/slet", pairs: []string{"file", file}, id: file},
		"GET /ny/tjek":                         {path: "/ny/tjek"},
		"POST /ny/tjek":                        {path: "/ny/tjek", pairs: []string{"draft", draft}, id: draft, gone: true},
		"GET /ny/slet":                         {path: "/ny/slet"},
		"POST /ny/slet":                        {path: "/ny/slet"},
		"GET /kvittering/{ref}":                {path: receipt, id: reference, gone: true},
		"GET /kvittering/{ref}/statement.json": {path: receipt + "/statement.json", id: reference, gone: true},
		"GET /kvittering/{ref}/kopi.txt":       {path: receipt + "/kopi.txt", id: reference, gone: true},
		"GET /mine":                            {path: "/mine"},
	}
}

// public are the routes that anybody may ask for, POST among them; what each is good for has tests apart.
var public = []string{"/", "/saml/", "GET /favicon.ico", "GET /ledger/receipt-key", "GET /ledger/{file...}", "GET /logget-af", "GET /static/{file}",
	"GET /tjek-kvittering", "GET /{$}", "POST /logout", "POST /tjek-kvittering"}

// elsewhere is the same about something that is not there.
func (x try) elsewhere() try {
	other := post.NewID()
	if strings.HasPrefix(x.id, "SP-") {
		other = post.NewReference()
	}
	if x.id != "" {
		x.path = strings.ReplaceAll(x.path, x.id, other)
		x.pairs = strings.Split(strings.ReplaceAll(strings.Join(x.pairs, "\x00"), x.id, other), "\x00")
	}
	return x
}

func (c citizen) try(route string, x try) shown {
	client := *c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &client
	switch {
	case x.file:
		return c.upload(false, "a.txt", "hej")
	case strings.HasPrefix(route, "POST "):
		return c.send(x.path, x.pairs...)
	}
	return c.open(x.path)
}

// uploadFor sends a file by a form that was made for mark.
func (c citizen) uploadFor(mark, name, content string) shown {
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.town.URL+"/ny/filer", strings.NewReader(
		"--b\r\nContent-Disposition: form-data; name=\"for\"\r\n\r\n"+mark+
			"\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\""+name+"\"\r\n\r\n"+content+"\r\n--b--\r\n"))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	return c.do(r)
}

// own is what differs between two refusals of the same kind: their references, their time, and the address.
var own = regexp.MustCompile(`F-[A-Z0-9]{8}|SP-[0-9A-Z]{4}-[0-9A-Z]{4}|[0-9a-f]{8}-[0-9a-f-]{27}|<dd>[^<]*kl\.[^<]*</dd>`)

func (s shown) plain() string {
	return own.ReplaceAllString(fmt.Sprint(s.status, s.header.Get("Location"), s.text), "*")
}

// TestAStrangerSeesNothingAndChangesNothing calls every route as nobody, as somebody else with
// nancy's own ids, and from another site. What is hers is told as what is not there.
func TestAStrangerSeesNothingAndChangesNothing(t *testing.T) {
	town := newTown(t)
	nancy := town.citizen(t, "nancy", "da")
	sent := nancy.send("/ny/tjek", "draft", nancy.toCheck("dpo").value("draft"))
	reference := strings.TrimPrefix(sent.path, "/kvittering/")
	check := nancy.toCheck("dpo")
	rows := tries(reference, check.value("draft"), nancy.open("/ny/filer").value("file"))
	secrets := []string{"CANARY", "mit bilag", "Nancy", "Berggren", "650385"}
	hers := func() string { return nancy.open("/ny/tjek").text + nancy.open("/mine").text }
	before := hers()

	var open []string
	for route, mine := range town.Config.Handler.(*portalweb.Site).Routes() {
		if !mine {
			open = append(open, route)
			continue
		}
		x, ok := rows[route]
		if !ok {
			t.Errorf("%s has no row here: say what a stranger sees", route)
			continue
		}
		reading := strings.HasPrefix(route, "GET ")
		for _, who := range []string{"", "nobody", "poul"} { // without a session, with one that is over, somebody else
			p := town.citizen(t, who, "da").try(route, x)
			other := town.citizen(t, who, "da").try(route, x.elsewhere())
			switch {
			case who != "poul" && reading && (p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/saml/login?return=")):
				t.Errorf("%s as nobody: %d to %q", route, p.status, p.header.Get("Location"))
			case who != "poul" && !reading && p.status != http.StatusUnauthorized:
				t.Errorf("%s as nobody: %d", route, p.status)
			case who == "poul" && x.gone && (p.status != http.StatusNotFound && p.status != http.StatusConflict):
				t.Errorf("%s as somebody else: %d", route, p.status)
			case x.id != "" && p.plain() != other.plain():
				t.Errorf("%s as %q: what is there is told from what is not:\n%s\n%s", route, who, p.plain(), other.plain())
			}
			for _, s := range secrets {
				if strings.Contains(p.text, s) {
					t.Errorf("%s as %q shows %q", route, who, s)
				}
			}
			if got := p.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s as %q may be cached: %q", route, who, got)
			}
		}
		if reading {
			if got := nancy.try(route, x).header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s may be cached: %q", route, got)
			}
		}
		for _, site := range []string{"cross-site", "same-site"} {
			if reading {
				continue
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, town.URL+x.path, strings.NewReader("text=andet&tenant=fjordby&road=dpo&draft="+x.id))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if p := nancy.do(r); p.status != http.StatusForbidden {
				t.Errorf("%s from another site (%s): %d", route, site, p.status)
			}
		}
		if hers() != before {
			t.Fatalf("%s changed what is nancy's", route)
		}
	}
	sort.Strings(open)
	if strings.Join(open, " ") != strings.Join(public, " ") {
		t.Errorf("public are\n%v, not\n%v", open, public)
	}
	if len(town.store.Accepted) != 1 {
		t.Errorf("%d inquiries, want nancy's one", len(town.store.Accepted))
	}
}

// writers are people at one browser, one after the other: who reads the cookie, who changes it.
type writers struct {
	*book
	all map[string]login.Session
}

func (w *writers) is(who string) {
	s := w.all[who]
	w.session = &s
}

// TestAFormIsForWhomItWasMade: a page that is open in one tab is not sent as somebody who has logged
// in in another since, nor for another than it was written for. The message is not lost by it.
func TestAFormIsForWhomItWasMade(t *testing.T) {
	w := &writers{book: jens(t), all: map[string]login.Session{}}
	self := *w.session
	self.Chosen = true
	w.all["jens"] = self
	grantor := self
	grantor.Acting, grantor.Person.OnBehalfOf = 1, &self.Grants[0]
	w.all["jens for poul"] = grantor
	w.all["nancy"] = login.Session{ID: "n", Person: post.Person{Actor: personOf(t, "nancy", "Nancy Ann Berggren")}, Level: login.Substantial,
		AuthnAt: self.AuthnAt, ExpiresAt: self.ExpiresAt, IdleAt: self.IdleAt}
	c := w.town(t).citizen(t, "", "da")
	fill := func(who string) {
		w.is(who)
		c.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
		c.send("/ny/emne", "kind", "access")
		c.send("/ny/besked", "text", "fra "+who)
		c.upload(false, "bilag.txt", "hej")
	}
	for who := range w.all {
		fill(who)
	}
	shows := func(who string) string { w.is(who); return c.open("/ny/tjek").text }
	const writer = "jens for poul"
	for _, other := range []string{"jens", "nancy"} {
		before, theirs := shows(other), shows(writer)
		for _, path := range []string{"/ny/modtager", "/ny/emne", "/ny/besked", "/ny/slet", "/ny/tjek"} {
			w.is(writer)
			page := c.open(path)
			mark := page.value("for")
			w.is(other)
			p := c.send(path, "for", mark, "tenant", "fjordby", "road", "dpo", "kind", "breach", "text", "CANARY-to", "draft", page.value("draft"))
			if mark == "" || p.status != http.StatusForbidden || !strings.Contains(p.text, "POST-1017") {
				t.Errorf("%s of %s as %s: %d %s", path, writer, other, p.status, p.heading())
			}
			checkStructure(t, p, "da")
			if path != "/ny/besked" {
				continue
			}
			if !strings.Contains(p.text, "CANARY-to") || p.value("for") != mark || p.leads("/fuldmagt") != (other == "jens") || p.leads("/saml/login") != (other == "nancy") {
				t.Errorf("the message is not given back, or no way leads on: %s", words(p.root))
			}
			if again := c.send(path, "for", p.value("for"), "text", "CANARY-to"); again.status != http.StatusForbidden {
				t.Errorf("sent again as %s: %d", other, again.status)
			}
		}
		w.is(writer)
		files := c.open("/ny/filer")
		w.is(other)
		if p := c.send("/ny/filer/slet", "for", files.value("for"), "file", files.value("file")); p.status != http.StatusForbidden {
			t.Errorf("a file was removed: %d", p.status)
		}
		if p := c.uploadFor(files.value("for"), "andet.txt", "hej"); p.status != http.StatusForbidden {
			t.Errorf("a file was added: %d", p.status)
		}
		if shows(other) != before || shows(writer) != theirs {
			t.Errorf("a form of %s changed something as %s", writer, other)
		}
	}
	w.is(writer)
	page := c.open("/ny/besked")
	if p := c.send("/ny/besked", "for", page.value("for"), "text", "CANARY-to"); p.path != "/ny/filer" || !strings.Contains(shows(writer), "CANARY-to") {
		t.Errorf("as %s again it leads to %s", writer, p.path)
	}
	// The list of powers of attorney is the person's own, whoever they act for just now.
	list := c.open("/fuldmagt").value("for")
	w.is("jens")
	if p := c.send("/fuldmagt", "for", list, "acting", "0", "return", "/mine"); p.path != "/mine" {
		t.Errorf("one's own list is refused: %d", p.status)
	}
	w.is("nancy")
	if p := c.send("/fuldmagt", "for", list, "acting", "1", "return", "/mine"); p.status != http.StatusForbidden || !strings.Contains(p.text, "POST-1017") {
		t.Errorf("another's list is taken: %d", p.status)
	}
}

// TestNoAddressMakesALinkOfOursLeadElsewhere: a page repeats its own address in the choice of language,
// and an address may begin so that a browser takes it for another site's.
func TestNoAddressMakesALinkOfOursLeadElsewhere(t *testing.T) {
	town := newTown(t)
	site := town.Config.Handler
	for _, path := range []string{"//evil.test", "///evil.test/a", "/%2Fevil.test", "/%5Cevil.test", "/\\evil.test", "/.//evil.test", "/x/..//evil.test", "/javascript:alert(1)", "//evil.test/%0d%0aSet-Cookie:a=b", "/\u2028/evil.test"} {
		for _, method := range []string{"GET", "POST", "PUT", "CONNECT"} {
			for _, from := range []string{"cross-site", "same-origin", "none"} {
				u, err := url.Parse("https://portal.example")
				if err != nil {
					t.Fatal(err)
				}
				if u.Path, err = url.PathUnescape(path); err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(method, "https://portal.example/", nil)
				r.URL.Path, r.RemoteAddr = u.Path, "198.51.100.7:1"
				r.Header.Set("Sec-Fetch-Site", from)
				w := httptest.NewRecorder()
				site.ServeHTTP(w, r)
				root, err := html.Parse(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				links := []string{w.Header().Get("Location")}
				for _, n := range (shown{root: root}).elements("a", "form", "link") {
					links = append(links, attr(n, "href"), attr(n, "action"))
				}
				for _, l := range links {
					if strings.HasPrefix(l, "//") || strings.HasPrefix(l, "/\\") || strings.Contains(l, "evil") && !strings.HasPrefix(l, "/") || strings.HasPrefix(l, "javascript:") {
						t.Errorf("%s %s (%s) leads to %q", method, path, from, l)
					}
				}
			}
		}
	}
}

// TestWhatPeopleWriteStaysText puts markup, and what ends an attribute, into everything that a page repeats.
func TestWhatPeopleWriteStaysText(t *testing.T) {
	const bad = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}` + "\u2028</textarea></title>"
	town := newTown(t, func(c *portalweb.Config) {
		tenants := append([]post.Tenant(nil), c.Tenants...)
		tenants[0].Name, tenants[0].Phone = bad, `1" onclick="alert(1)`
		c.Tenants = tenants
	})
	for _, lang := range []string{"da", "en"} {
		c := town.citizen(t, "nancy", lang)
		var seen []shown
		see := func(p shown) shown { seen = append(seen, p); return p }
		see(c.open("/"))
		see(c.send("/ny/modtager", "tenant", bad, "road", bad))
		c.send("/ny/modtager", "tenant", string(persona.Tenants()[0].ID), "road", "digital-post")
		see(c.send("/ny/emne", "subject", strings.Repeat(bad, 3)))
		see(c.send("/ny/emne", "subject", bad))
		see(c.send("/ny/besked", "text", strings.Repeat(bad, 100)))
		see(c.send("/ny/besked", "text", bad, "for", bad))
		see(c.send("/ny/besked", "text", bad))
		see(c.upload(false, bad+".exe", "x", bad+".txt", "x", `a"b<i>.txt`, "hej"))
		see(c.open("/ny/filer"))
		see(c.open("/ny/besked"))
		sent := see(c.open("/ny/tjek"))
		see(c.send("/ny/slet", "for", bad))
		see(c.open("/ny/slet"))
		see(town.citizen(t, "", lang).send("/ny/besked", "text", bad, "for", bad))
		see(c.send("/tjek-kvittering", "statement", bad))
		see(c.send("/fuldmagt", "return", bad))
		see(c.open("/fuldmagt?return=" + url.QueryEscape(bad)))
		see(c.open("/" + url.PathEscape(bad)))
		see(c.send("/ny/tjek", "draft", sent.value("draft")))
		see(c.open("/mine"))
		for _, p := range seen {
			for _, n := range p.elements("script", "img", "i", "iframe", "object", "svg") {
				t.Errorf("%s has the element %s", p.path, n.Data)
			}
			for n := range p.root.Descendants() {
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.TrimSpace(strings.ToLower(a.Val)), "javascript:") {
						t.Errorf("%s has the attribute %s=%q", p.path, a.Key, a.Val)
					}
				}
			}
		}
	}
}

// TestNoHeaderNamesUsToAReader: what a browser or a proxy claims to be our name, address or path comes into no
// page and no redirect, and a header that comes twice opens nothing.
func TestNoHeaderNamesUsToAReader(t *testing.T) {
	town := newTown(t)
	claims := [][2]string{{"Host", "evil.test"}, {"X-Forwarded-Host", "evil.test"}, {"Forwarded", "host=evil.test"}, {"X-Original-Url", "/mine"},
		{"X-Rewrite-Url", "/mine"}, {"X-Http-Method-Override", "POST"}, {"X-Forwarded-Prefix", "//evil.test"}, {"Referer", "https://evil.test/"}, {"Origin", "https://evil.test"}}
	for route := range town.Config.Handler.(*portalweb.Site).Routes() {
		method, path, ok := strings.Cut(route, " ")
		if !ok {
			method, path = http.MethodGet, route
		}
		path = strings.NewReplacer("{$}", "", "{ref}", "SP-7K3Q-92MD", "{file...}", "checkpoint", "{file}", "x").Replace(path)
		ask := func(claims ...[2]string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, "https://portal.example"+path, nil)
			r.RemoteAddr = "198.51.100.7:1"
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			for _, c := range claims {
				if r.Header.Set(c[0], c[1]); c[0] == "Host" {
					r.Host = c[1]
				}
			}
			w := httptest.NewRecorder()
			town.Config.Handler.ServeHTTP(w, r)
			return w
		}
		plain := ask()
		for _, c := range claims {
			w := ask(c)
			if strings.Contains(w.Body.String()+fmt.Sprint(w.Header()), "evil") || w.Code != plain.Code || w.Header().Get("Location") != plain.Header().Get("Location") {
				t.Errorf("%s with %s: %s: %d to %q, without %d", route, c[0], c[1], w.Code, w.Header().Get("Location"), plain.Code)
			}
		}
	}
	for _, second := range []string{"cross-site", "same-site"} {
		r := httptest.NewRequest(http.MethodPost, "https://portal.example/ny/besked", nil)
		r.Header.Add("Sec-Fetch-Site", second)
		r.Header.Add("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		if town.Config.Handler.ServeHTTP(w, r); w.Code != http.StatusForbidden {
			t.Errorf("sent by another site first: %d", w.Code)
		}
	}
}
