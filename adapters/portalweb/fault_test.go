package portalweb_test

import (
	"net/http"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/portalweb"
	"sikkerpost.dk/gateway/internal/post"
)

func TestAPageOfADraftThatIsGoneDoesNotSayThatItIsSaved(t *testing.T) {
	c := newTown(t).citizen(t, "nancy", "da")
	check := c.toCheck("dpo")
	c.send("/ny/slet")
	p := c.send("/ny/tjek", "draft", check.value("draft"))
	if p.status != http.StatusConflict || strings.Contains(p.text, "er den gemt") || !strings.Contains(p.text, `class="button" href="/mine"`) {
		t.Errorf("%d: %s", p.status, words(p.root))
	}
}

func TestADraftIsDeletedOnlyAfterAQuestion(t *testing.T) {
	c := newTown(t).citizen(t, "nancy", "da")
	if p := c.open("/ny/slet"); p.path != "/mine" {
		t.Errorf("without a draft it asks at %s", p.path)
	}
	for _, n := range c.toCheck("dpo").elements("form") {
		if attr(n, "action") == "/ny/slet" {
			t.Error("one press beside Send deletes the draft")
		}
	}
	p := c.open("/ny/slet")
	checkStructure(t, p, "da")
	if !strings.Contains(p.text, "Du kan ikke få dem tilbage") || !p.leads("/ny/tjek") || !strings.Contains(c.open("/ny/tjek").text, "CANARY-text") {
		t.Error("the question says too little, or deleted by itself")
	}
}

func TestEachClassOfRefusedLoginHasItsPageAndTheDraftSurvives(t *testing.T) {
	var site *portalweb.Site
	var refused *post.Fault
	b := jens(t)
	b.session.Grants = nil
	town := newTown(t, func(c *portalweb.Config) {
		c.Sessions = b
		c.SAML = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { site.LoginFault(w, r, refused, "SP-TEST-0001") })
	})
	site = town.Config.Handler.(*portalweb.Site)
	for _, lang := range []string{"da", "en"} {
		c := town.citizen(t, "", lang)
		c.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
		for f, again := range map[*post.Fault]string{
			post.FaultLoginCancelled: "/saml/login?return=%2Fmine",
			post.FaultLevelTooLow:    "/saml/login?return=%2Fmine",
			post.FaultNoCPR:          "/saml/login?return=%2Fmine",
			post.FaultLoginDown:      "/saml/login?return=%2Fmine",
			post.FaultLoginMixedUp:   "/saml/login?return=%2Fmine",
			post.FaultLoginRefused:   "/saml/login?return=%2Fmine",
			post.FaultNoRole:         "/saml/login?return=%2Fmine",
			post.FaultLoginKind:      "type=Professional",
		} {
			refused = f
			logged := b.session
			b.session = nil // the log-in did not succeed
			p := c.open("/saml/acs")
			b.session = logged
			checkStructure(t, p, lang)
			sentence, cure, draft := f.Danish, f.CureDA, "Har du en kladde, er den gemt og ikke ændret."
			if lang == "en" {
				sentence, cure, draft = f.English, f.Cure, "If you have a draft, it is saved and unchanged."
			}
			if p.status != f.Status || p.header.Get("Set-Cookie") != "" || !p.leads(again) {
				t.Errorf("%s in %s: %d", f.Code, lang, p.status)
			}
			for _, want := range []string{sentence, cure, draft, f.Code, "SP-TEST-0001"} {
				if !strings.Contains(words(p.root), want) {
					t.Errorf("%s in %s does not say %q", f.Code, lang, want)
				}
			}
		}
		if p := c.open("/mine"); !p.leads("/ny") || !strings.Contains(p.text, map[string]string{"da": "Du har en kladde", "en": "You have a draft"}[lang]) {
			t.Errorf("%s: the draft is gone", lang)
		}
	}
}

// TestAMessageForADraftThatIsGoneSaysWhatToDo: the drafts of before a restart of ours
// cannot be opened any more, and waiting brings none back.
func TestAMessageForADraftThatIsGoneSaysWhatToDo(t *testing.T) {
	c := newTown(t).citizen(t, "nancy", "da")
	p := c.send("/ny/besked", "text", "Det her tog mig en time")
	checkStructure(t, p, "da")
	if p.status != http.StatusConflict || !strings.Contains(p.text, "Det her tog mig en time") || strings.Contains(p.text, "Vent lidt") || !p.leads("/ny") || !strings.Contains(p.text, `target="_blank"`) {
		t.Errorf("%d: %s", p.status, words(p.root))
	}
	c.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
	c.send("/ny/emne", "kind", "access")
	if p := c.send("/ny/besked", "text", "Det her tog mig en time"); p.path != "/ny/filer" {
		t.Errorf("sent again it leads to %s", p.path)
	}
}

// TestAMessageIsNotLostWhileItIsOpenForWhomItIs: whoever logs in again in another tab, with
// a power of attorney, has to choose there before the message is sent here.
func TestAMessageIsNotLostWhileItIsOpenForWhomItIs(t *testing.T) {
	b := jens(t)
	c := b.town(t).citizen(t, "", "da")
	p := c.send("/ny/besked", "text", "Det her tog mig en time")
	checkStructure(t, p, "da")
	if p.status != http.StatusForbidden || !strings.Contains(p.text, "Det her tog mig en time") || !p.leads("/fuldmagt?return=%2Fny%2Fbesked") || strings.Contains(p.text, "Vent lidt") {
		t.Errorf("%d at %s: %s", p.status, p.path, words(p.root))
	}
	if p := c.send("/ny/modtager", "tenant", "engdal", "road", "dpo"); p.path != "/fuldmagt" {
		t.Errorf("what is no message leads to %s", p.path)
	}
}
