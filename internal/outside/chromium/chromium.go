// Package chromium lets tests look at pages as people meet them: in a real
// browser, at the width of a telephone, with large text, by the keyboard alone,
// and judged by axe-core. Only tests import it.
//
// It speaks the DevTools protocol over the browser's own pipe, which opens no
// port. What is missing is said as package outside says it. A browser that does
// not answer in time fails the test.
package chromium

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outside"
)

// patience is how long a browser may take for one answer or one page.
const patience = 30 * time.Second

// A Page is the one tab of a browser that ends with the test. It believes any
// certificate.
type Page struct {
	t       testing.TB
	out     io.Writer
	session string

	mu      sync.Mutex
	id      int
	waiting map[int]chan answer
	loads   chan struct{}
	refused []string
	gone    error
}

type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Open starts a browser. When there is none, ok is false and the log says that
// what was left out; with SIKKERPOST_FULL=1 the test fails.
func Open(t testing.TB, what string) (p *Page, ok bool) {
	t.Helper()
	program, ok := outside.Program(t, "chromium", what)
	if !ok {
		return nil, false
	}
	in, toBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromBrowser, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// It is asked to close when the test ends, and killed by nothing before.
	browser := exec.CommandContext(context.WithoutCancel(t.Context()), program, //nolint:gosec // the one that outside found
		"--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--ignore-certificate-errors",
		"--user-data-dir="+t.TempDir(), "about:blank")
	browser.ExtraFiles = []*os.File{in, out} // 3 and 4, where it looks for them
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	p = &Page{t: t, out: toBrowser, waiting: map[int]chan answer{}, loads: make(chan struct{}, 64)}
	read := make(chan struct{})
	go func() { defer close(read); p.listen(fromBrowser) }()
	t.Cleanup(func() {
		p.session = ""
		_, _ = p.ask("Browser.close", nil) // its profile is written before the folder goes
		_ = browser.Wait()
		<-read
		toBrowser.Close()
		fromBrowser.Close()
	})
	var target struct{ TargetID, SessionID string }
	p.must("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	p.must("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	p.session = target.SessionID
	for _, domain := range []string{"Page", "Log", "Network"} {
		p.must(domain+".enable", nil, nil)
	}
	return p, true
}

// listen hands out what the browser says until it is gone.
func (p *Page) listen(from io.Reader) {
	lines := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := lines.ReadBytes(0)
		if err != nil {
			p.mu.Lock()
			p.gone = fmt.Errorf("the browser is gone: %w", err)
			for id, w := range p.waiting {
				close(w)
				delete(p.waiting, id)
			}
			p.mu.Unlock()
			return
		}
		var a answer
		if json.Unmarshal(line[:len(line)-1], &a) != nil {
			continue
		}
		p.mu.Lock()
		if w, ok := p.waiting[a.ID]; ok && a.ID != 0 {
			w <- a
			delete(p.waiting, a.ID)
		}
		if a.Method == "Log.entryAdded" && strings.Contains(string(a.Params), `"source":"security"`) {
			p.refused = append(p.refused, string(a.Params))
		}
		p.mu.Unlock()
		if a.Method == "Page.loadEventFired" {
			p.loads <- struct{}{}
		}
	}
}

func (p *Page) ask(method string, params any) (json.RawMessage, error) {
	if params == nil {
		params = struct{}{}
	}
	p.mu.Lock()
	if p.gone != nil {
		p.mu.Unlock()
		return nil, p.gone
	}
	p.id++
	message := map[string]any{"id": p.id, "method": method, "params": params}
	if p.session != "" {
		message["sessionId"] = p.session
	}
	line, err := json.Marshal(message)
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	w := make(chan answer, 1)
	p.waiting[p.id] = w
	_, err = p.out.Write(append(line, 0))
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a, ok := <-w:
		switch {
		case !ok:
			return nil, p.gone
		case a.Error != nil:
			return nil, errors.New(a.Error.Message)
		}
		return a.Result, nil
	case <-time.After(patience):
		return nil, errors.New("no answer in time")
	}
}

func (p *Page) must(method string, params, into any) {
	p.t.Helper()
	result, err := p.ask(method, params)
	if err == nil && into != nil {
		err = json.Unmarshal(result, into)
	}
	if err != nil {
		p.t.Fatalf("chromium: %s: %v", method, err)
	}
}

// Refused returns what the browser would not do for a page's own security
// policy, since it was last asked.
func (p *Page) Refused() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.refused
	p.refused = nil
	return all
}
