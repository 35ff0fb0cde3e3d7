package simulatorapp

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

var (
	said   = regexp.MustCompile(`(?:\{\{|\()-?t "((?:[^"\\]|\\.)*)"`)
	spoke  = regexp.MustCompile(`\.say\("((?:[^"\\]|\\.)*)"`)
	places = regexp.MustCompile(`%[a-z]`)
)

// sentences are all that the pages say, by where it stands.
func sentences(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	read := func(from fs.FS, pattern string, find *regexp.Regexp) {
		names, err := fs.Glob(from, pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(from, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range find.FindAllStringSubmatch(string(text), -1) {
				all[m[1]] = name
			}
		}
	}
	read(files, "pages/*.html", said)
	read(os.DirFS("."), "*.go", spoke)
	for _, e := range endpoints {
		all[e.About] = "the dial"
	}
	for _, row := range dial(digitalposttest.Faults{}) {
		all[row.Label], all[row.Help] = "the counts", "the counts"
	}
	for _, tab := range tabs {
		all[tab.Name] = "the tabs"
	}
	for _, p := range persona.All() {
		all[p.Story] = "the people"
	}
	return all
}

// A container's zone is UTC; portal and postctl write Danish time all the same.
func TestTimesAreDanishWhateverTheZoneOfTheMachine(t *testing.T) {
	winter, summer := time.Date(2026, 11, 22, 16, 28, 27, 0, time.UTC), time.Date(2026, 6, 30, 22, 30, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{danish.when(winter), "22. nov. 2026 17.28.27"}, {english.when(winter), "22 Nov 2026 17:28:27"},
		{danish.when(summer), "1. juli 2026 00.30.00"}, {english.when(summer), "1 Jul 2026 00:30:00"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestEachSentenceOfThePagesHasItsDanish(t *testing.T) {
	all := sentences(t)
	for sentence, where := range all {
		in, ok := danishOf[sentence]
		if !ok {
			t.Errorf("%s says %q, and there is no Danish", where, sentence)
		}
		if a, b := places.FindAllString(sentence, -1), places.FindAllString(in, -1); strings.Join(a, "") != strings.Join(b, "") {
			t.Errorf("%q and %q have other places: %v, %v", sentence, in, a, b)
		}
	}
	for sentence := range danishOf {
		if _, ok := all[sentence]; !ok && !kinds[sentence] {
			t.Errorf("nobody says %q", sentence)
		}
	}
}

// kinds are said by their value.
var kinds = map[string]bool{
	"no signature inside": true, "not looked into": true, "signed PDF (PAdES)": true, "XML signature": true,
	"evidence file (ASiC-E)": true, "Main document": true,
	"back to now": true, "nothing goes wrong": true, "none": true, "counts of Digital Post": true, "to be printed through KombiPost": true,
}

func TestPagesAreInDanishAndBelowEnInEnglish(t *testing.T) {
	s := start(t)
	j, form := letter(t, "nancy", s.post, post.Digital)
	if o := s.post.HandOver(t.Context(), j, form); o.Verdict != dispatch.Taken {
		t.Fatalf("got %+v", o)
	}
	await(t, func() bool { _, text := s.get(t, "/api/v1/box/nancy"); return strings.Contains(text, j.MessageID) })
	for _, path := range []string{
		"/", "/messages", "/print", "/events", "/events?polls=yes", "/faults", "/box/nancy", "/authority/29000011",
		"/message/" + j.MessageID, "/message/" + j.MessageID + "?tab=xml", "/message/" + j.MessageID + "?tab=check",
		"/message/" + j.MessageID + "?tab=signature", "/message/" + j.MessageID + "?tab=events", "/message/" + j.MessageID + "?tab=raw",
	} {
		_, da := s.bare(t, path)
		_, en := s.bare(t, "/en"+path)
		for _, c := range []struct{ text, lang, not, switchTo string }{{da, "da", "en", "/en" + path}, {en, "en", "da", path}} {
			if !strings.Contains(c.text, `<html lang="`+c.lang+`">`) || !strings.Contains(c.text, `href="`+c.switchTo+`" lang="`+c.not+`"`) {
				t.Errorf("%s is not in %q with a way to the other", path, c.lang)
			}
			if strings.Contains(c.text, "%!") {
				t.Errorf("%s in %q has a sentence with an empty place", path, c.lang)
			}
		}
		// A link on an English page leads to an English one.
		for _, m := range regexp.MustCompile(`(?:href|action)="(/[^"]*)"`).FindAllStringSubmatch(en, -1) {
			to := m[1]
			file := strings.Contains(to, "/file/") || strings.HasSuffix(to, "/xml") || to == "/style.css" || to == "/icon.svg"
			if !strings.HasPrefix(to, "/en/") && !file && to != path {
				t.Errorf("%s in English leads to %s", path, to)
			}
		}
	}
	if status, text := s.bare(t, "/nowhere"); status != 404 || !strings.Contains(text, "Siden findes ikke") {
		t.Errorf("got %d %s", status, text)
	}
	if status, text := s.bare(t, "/en/nowhere"); status != 404 || !strings.Contains(text, "No such page") {
		t.Errorf("got %d %s", status, text)
	}
}
