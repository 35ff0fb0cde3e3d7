package chromium

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outside"
)

// Go shows the page at address.
func (p *Page) Go(address string) {
	p.t.Helper()
	p.Leave(func() { p.must("Page.navigate", map[string]any{"url": address}, nil) })
}

// Leave does what leads to another page, and waits until that is shown.
func (p *Page) Leave(act func()) {
	p.t.Helper()
	for drained := false; !drained; {
		select {
		case <-p.loads:
		default:
			drained = true
		}
	}
	act()
	select {
	case <-p.loads:
	case <-time.After(patience):
		p.t.Fatal("chromium: no page was shown")
	}
}

// Size makes the window so many CSS pixels wide and high.
func (p *Page) Size(wide, high int) {
	p.t.Helper()
	p.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// Language is what the browser asks pages for.
func (p *Page) Language(lang string) {
	p.t.Helper()
	p.must("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Accept-Language": lang}}, nil)
}

// Cookie sets one for the site at address.
func (p *Page) Cookie(address, name, value string) {
	p.t.Helper()
	p.must("Network.setCookie", map[string]any{"url": address, "name": name, "value": value, "secure": true}, nil)
}

// Eval evaluates an expression in the page, waits for a promise, and puts the
// value into into, which may be nil. The page's security policy does not hold
// for it.
func (p *Page) Eval(expression string, into any) {
	p.t.Helper()
	var answer struct {
		Result    struct{ Value json.RawMessage }
		Exception *struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
	}
	p.must("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if e := answer.Exception; e != nil {
		p.t.Fatalf("chromium: %s %s", e.Text, e.Exception.Description)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer.Result.Value, into); err != nil {
		p.t.Fatalf("chromium: %v", err)
	}
}

// Type writes text where the focus is.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.must("Input.insertText", map[string]any{"text": text}, nil)
}

// Keys that [Page.Press] knows.
const (
	Tab   = "Tab"
	Enter = "Enter"
	Space = " "
	Down  = "ArrowDown"
)

// Press presses and releases a key; shift is held for it when asked.
func (p *Page) Press(key string, shift bool) {
	p.t.Helper()
	k := map[string]struct {
		code, text string
		number     int
	}{Tab: {"Tab", "", 9}, Enter: {"Enter", "\r", 13}, Space: {"Space", " ", 32}, Down: {"ArrowDown", "", 40}}[key]
	event := map[string]any{"type": "keyDown", "key": key, "code": k.code, "windowsVirtualKeyCode": k.number, "text": k.text}
	if shift {
		event["modifiers"] = 8
	}
	p.must("Input.dispatchKeyEvent", event, nil)
	event["type"] = "keyUp"
	delete(event, "text")
	p.must("Input.dispatchKeyEvent", event, nil)
}

// A Judge is axe-core, which knows the rules of accessible pages.
type Judge string

// axeVersion is the one that .ci/install fetches.
const axeVersion = "4.14.1"

// Axe returns the judge. When it is not there, ok is false and the log says that
// what was left out; with SIKKERPOST_FULL=1 the test fails.
func Axe(t testing.TB, what string) (j Judge, ok bool) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(outside.Root(t), ".bin", "axe-core-"+axeVersion, "axe.min.js"))
	switch {
	case err == nil:
		return Judge(source), true
	case outside.Full():
		t.Fatalf("axe-core is missing, and SIKKERPOST_FULL=1 asks for every check: %v", err)
	}
	t.Logf("LEFT OUT, because axe-core is not there (.ci/install fetches it): %s", what)
	return "", false
}

// Violations returns what the page breaks of WCAG 2.0 to 2.2, levels A and AA,
// and of good practice: a rule, and where.
func (p *Page) Violations(j Judge) []string {
	p.t.Helper()
	p.Eval(string(j)+";0", nil)
	var found []string
	p.Eval(`axe.run(document, {runOnly: {type: "tag",
		values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}).then(r =>
		r.violations.map(v => v.id + " (" + v.help + "): " + v.nodes.map(n => n.target.join(" ")).join(", ")))`, &found)
	return found
}
