package nemlogin_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/samlattack"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// Bounds of what one answer may cost, whoever sends it.
const (
	maxTime   = 50 * time.Millisecond // of a processor
	maxMemory = 32 << 20
	maxLogin  = 300 * time.Millisecond // an ordinary log-in meanwhile, 99 of 100
	maxTimes  = 100                    // or so many ordinary ones alone, on a slow machine
)

// meter measures each POST that goes through it.
type meter struct {
	next   http.RoundTripper
	memory bool // measures memory too, which stops everything for a moment, and processor time
	mu     sync.Mutex
	times  []time.Duration
	bytes  uint64 // of the last POST; means something when nothing runs beside
}

func (g *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return g.next.RoundTrip(r)
	}
	var before, after runtime.MemStats
	if g.memory {
		runtime.ReadMemStats(&before)
	}
	began, worked := time.Now(), spent()
	resp, err := g.next.RoundTrip(r)
	took := time.Since(began)
	if g.memory {
		took = spent() - worked
		runtime.ReadMemStats(&after)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.times, g.bytes = append(g.times, took), after.TotalAlloc-before.TotalAlloc
	return resp, err
}

// spent is the processor time of this process: what a server costs, however busy the
// machine is.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// quiet lets w serve several at once.
func quiet(w *world) samlattack.Config {
	w.conf.Log = slog.New(slog.DiscardHandler)
	w.conf.OnFault = func(rw http.ResponseWriter, _ *http.Request, f *post.Fault, _ string) { rw.WriteHeader(f.Status) }
	c := attacked(w)
	c.Cookies = []string{"__Host-session"}
	return c
}

// TestWorstDocumentsCostLittle plays the 16 heaviest documents, first one by one
// for the cost of each, then four at a time for ever while others log in.
func TestWorstDocumentsCostLittle(t *testing.T) {
	w := newWorld(t)
	c := quiet(w)
	g := &meter{next: c.Client.Transport, memory: true}
	c.Client = &http.Client{Transport: g}
	var slowest time.Duration
	var largest uint64
	for _, k := range samlattack.Heaviest() {
		one := c
		one.Cases = []samlattack.Case{k, k, k} // the best of three is the cost, the rest is the machine
		g.times = nil
		if _, err := samlattack.Run(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		cost := slices.Min(g.times)
		if cost > maxTime || g.bytes > maxMemory {
			t.Errorf("%s (%s) costs %v and %d KB", k.ID, k.Story, cost, g.bytes>>10)
		}
		slowest, largest = max(slowest, cost), max(largest, g.bytes)
	}
	t.Logf("the worst of 16 documents costs %v; the largest %d KB", slowest, largest>>10)
	if !outside.Full() {
		t.Log("LEFT OUT without SIKKERPOST_FULL=1: log-ins beside four attackers")
		return
	}
	besides(t, c)
}

// besides logs people in while four attackers send the heaviest documents.
func besides(t *testing.T, c samlattack.Config) {
	t.Helper()
	c.Client = &http.Client{Transport: c.Client.Transport.(*meter).next}
	usual, calm := logIns(t, c) // what the machine takes for itself
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			attack := c
			attack.Cases = nil
			for _, k := range samlattack.Heaviest() {
				attack.Cases = append(attack.Cases, volley(k))
			}
			for ctx.Err() == nil {
				if _, err := samlattack.Run(ctx, attack); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	most := max(maxLogin, maxTimes*usual) + 2*calm
	var p50, p99 time.Duration
	for range 3 { // the best of three is theirs, the rest is the machine
		if p50, p99 = logIns(t, c); p99 <= most {
			break
		}
	}
	stop()
	wait.Wait()
	if p99 > most {
		t.Errorf("beside four attackers a log-in takes %v (p99), want %v or less", p99, most)
	}
	t.Logf("beside four attackers a log-in takes %v (p50), %v (p99); without them %v (p50), %v (p99)", p50, p99, usual, calm)
}

// logIns makes 100 genuine log-ins.
func logIns(t *testing.T, c samlattack.Config) (p50, p99 time.Duration) {
	t.Helper()
	control := slices.DeleteFunc(samlattack.Catalog(), func(k samlattack.Case) bool { return k.ID != "V-OK-1" })
	g := &meter{next: c.Client.Transport}
	c.Client, c.Cases = &http.Client{Transport: g}, slices.Repeat(control, 100)
	s, err := samlattack.Run(t.Context(), c)
	if err != nil || !s.OK() {
		t.Fatalf("%+v %v", s, err)
	}
	slices.Sort(g.times)
	return g.times[len(g.times)/2], g.times[len(g.times)*99/100-1]
}

// volley makes the document of k once and sends it as often as a pending log-in
// lets it: an attacker's machine is not ours, so its work should not count.
func volley(k samlattack.Case) samlattack.Case {
	return samlattack.Case{ID: k.ID, Story: k.Story, Want: samlattack.Refuse, Play: func(ctx context.Context, p *samlattack.Player) (*samlattack.Browser, samlattack.Reply, error) {
		b := p.Browser()
		d, err := b.Begin(ctx, samlattack.Plain)
		if err != nil {
			return nil, samlattack.Reply{}, err
		}
		v := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(d.Answer(k.Bend))}}
		var reply samlattack.Reply
		for range 5 {
			if reply, err = b.Post(ctx, d, v); err != nil {
				return nil, reply, err
			}
		}
		return b, reply, nil
	}}
}

// untouchable is a body that must not be read.
type untouchable struct{ read bool }

func (u *untouchable) Read([]byte) (int, error) { u.read = true; return 0, errors.New("read") }
func (u *untouchable) Close() error             { return nil }

// TestNothingIsReadWithoutAPendingLogin: not a byte of the body, so no XML.
func TestNothingIsReadWithoutAPendingLogin(t *testing.T) {
	w := newWorld(t)
	for _, cookie := range []string{"", "0", "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef"} {
		body := &untouchable{}
		r := httptest.NewRequest(http.MethodPost, portal+nemlogin.PathACS, io.NopCloser(body))
		r.Body = body
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-login", Value: cookie})
		}
		rec := httptest.NewRecorder()
		w.sp.Handler().ServeHTTP(rec, r)
		if body.read || rec.Code != post.FaultLoginMixedUp.Status {
			t.Errorf("cookie %q: body read %t, answered %d", cookie, body.read, rec.Code)
		}
	}
	// With one, the same body is read.
	w.begin("")
	body := &untouchable{}
	r := postForm(portal+nemlogin.PathACS, url.Values{})
	r.Body = body
	w.portal(r)
	if !body.read {
		t.Error("the body of a pending log-in is not read either: the test proves nothing")
	}
}
