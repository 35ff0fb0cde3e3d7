package portalweb_test

import (
	"net/http"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outside/chromium"
	"sikkerpost.dk/gateway/internal/post"
)

// tabTo presses Tab until the focus is on what selector finds. At each stop on
// the way, the focus is to be seen.
func (v viewer) tabTo(selector string) {
	v.t.Helper()
	for range 40 {
		v.Press(chromium.Tab, false)
		var at struct {
			What       string
			There, Out bool
			Line       string
		}
		v.Eval(`(() => { const e = document.activeElement, b = e.getBoundingClientRect(), s = getComputedStyle(e);
			return {What: e.outerHTML.slice(0, 80), There: e.matches('`+selector+`'), Line: s.outlineStyle + " " + s.outlineWidth,
				Out: e !== document.body && (b.bottom <= 0 || b.right <= 0 || b.top >= innerHeight || b.left >= innerWidth)}; })()`, &at)
		if !strings.HasPrefix(at.What, "<body") && (at.Out || at.Line != "solid 3px") {
			v.t.Fatalf("the focus cannot be seen (%s, out of the window: %t): %s", at.Line, at.Out, at.What)
		}
		if at.There {
			return
		}
	}
	v.t.Fatalf("Tab never comes to %s", selector)
}

// enter presses Enter where it leads to another page.
func (v viewer) enter() { v.Leave(func() { v.Press(chromium.Enter, false) }) }

// focused waits until the focus is on what selector finds: a page takes it to a
// mistake when it is first drawn, which is after it was loaded.
func (v viewer) focused(when, selector string) {
	v.t.Helper()
	var at string
	v.Eval(`new Promise(done => { const end = Date.now() + 5000; (function look() {
		const e = document.activeElement;
		if (e.matches("`+selector+`")) done(""); else if (Date.now() > end) done(e.outerHTML.slice(0, 80)); else setTimeout(look, 5);
	})(); })`, &at)
	if at != "" {
		v.t.Fatalf("%s the focus is on %s", when, at)
	}
}

func (v viewer) at(path string) {
	v.t.Helper()
	var now, heading string
	v.Eval("location.pathname", &now)
	v.Eval(`document.querySelector("h1").textContent`, &heading)
	if !strings.HasPrefix(now, path) {
		v.t.Fatalf("at %s (%s), not at %s", now, heading, path)
	}
}

// TestAMessageIsSentByTheKeyboardAlone makes every mistake on the way.
func TestAMessageIsSentByTheKeyboardAlone(t *testing.T) {
	page, ok := chromium.Open(t, "a message written and sent by the keyboard alone")
	if !ok {
		return
	}
	town := newTown(t)
	v := viewer{page, t, town}
	page.Language("da")
	page.Size(1280, 800)
	v.who("nancy")
	v.open("/ny")
	v.at("/ny/modtager")

	v.tabTo(".skip")
	page.Press(chromium.Enter, false)
	page.Press(chromium.Tab, false)
	v.focused("after the skip link and Tab", "#tenant")
	v.tabTo(".go button")
	v.enter()
	v.focused("after a mistake", ".problems")
	page.Press(chromium.Tab, false)
	page.Press(chromium.Enter, false)
	v.focused("led by the first problem", "#tenant")
	page.Press(chromium.Down, false)
	v.tabTo("#road-dpo")
	page.Press(chromium.Space, false)
	v.tabTo(".go button")
	v.enter()

	v.at("/ny/emne")
	v.tabTo("[name=kind]")
	page.Press(chromium.Space, false)
	page.Press(chromium.Down, false)
	v.tabTo(".go button")
	v.enter()

	v.at("/ny/besked")
	v.tabTo(".go button")
	v.enter()
	v.focused("without a message", ".problems")
	v.tabTo(".problems a")
	page.Press(chromium.Enter, false)
	v.focused("led by the problem", "#text")
	page.Type("Jeg bor ikke længere på den adresse.")
	v.tabTo(".go button")
	v.enter()

	v.at("/ny/filer")
	v.tabTo("#file")
	v.tabTo(".go button")
	v.enter()

	v.at("/ny/tjek")
	v.tabTo("form .go button")
	v.enter()
	v.at("/kvittering/SP-")
	v.tabTo("footer a[lang=en]") // the whole page can be walked through
	var kinds []post.InquiryKind
	for _, a := range town.store.Accepted {
		kinds = append(kinds, a.Inquiry.Kind)
	}
	if len(kinds) != 1 || kinds[0] != post.Rectification {
		t.Errorf("accepted: %v", kinds)
	}
}

// TestAMessageWrittenForTooLongIsNotLost plays somebody who wrote until the
// log-in had ended: the page gives the text back, and after a new log-in in
// another tab it is sent from there.
func TestAMessageWrittenForTooLongIsNotLost(t *testing.T) {
	town := newTown(t)
	nancy := town.citizen(t, "nancy", "da")
	nancy.toCheck("dpo")
	const text = "Det her tog mig en time at skrive.\n</textarea><b>"
	gone := town.citizen(t, "", "da").send("/ny/besked", "text", text)
	checkStructure(t, gone, "da")
	if gone.status != 401 || !gone.leads("return=%2Fny%2Fbesked") || !strings.Contains(gone.text, `target="_blank"`) {
		t.Fatalf("%d %s", gone.status, gone.heading())
	}
	given := ""
	for _, n := range gone.elements("textarea") {
		given = strings.TrimPrefix(n.FirstChild.Data, "\n")
	}
	if given != text {
		t.Fatalf("given back: %q", given)
	}
	if p := nancy.send("/ny/besked", "text", given); p.path != "/ny/filer" || !strings.Contains(nancy.open("/ny/tjek").text, "Det her tog mig en time") {
		t.Errorf("sent again it leads to %s", p.path)
	}
	if got := town.log.String(); strings.Contains(got, "en time") {
		t.Error("the text is in the log")
	}
	// No other site can have us show what it wrote.
	other, err := http.NewRequestWithContext(t.Context(), http.MethodPost, town.URL+"/ny/besked", strings.NewReader("text=listen+til+mig"))
	if err != nil {
		t.Fatal(err)
	}
	other.Header.Set("Sec-Fetch-Site", "cross-site")
	other.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p := town.citizen(t, "", "da").do(other); p.status != 403 || strings.Contains(p.text, "listen til mig") {
		t.Errorf("from another site: %d", p.status)
	}
}
