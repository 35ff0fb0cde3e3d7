package samlattack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// patience is how long one request may take.
const patience = 15 * time.Second

// Player plays cases against one target.
type Player struct {
	c        Config
	sessions map[string]bool // names of the cookies that a genuine log-in sets
	slowest  atomic.Int64    // request, in nanoseconds
}

// Browser is one browser: a jar of cookies for the target's host.
type Browser struct {
	p   *Player
	jar map[string]string
}

// Reply is what the target said to an answer.
type Reply struct {
	Status   int
	Location string
	Session  bool // a session cookie was set
	Crashed  bool // the connection ended without a reply
}

// Browser returns a browser that knows nothing.
func (p *Player) Browser() *Browser { return &Browser{p: p, jar: map[string]string{}} }

// Clone returns a browser with the same cookies.
func (b *Browser) Clone() *Browser { return &Browser{p: b.p, jar: maps.Clone(b.jar)} }

// Begin starts a log-in at the target.
func (b *Browser) Begin(ctx context.Context, s Start) (*Draft, error) {
	address, ok := b.p.c.Target.Begin[s]
	if !ok {
		return nil, fmt.Errorf("the target has no address that begins log-in %d", s)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, _, err := b.do(r)
	if err != nil {
		return nil, fmt.Errorf("begin log-in: %w", err)
	}
	if resp.StatusCode < 300 || resp.StatusCode > 399 {
		return nil, fmt.Errorf("begin log-in: answered %d, not a redirect", resp.StatusCode)
	}
	l, err := readRequest(resp.Header.Get("Location"))
	if err != nil {
		return nil, fmt.Errorf("begin log-in: %w", err)
	}
	l.Start = s
	return &Draft{Target: b.p.c.Target, Provider: b.p.c.Provider, Login: l, Now: b.p.c.Now()}, nil
}

// Send answers d bent by bend.
func (b *Browser) Send(ctx context.Context, d *Draft, bend Bend) (Reply, error) {
	v := d.form(d.Answer(bend))
	if bend.Form != nil {
		bend.Form(d, v)
	}
	r, err := request(ctx, d.Target.ACS, v.Encode())
	if err != nil {
		return Reply{}, err
	}
	if bend.Request != nil {
		bend.Request(d, r)
	}
	return b.post(r)
}

// Post sends the fields v.
func (b *Browser) Post(ctx context.Context, d *Draft, v url.Values) (Reply, error) {
	r, err := request(ctx, d.Target.ACS, v.Encode())
	if err != nil {
		return Reply{}, err
	}
	return b.post(r)
}

func request(ctx context.Context, address, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "null") // as browsers say after a redirect from elsewhere
	}
	return r, err
}

func (b *Browser) post(r *http.Request) (Reply, error) {
	resp, _, err := b.do(r)
	if err != nil {
		if ctx := r.Context(); ctx.Err() != nil {
			return Reply{}, ctx.Err()
		}
		return Reply{Crashed: true}, nil
	}
	reply := Reply{Status: resp.StatusCode, Location: resp.Header.Get("Location")}
	for _, c := range resp.Cookies() {
		if b.p.sessions[c.Name] && c.MaxAge >= 0 && c.Value != "" {
			reply.Session = true
		}
	}
	return reply, nil
}

// LoggedIn asks the protected page.
func (b *Browser) LoggedIn(ctx context.Context) (bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.p.c.Target.Page, nil)
	if err != nil {
		return false, err
	}
	resp, _, err := b.do(r)
	if err != nil {
		return false, fmt.Errorf("read the protected page: %w", err)
	}
	if resp.StatusCode >= 500 {
		return false, fmt.Errorf("the protected page answered %d", resp.StatusCode)
	}
	return resp.StatusCode == http.StatusOK, nil
}

func (b *Browser) do(r *http.Request) (*http.Response, []byte, error) {
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	ctx, stop := context.WithTimeout(r.Context(), patience)
	defer stop()
	began := time.Now()
	resp, err := b.p.c.Client.Do(r.WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	if took := int64(time.Since(began)); took > b.p.slowest.Load() {
		b.p.slowest.Store(took)
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
	return resp, body, nil
}

// leadsAway reports whether location leads away from the target.
func (p *Player) leadsAway(location string) bool {
	if location == "" {
		return false
	}
	base, err := url.Parse(p.c.Target.ACS)
	if err != nil {
		return true
	}
	to, err := base.Parse(location)
	return err != nil || to.Host != base.Host || to.Scheme != base.Scheme ||
		strings.HasPrefix(location, "//") || strings.ContainsAny(location, "\\\r\n")
}

// learn remembers which cookies a genuine log-in sets.
func (p *Player) learn(ctx context.Context) error {
	b := p.Browser()
	d, err := b.Begin(ctx, Plain)
	if err != nil {
		return err
	}
	r, err := request(ctx, d.Target.ACS, d.form(d.Answer(Bend{})).Encode())
	if err != nil {
		return err
	}
	resp, _, err := b.do(r)
	if err != nil {
		return fmt.Errorf("answer a genuine log-in: %w", err)
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge >= 0 && c.Value != "" {
			p.sessions[c.Name] = true
		}
	}
	if len(p.sessions) == 0 {
		return errors.New("a genuine log-in sets no cookie: does the target trust this provider's key?")
	}
	return nil
}
