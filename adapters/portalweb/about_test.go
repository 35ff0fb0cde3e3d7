package portalweb_test

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/portalweb"
)

// aboutUs gives a site what an authority says of it.
func aboutUs(c *portalweb.Config) {
	c.About = portalweb.About{Accessibility: "https://www.was.digst.dk/post", Privacy: "https://engdal.example/data?a=1&b=2"}
}

func TestEveryPageLeadsToWhatTheAuthoritySaysOfTheSite(t *testing.T) {
	town := newTown(t, aboutUs)
	for lang, says := range map[string][2]string{
		"da": {"Tilgængelighedserklæring", "Sådan behandler vi dine oplysninger"}, "en": {"Accessibility statement", "How we handle your data"},
	} {
		for _, path := range []string{"/", "/ny", "/tjek-kvittering", "/nothing", "/session"} {
			p := town.citizen(t, "nancy", lang).open(path)
			led := map[string]string{}
			for _, a := range p.elements("a") {
				led[attr(a, "href")] = strings.ReplaceAll(words(a), "\u00ad", "") // where it may be broken
			}
			if led["https://www.was.digst.dk/post"] != says[0] || led["https://engdal.example/data?a=1&b=2"] != says[1] {
				t.Errorf("%s, %s leads to %q", path, lang, led)
			}
		}
	}
	g := newGate(t, portalweb.Limits{Page: portalweb.Door{Each: portalweb.Rate{PerMinute: 1, Burst: 1}, All: portalweb.Rate{PerMinute: 100, Burst: 100}}}, aboutUs)
	g.ask("GET", "/", "198.51.100.7:1")
	if w := g.ask("GET", "/", "198.51.100.7:1"); w.Code != 429 || !strings.Contains(w.Body.String(), `href="https://www.was.digst.dk/post"`) {
		t.Errorf("%d without the link", w.Code)
	}
}

func TestASiteWithNothingToSayOfItselfHasNoEmptyLinks(t *testing.T) {
	p := newTown(t).citizen(t, "nancy", "da").open("/")
	for _, a := range p.elements("a") {
		if attr(a, "href") == "" || strings.Contains(words(a), "Tilgængelighed") {
			t.Errorf("a link to %q says %q", attr(a, "href"), words(a))
		}
	}
	if strings.Contains(p.text, `class="about"`) {
		t.Error("an empty list")
	}
}

func TestASiteLeadsToHTTPSAlone(t *testing.T) {
	c := newTown(t).Config.Handler.(*portalweb.Site).Config
	for _, bad := range []string{"http://was.digst.dk/post", "javascript:alert(1)", "/was", "was.digst.dk", "https://", "https://a:b@was.digst.dk/"} {
		for _, about := range []portalweb.About{{Accessibility: bad}, {Privacy: bad}} {
			c.About = about
			if _, err := portalweb.New(c); err == nil || !strings.Contains(err.Error(), "https address") {
				t.Errorf("%+v: %v", about, err)
			}
		}
	}
}
