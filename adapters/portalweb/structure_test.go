package portalweb_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// checkStructure asserts what every page must have, whatever it says.
func checkStructure(t *testing.T, p shown, lang string) {
	t.Helper()
	if ct := p.header.Get("Content-Type"); ct != "text/html; charset=utf-8" {
		t.Errorf("content type %q", ct)
	}
	if root := p.elements("html"); attr(root[0], "lang") != lang {
		t.Errorf("lang is %q, want %q", attr(root[0], "lang"), lang)
	}
	if n := len(p.elements("h1")); n != 1 {
		t.Errorf("%d main headings", n)
	}
	if titles := p.elements("title"); len(titles) != 1 || words(titles[0]) == "" {
		t.Error("no title")
	}
	if strings.Contains(p.text, "[") && strings.Contains(p.text, "]<") {
		t.Error("a text is missing")
	}
	ids, labels := map[string]int{}, map[string]bool{}
	for n := range p.root.Descendants() {
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
		if n.Data == "script" || n.Data == "style" || n.Data == "iframe" {
			t.Errorf("a <%s> element", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("an inline %s on <%s>", a.Key, n.Data)
			}
			if (a.Key == "href" || a.Key == "action" || a.Key == "src") && strings.Contains(a.Val, "//") {
				t.Errorf("leads elsewhere: %s", a.Val)
			}
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %s stands %d times", id, n)
		}
	}
	for _, l := range p.elements("label") {
		labels[attr(l, "for")] = words(l) != ""
	}
	for _, n := range p.elements("input", "select", "textarea") {
		if attr(n, "type") != "hidden" && !labels[attr(n, "id")] {
			t.Errorf("<%s name=%s> has no label", n.Data, attr(n, "name"))
		}
		for ref := range strings.FieldsSeq(attr(n, "aria-describedby")) {
			if ids[ref] == 0 {
				t.Errorf("aria-describedby names %s, which is not there", ref)
			}
		}
	}
	for _, n := range p.elements("input", "textarea", "select") {
		wrong := n.Parent != nil && attr(n.Parent, "class") == "field bad"
		if told := strings.Contains(attr(n, "aria-describedby"), attr(n, "id")+"-wrong"); attr(n, "aria-invalid") == "true" != wrong || wrong && !told {
			t.Errorf("<%s name=%s> is wrong: %t; said of the field itself: %t", n.Data, attr(n, "name"), wrong, told)
		}
	}
	for _, n := range p.elements("button", "a") {
		if words(n) == "" {
			t.Errorf("a <%s> says nothing", n.Data)
		}
		if href := attr(n, "href"); len(href) > 1 && href[0] == '#' && ids[href[1:]] == 0 {
			t.Errorf("link to %s leads nowhere", href)
		}
	}
	for _, n := range p.elements("fieldset") {
		if n.FirstChild == nil || len(words(n)) == 0 {
			t.Error("an empty fieldset")
		}
	}
}

func TestEveryPageIsSound(t *testing.T) {
	town := newTown(t)
	for _, lang := range []string{"da", "en"} {
		nobody, nancy := town.citizen(t, "", lang), town.citizen(t, "nancy", lang)
		for _, path := range []string{"/", "/logget-af", "/logget-af?partial=1", "/tjek-kvittering", "/nothing"} {
			t.Run(lang+path, func(t *testing.T) { checkStructure(t, nobody.open(path), lang) })
		}
		t.Run(lang+" empty", func(t *testing.T) { checkStructure(t, nancy.open("/mine"), lang) })
		nancy.toCheck("dpo")
		for _, path := range []string{"/", "/ny/modtager", "/ny/emne", "/ny/besked", "/ny/filer", "/ny/tjek", "/mine", "/kvittering/SP-0000-0000"} {
			t.Run(lang+path, func(t *testing.T) { checkStructure(t, nancy.open(path), lang) })
		}
		nancy.toCheck("digital-post")
		for _, path := range []string{"/ny/emne", "/ny/besked", "/ny/tjek"} {
			t.Run(lang+path+" mail", func(t *testing.T) { checkStructure(t, nancy.open(path), lang) })
		}
		receipt := nancy.send("/ny/tjek", "draft", nancy.open("/ny/tjek").value("draft"))
		t.Run(lang+" receipt", func(t *testing.T) { checkStructure(t, receipt, lang) })
		t.Run(lang+" list", func(t *testing.T) { checkStructure(t, nancy.open("/mine"), lang) })
	}
}

func TestHostileTextIsOnlyText(t *testing.T) {
	town := newTown(t)
	c := town.citizen(t, "nancy", "da")
	hostile := `</textarea></dd><script>alert(1)</script><img src=x onerror=alert(1)>"'`
	c.send("/ny/modtager", "tenant", "engdal", "road", "digital-post")
	c.send("/ny/emne", "subject", hostile)
	c.send("/ny/besked", "text", hostile)
	for _, path := range []string{"/ny/emne", "/ny/besked", "/ny/tjek"} {
		p := c.open(path)
		checkStructure(t, p, "da")
		if len(p.elements("img")) > 0 {
			t.Errorf("%s shows a picture", path)
		}
	}
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	c := newTown(t).citizen(t, "", "da")
	for _, path := range []string{"/", "/nothing", "/saml/login", "/ledger/none"} {
		h := c.open(path).header
		for key, want := range map[string]string{
			"Content-Security-Policy":   "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' https://login.example",
			"Cache-Control":             "no-store",
			"X-Content-Type-Options":    "nosniff",
			"Referrer-Policy":           "no-referrer",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if got := h.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", path, key, got, want)
			}
		}
	}
}

func TestRequestsFromOtherSitesAreRefused(t *testing.T) {
	town := newTown(t)
	c := town.citizen(t, "nancy", "da")
	post := func(path string) shown {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, town.URL+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return c.do(r)
	}
	for _, path := range []string{"/ny/modtager", "/ny/tjek", "/ny/filer", "/logout", "/tjek-kvittering", "/saml/other", "/saml/acs/"} {
		if p := post(path); p.status != http.StatusForbidden || !strings.Contains(p.text, "POST-3030") {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	if p := post("/saml/acs"); p.status != http.StatusOK || p.text != "saml POST /saml/acs" {
		t.Errorf("the log-in's answer was stopped: %d", p.status)
	}
}

func TestFaultPages(t *testing.T) {
	town := newTown(t)
	nancy, nobody := town.citizen(t, "nancy", "da"), town.citizen(t, "", "da")
	tests := []struct {
		name   string
		do     func() shown
		status int
		code   string
	}{
		{"an unknown address", func() shown { return nobody.open("/nothing/here") }, 404, "POST-0002"},
		{"a receipt that is not there", func() shown { return nancy.open("/kvittering/SP-7K3Q-92MD") }, 404, "POST-0002"},
		{"a page used in a wrong way", func() shown { return nobody.send("/mine") }, 405, "POST-3033"},
		{"a form without log-in", func() shown { return nobody.send("/ny/besked", "text", "x") }, 401, "POST-1001"},
		{"a form that is too large", func() shown { return nancy.send("/ny/besked", "text", strings.Repeat("a", 200<<10)) }, 413, "POST-3031"},
		{"a draft that is gone", func() shown { return nancy.send("/ny/tjek", "draft", "018f0000-0000-7000-8000-000000000000") }, 409, "POST-3020"},
		{"a form without a draft", func() shown { return nancy.send("/ny/tjek", "draft", "x") }, 400, "POST-3032"},
		{"an upload that is none", func() shown { return nancy.send("/ny/filer") }, 400, "POST-3032"},
		{"a failure of ours", func() shown {
			page := nancy.toCheck("dpo")
			town.store.Broken = true
			defer func() { town.store.Broken = false }()
			return nancy.send("/ny/tjek", "draft", page.value("draft"))
		}, 500, "POST-0001"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := test.do()
			if p.status != test.status || !strings.Contains(p.text, test.code) {
				t.Fatalf("%d %s", p.status, p.heading())
			}
			checkStructure(t, p, "da")
			for _, n := range p.elements("code") {
				if ref := words(n); strings.HasPrefix(ref, "F-") && !strings.Contains(town.log.String(), ref) {
					t.Errorf("the log does not know the reference %s", ref)
				}
			}
		})
	}
	if strings.Contains(nancy.open("/ny/tjek").text, "broken on purpose") {
		t.Error("the cause is shown")
	}
}

func TestPagesThatNeedALogInLeadToIt(t *testing.T) {
	town := newTown(t)
	c := town.citizen(t, "", "da")
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{"/ny", "/ny/tjek", "/mine", "/kvittering/SP-7K3Q-92MD"} {
		p := c.open(path)
		want := "/saml/login?return=" + strings.ReplaceAll(path, "/", "%2F")
		if p.status != http.StatusSeeOther || p.header.Get("Location") != want {
			t.Errorf("%s: %d %s", path, p.status, p.header.Get("Location"))
		}
	}
}

func TestHugeUploadIsRefusedBeforeItIsRead(t *testing.T) {
	town := newTown(t)
	c := town.citizen(t, "nancy", "da")
	for name, declared := range map[string]int64{"by its declared size": 200 << 20, "while it streams": -1} {
		t.Run(name, func(t *testing.T) {
			c.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
			body := &endless{head: "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n"}
			body.left.Store(200 << 20)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, town.URL+"/ny/filer", body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = declared
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			began := time.Now()
			p := c.do(r)
			if p.status != http.StatusRequestEntityTooLarge || !strings.Contains(p.text, "POST-3031") {
				t.Fatalf("%d %s", p.status, p.heading())
			}
			checkStructure(t, p, "da")
			if read := int64(200<<20) - body.left.Load(); read > 40<<20 {
				t.Errorf("%d MB were read", read>>20)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

type endless struct {
	head string
	left atomic.Int64 // it may be read still when the answer is there
}

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	n := min(int64(len(p)), e.left.Load())
	if n <= 0 {
		return 0, io.EOF
	}
	e.left.Add(-n)
	return int(n), nil
}

func TestLanguageIsChosenAndKept(t *testing.T) {
	c := newTown(t).citizen(t, "", "en-GB,da;q=0.5")
	if p := c.open("/"); p.header.Get("Content-Language") != "en" {
		t.Error("the browser's wish is not met")
	}
	if p := c.open("/?lang=da"); p.header.Get("Content-Language") != "da" {
		t.Error("the choice is not met")
	}
	if p := c.open("/"); p.header.Get("Content-Language") != "da" {
		t.Error("the choice is forgotten")
	}
	if p := c.open("/?lang=xx"); p.header.Get("Content-Language") != "da" {
		t.Error("an unknown language changes something")
	}
}
