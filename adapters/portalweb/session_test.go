package portalweb_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/portalweb"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

func (s sessions) Peek(r *http.Request) (login.Session, error) { return s.Session(r) }

func (sessions) Act(*http.Request, int) error { return post.FaultNoGrant }

// book is one session that a test moves through time.
type book struct {
	now     time.Time
	session *login.Session // nil: nobody is logged in
	own     post.Person
	touched int
}

func (b *book) Session(*http.Request) (login.Session, error) {
	if b.session == nil {
		return login.Session{}, post.FaultLoginNeeded
	}
	b.touched++
	b.session.IdleAt = b.now.Add(30 * time.Minute)
	return *b.session, nil
}

func (b *book) Peek(*http.Request) (login.Session, error) {
	if b.session == nil {
		return login.Session{}, post.FaultLoginNeeded
	}
	return *b.session, nil
}

func (b *book) Act(_ *http.Request, n int) error {
	if n < 0 || n > len(b.session.Grants) {
		return post.FaultNoGrant
	}
	b.session.Acting, b.session.Chosen, b.session.Person = n, true, b.own
	if n > 0 {
		b.session.Person.OnBehalfOf = &b.session.Grants[n-1]
	}
	return nil
}

func personOf(t *testing.T, key, name string) post.Party {
	t.Helper()
	p, _ := persona.By(key)
	cpr, err := post.ParseCPR(p.CPR)
	if err != nil {
		t.Fatal(err)
	}
	return post.NewParty(cpr, "", name)
}

// jens is a session of jens, who may act for poul.
func jens(t *testing.T) *book {
	own := post.Person{Actor: personOf(t, "jens", "Jens Otto Vestergaard")}
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	return &book{now: now, own: own, session: &login.Session{
		ID: "s", Person: own, Grants: []post.Party{personOf(t, "poul", "")}, Level: login.Substantial,
		AuthnAt: now, ExpiresAt: now.Add(8 * time.Hour), IdleAt: now.Add(30 * time.Minute),
	}}
}

func (b *book) town(t *testing.T, rules ...portalweb.PageRule) town {
	return newTown(t, func(c *portalweb.Config) {
		c.Sessions, c.Pages, c.Now = b, rules, func() time.Time { return b.now }
	})
}

// leads reports whether a link of the page contains part.
func (p shown) leads(part string) bool {
	for _, a := range p.elements("a") {
		if strings.Contains(attr(a, "href"), part) {
			return true
		}
	}
	return false
}

// where opens path without following a redirect and returns where it leads.
func (c citizen) where(path string) string {
	c.t.Helper()
	client := *c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Get(c.town.URL + path)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Location")
}

func TestPowerOfAttorneyIsChosenBeforeAnythingElse(t *testing.T) {
	b := jens(t)
	c := b.town(t).citizen(t, "", "da")
	if to := c.where("/ny/emne"); to != "/fuldmagt?return=%2Fny%2Femne" {
		t.Fatalf("undecided, the page leads to %q", to)
	}
	p := c.open("/fuldmagt?return=/ny/modtager")
	checkStructure(t, p, "da")
	if !strings.Contains(p.text, "710452-••••") || strings.Contains(p.text, "7104521145") {
		t.Error("the grantor is not named, or named in full")
	}
	if p := c.send("/fuldmagt", "return", "/ny/modtager"); p.status != http.StatusUnprocessableEntity {
		t.Errorf("no choice answered %d", p.status)
	}
	if p := c.send("/fuldmagt", "return", "/ny/modtager", "acting", "7"); p.status != http.StatusForbidden {
		t.Errorf("a foreign choice answered %d", p.status)
	}
	p = c.send("/fuldmagt", "return", "/ny/modtager", "acting", "1")
	if p.status != http.StatusOK || b.session.Person.OnBehalfOf == nil || b.session.Person.Actor.Name() != "Jens Otto Vestergaard" {
		t.Fatalf("answered %d", p.status)
	}
	if !strings.Contains(p.text, "Jens Otto Vestergaard") || !strings.Contains(p.text, "på vegne af") || !strings.Contains(p.text, "710452-••••") {
		t.Error("the page does not show both")
	}
	// A draft for the grantor is not the person's own.
	c.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
	if !strings.Contains(c.open("/mine").text, "Du har en kladde") {
		t.Fatal("the grantor's draft is not there")
	}
	c.send("/fuldmagt", "return", "/mine", "acting", "0")
	if b.session.Person.OnBehalfOf != nil || strings.Contains(c.open("/mine").text, "Du har en kladde") {
		t.Fatal("the draft moved along")
	}
	for _, to := range []string{"https://evil.test", "//evil.test", ""} {
		if p := c.send("/fuldmagt", "return", to, "acting", "0"); p.status != http.StatusOK {
			t.Errorf("return %q answered %d", to, p.status)
		}
	}
}

func TestSessionPageSaysWhenItEndsAndLetsOneStay(t *testing.T) {
	b := jens(t)
	b.session.Grants = nil
	c := b.town(t).citizen(t, "", "da")
	p := c.open("/session")
	checkStructure(t, p, "da")
	if !strings.Contains(p.text, "kl.\u00a010.30") || !strings.Contains(p.text, "30 minutter") || b.touched != 0 {
		t.Fatalf("touched %d times: %s", b.touched, p.text)
	}
	b.now = b.now.Add(26 * time.Minute)
	p = c.open("/session")
	if !strings.Contains(p.text, "Du bliver snart logget af") || !strings.Contains(p.text, "4 minutter") {
		t.Fatal("no warning four minutes before the end")
	}
	p = c.send("/session/forlaeng")
	if b.touched != 1 || strings.Contains(p.text, "snart logget af") || !strings.Contains(p.text, "kl.\u00a010.56") {
		t.Fatalf("staying did not help: %s", p.text)
	}
	b.session = nil
	if to := c.where("/session"); !strings.Contains(to, "return=%2Fmine") {
		t.Errorf("without session it leads to %q", to)
	}
}

func TestEveryPageWarnsFiveMinutesBeforeTheHardEnd(t *testing.T) {
	b := jens(t)
	b.session.Grants = nil
	c := b.town(t).citizen(t, "", "en")
	for at, warned := range map[time.Duration]bool{time.Hour: false, 7*time.Hour + 54*time.Minute: false, 7*time.Hour + 56*time.Minute: true} {
		b.now = b.session.AuthnAt.Add(at)
		for _, path := range []string{"/", "/mine", "/ny/modtager"} {
			p := c.open(path)
			if strings.Contains(p.text, "You will be logged off soon") != warned {
				t.Errorf("%s after %v: warned %v", path, at, !warned)
			}
			if warned && !p.leads("/saml/login?return=") {
				t.Errorf("%s: the warning offers no log-in", path)
			}
		}
	}
}

func TestPagesMayAskForASaferOrFresherLogin(t *testing.T) {
	b := jens(t)
	b.session.Grants = nil
	c := b.town(t, portalweb.PageRule{Path: "/kvittering", Level: login.High}, portalweb.PageRule{Path: "/ny", Fresh: 15 * time.Minute}).
		citizen(t, "", "da")
	for path, want := range map[string]string{
		"/mine":                    "",
		"/kvittering/SP-0000-0000": "/saml/login?return=%2Fkvittering%2FSP-0000-0000&level=High",
		"/kvitteringer":            "",
		"/ny/modtager":             "",
	} {
		if to := c.where(path); to != want {
			t.Errorf("%s leads to %q, want %q", path, to, want)
		}
	}
	b.now = b.now.Add(16 * time.Minute)
	if to := c.where("/ny/modtager"); to != "/saml/login?return=%2Fny%2Fmodtager&force=1" {
		t.Errorf("an old authentication leads to %q", to)
	}
	p := c.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
	if p.status != http.StatusForbidden || !strings.Contains(p.text, "POST-1014") || !p.leads("force=1") {
		t.Errorf("a form answered %d", p.status)
	}
	b.session.AuthnAt, b.session.Level = b.now, login.High
	if to := c.where("/ny/modtager"); to != "" {
		t.Errorf("after the step-up it leads to %q", to)
	}
	// A company is asked to log in as a company again.
	company := post.NewParty(post.CPR{}, "11223491", "Bech Tagdækning ApS")
	b.session.Level, b.session.Person.OnBehalfOf = login.Substantial, &company
	if to := c.where("/kvittering/SP-0000-0000"); !strings.Contains(to, "&type=Professional&level=High") {
		t.Errorf("a company is led to %q", to)
	}
}
