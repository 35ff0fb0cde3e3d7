package portalweb_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/portalweb"
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

// TestABrowserKeepsAMessageUntilItIsSentAndNothingAfterLogOff is both in one browser.
func TestABrowserKeepsAMessageUntilItIsSentAndNothingAfterLogOff(t *testing.T) {
	page, ok := chromium.Open(t, "a message that was turned away and is sent once more, and the back button after log-off")
	if !ok {
		return
	}
	turnedAway(t, page)
	backAfterLogOff(t, page)
}

// turnedAway: too much came from the network at the moment when Continue was
// pressed. The page holds the message, and a minute later one press sends it.
func turnedAway(t *testing.T, page *chromium.Page) {
	var late atomic.Int64 // by the portal's clock
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	town := newTown(t, func(c *portalweb.Config) {
		c.Now = func() time.Time { return start.Add(time.Duration(late.Load())) }
		c.Limits.Page = portalweb.Door{Each: portalweb.Rate{PerMinute: 60, Burst: 60}, All: portalweb.Rate{PerMinute: 60, Burst: 60}}
	})
	nancy := town.citizen(t, "nancy", "da")
	nancy.send("/ny/modtager", "tenant", "engdal", "road", "dpo")
	nancy.send("/ny/emne", "kind", "access")
	v := viewer{page, t, town}
	page.Language("da")
	page.Size(320, 800)
	v.who("nancy")
	v.open("/ny/besked")
	v.tabTo("#text")
	page.Type("Det her tog mig en time.")
	for range 80 { // as the rest of the network does
		nancy.open("/static/none")
	}
	v.tabTo(".go button")
	v.enter()
	v.at("/ny/besked")
	var given, code string
	v.Eval(`document.querySelector("#text").value`, &given)
	v.Eval(`document.querySelector("dl code").textContent`, &code)
	if given != "Det her tog mig en time." || code != "POST-1015" {
		t.Fatalf("%s: given back %q", code, given)
	}
	v.fits("a message given back, 320 px")
	late.Store(int64(time.Minute))
	v.tabTo("#text")
	v.tabTo(".go button")
	v.enter()
	v.at("/ny/filer")
	if !strings.Contains(nancy.open("/ny/besked").text, "Det her tog mig en time.") {
		t.Error("sent again it is not saved")
	}
	for _, refused := range page.Refused() {
		t.Error(refused)
	}
}

// backAfterLogOff: pages with what somebody wrote, or a receipt, are asked for
// anew, and nobody is logged in.
func backAfterLogOff(t *testing.T, page *chromium.Page) {
	town := newTown(t, func(c *portalweb.Config) {
		c.SAML = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/logout" {
				http.SetCookie(w, &http.Cookie{Name: "who", MaxAge: -1, Path: "/", Secure: true, HttpOnly: true})
			}
			http.Redirect(w, r, "/logget-af", http.StatusSeeOther)
		})
	})
	nancy := town.citizen(t, "nancy", "da")
	sent := nancy.send("/ny/tjek", "draft", nancy.toCheck("dpo").value("draft"))
	nancy.toCheck("dpo")
	v := viewer{page, t, town}
	for _, path := range []string{"/ny/tjek", "/mine", sent.path} {
		v.who("nancy")
		v.open(path)
		v.at(path)
		v.submit("/logout", "")
		v.at("/logget-af")
		v.Leave(func() { v.Eval("history.back()", nil) })
		var shown string
		v.Eval("document.documentElement.outerHTML", &shown)
		for _, s := range []string{"CANARY", "mit bilag", "Nancy", strings.TrimPrefix(sent.path, "/kvittering/")} {
			if strings.Contains(shown, s) {
				t.Errorf("back at %s it shows %q", path, s)
			}
		}
	}
}
