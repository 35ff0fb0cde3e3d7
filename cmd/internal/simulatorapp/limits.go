package simulatorapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// What the real carriers allow is not public (neither description names a
// limit), so there is none until somebody sets one. A client learns from it what
// to do with 429 and Retry-After.

// limited endpoints are those that a system of somebody else's calls.
var limitedEndpoints = []string{"ngdp.memos", "ngdp.contacts", "ngdp.receipts", "ngdp.other", "sts.issue", "token", "kombi", "forespoerg"}

// maxPerMinute bounds a limit; above it, it would limit nothing.
const maxPerMinute = 6_000_000

// limits counts the calls of each caller at each endpoint: a bucket that holds
// the calls of one second, one at least, and fills evenly.
type limits struct {
	now func() time.Time

	mu      sync.Mutex
	minute  map[string]int // calls in a minute, by endpoint
	buckets map[[2]string]*bucket
	refused map[string]int
}

type bucket struct {
	left float64
	at   time.Time
}

type limitView struct {
	Name      string `json:"name"`
	PerMinute int    `json:"per_minute"` // of one caller; 0 is no limit
	Refused   int    `json:"refused"`    // since it was set
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, minute: map[string]int{}, buckets: map[[2]string]*bucket{}, refused: map[string]int{}}
}

// set replaces every limit, or none.
func (l *limits) set(to map[string]int) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if !slices.Contains(limitedEndpoints, name) {
			faults = append(faults, fmt.Errorf("there is no limit for %q", name))
		}
		if n := to[name]; n < 0 || n > maxPerMinute {
			faults = append(faults, fmt.Errorf("%s: 0 to %d calls a minute", name, maxPerMinute))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.minute = map[string]int{}
	for name, n := range to {
		if n > 0 {
			l.minute[name] = n
		}
	}
	l.buckets, l.refused = map[[2]string]*bucket{}, map[string]int{}
	return nil
}

// wait returns 0 when a call may be served, and how long to wait when not.
func (l *limits) wait(endpoint, caller string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.minute[endpoint]
	if n == 0 {
		return 0
	}
	rate := float64(n) / 60 // a second
	most := max(rate, 1)
	now := l.now()
	b := l.buckets[[2]string{endpoint, caller}]
	if b == nil {
		b = &bucket{left: most, at: now}
		l.buckets[[2]string{endpoint, caller}] = b
	}
	b.left = min(most, b.left+rate*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	if b.left >= 1 {
		b.left--
		return 0
	}
	l.refused[endpoint]++
	return time.Duration((1 - b.left) / rate * float64(time.Second))
}

func (l *limits) views() []limitView {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]limitView, 0, len(limitedEndpoints))
	for _, name := range limitedEndpoints {
		all = append(all, limitView{name, l.minute[name], l.refused[name]})
	}
	return all
}

// state returns the limits that are set.
func (l *limits) state() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.minute)
}

// limited refuses the calls of who asks too often, before anything of them is
// read. Who it is says the certificate, and at Digital Post the system as well:
// one certificate may serve several.
func (a *App) limited(next http.Handler, endpoint func(*http.Request) string, refuse refusal) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _, _ := r.BasicAuth()
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			caller += "\x00" + string(r.TLS.PeerCertificates[0].Raw)
		}
		wait := a.limits.wait(endpoint(r), caller)
		if wait == 0 {
			next.ServeHTTP(w, r)
			return
		}
		seconds := max(1, int64((wait+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
		refuse(w, r, http.StatusTooManyRequests)
	})
}

type limitsJSON struct {
	Limits []limitView `json:"limits"`
}

func (a *App) apiLimits(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, limitsJSON{a.limits.views()})
}

// apiSetLimits replaces every limit: {"ngdp.memos":600}, calls a minute.
func (a *App) apiSetLimits(w http.ResponseWriter, r *http.Request) {
	to := map[string]int{}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxDial)).Decode(&to); err != nil {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity, `give calls a minute by endpoint, as in {"ngdp.memos":600}; {} takes every limit away`)
		return
	}
	if err := a.setLimits(to); err != nil {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity, err.Error())
		return
	}
	a.apiLimits(w, r)
}

func (a *App) formLimits(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxDial)
	if err := r.ParseForm(); err != nil {
		http.Error(w, spoken(r).say("The form cannot be read."), http.StatusBadRequest)
		return
	}
	to := map[string]int{}
	for _, name := range limitedEndpoints {
		text := r.PostForm.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			a.renderFaults(w, r, http.StatusUnprocessableEntity, name+" is no whole number.")
			return
		}
		to[name] = n
	}
	if err := a.setLimits(to); err != nil {
		a.renderFaults(w, r, http.StatusUnprocessableEntity, err.Error())
		return
	}
	onTo(w, r, "/faults")
}

func (a *App) setLimits(to map[string]int) error {
	if err := a.limits.set(to); err != nil {
		return err
	}
	says := "none"
	if names := slices.Sorted(maps.Keys(a.limits.state())); len(names) > 0 {
		says = strings.Join(names, ", ")
	}
	a.feed.add(Event{Kind: "limits", Says: says})
	return a.remember()
}
