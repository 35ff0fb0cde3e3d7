package nemlogintest

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/persona"
)

func TestEachSentenceOfNemLogInHasItsDanish(t *testing.T) {
	all := regexp.MustCompile(`\.Say "([^"]+)"`).FindAllStringSubmatch(pages, -1)
	for _, m := range all {
		if danish[m[1]] == "" {
			t.Errorf("%q has no Danish", m[1])
		}
	}
	for _, title := range []string{personaPage(nil, Request{}, "").Title, postPage(Request{}, "").Title, errorPage("").Title, loggedOffPage().Title, "NemLog-in", "Level"} {
		if danish[title] == "" {
			t.Errorf("%q has no Danish", title)
		}
	}
	if len(all) < 18 {
		t.Errorf("only %d sentences found", len(all))
	}
}

func TestThePagesAreInTheLanguageOfTheBrowser(t *testing.T) {
	i := &IDP{}
	for language, want := range map[string]string{
		"da-DK,da;q=0.9,en;q=0.5": "Log på som en opdigtet person", "da": `<html lang="da">`, "": "Log on as an invented person",
		"en-US,en;q=0.9,da;q=0.1": `<html lang="en">`,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		i.page(w, r, 200, personaPage(persona.All(), Request{Kind: "Person"}, ""), "")
		if !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "cannot show") {
			t.Errorf("%q: without %q", language, want)
		}
		if level := map[bool]string{true: "Niveau ", false: "Level "}[strings.HasPrefix(language, "da")]; !strings.Contains(w.Body.String(), ">"+level) {
			t.Errorf("%q: without %q", language, level)
		}
	}
}
