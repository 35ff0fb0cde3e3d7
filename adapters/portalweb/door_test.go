package portalweb_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"sikkerpost.dk/gateway/adapters/portalweb"
	"sikkerpost.dk/gateway/internal/post"
)

// gate is a site whose log-in counts who came so far as to reach it.
type gate struct {
	http.Handler
	town
	now     time.Time
	started atomic.Int64
	seen    string // RemoteAddr as the log-in saw it
}

func newGate(t *testing.T, limits portalweb.Limits, edits ...func(*portalweb.Config)) *gate {
	t.Helper()
	g := &gate{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	g.town = newTown(t, append(edits, func(c *portalweb.Config) {
		c.Limits, c.Now = limits, func() time.Time { return g.now }
		c.SAML = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.started.Add(1)
			g.seen = r.RemoteAddr
		})
	})...)
	g.Handler = g.Config.Handler
	return g
}

// ask asks for path from an address, with pairs of headers.
func (g *gate) ask(method, path, from string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://portal.example"+path, nil)
	r.RemoteAddr = from
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func TestTenThousandStartsFromOneAddressKeepNobodyElseOut(t *testing.T) {
	g := newGate(t, portalweb.Limits{})
	for i := range 10_000 {
		g.ask("GET", "/saml/login", "198.51.100.7:"+strconv.Itoa(1024+i))
	}
	if n := g.started.Load(); n != 60 {
		t.Fatalf("%d log-ins were started, want the burst of 60", n)
	}
	for _, from := range []string{"198.51.100.8:4000", "[2001:db8::1]:4000"} {
		if w := g.ask("GET", "/saml/login", from); w.Code != http.StatusOK {
			t.Fatalf("the citizen at %s: %d", from, w.Code)
		}
	}
	for _, path := range []string{"/", "/tjek-kvittering", "/saml/metadata"} { // other doors of the same address
		if w := g.ask("GET", path, "198.51.100.7:4000"); w.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, w.Code)
		}
	}
	if n := strings.Count(g.log.String(), "requests turned away"); n != 1 {
		t.Fatalf("10,000 refusals are %d lines of the log, want 1", n)
	}
	if strings.Contains(g.log.String(), "198.51.100") {
		t.Fatal("an address stands in the log")
	}
	g.now = g.now.Add(2 * time.Second) // the rate: one every two seconds
	before := g.started.Load()
	for range 10 {
		g.ask("GET", "/saml/login", "198.51.100.7:4000")
	}
	if n := g.started.Load() - before; n != 1 {
		t.Fatalf("two seconds later %d got in, want 1", n)
	}
}

func TestMemoryStaysTheSameForAnyNumberOfAddresses(t *testing.T) {
	g := newGate(t, portalweb.Limits{})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	ask := func(from, to int) {
		for i := from; i < to; i++ {
			g.ask("GET", "/saml/login", fmt.Sprintf("[2001:db8:%x:%x::1]:443", i>>16, i&0xffff))
		}
	}
	ask(0, 1000)
	before := heap()
	ask(1000, 30_000)
	if after := heap(); after > before+512<<10 {
		t.Fatalf("%d KB more after 29,000 addresses", (after-before)>>10)
	}
}

func TestAStrangerSeldomSharesTheCountOfThousands(t *testing.T) {
	wide := portalweb.Rate{PerMinute: 1_000_000, Burst: 1_000_000}
	g := newGate(t, portalweb.Limits{Login: portalweb.Door{Each: portalweb.Rate{PerMinute: 1, Burst: 1}, All: wide}})
	for i := range 5000 {
		g.ask("GET", "/saml/login", fmt.Sprintf("198.18.%d.%d:1", i>>8, i&255))
	}
	shut := 0
	for i := range 2000 {
		if g.ask("GET", "/saml/login", fmt.Sprintf("203.%d.113.%d:1", i>>8, i&255)).Code == http.StatusTooManyRequests {
			shut++
		}
	}
	if shut > 60 { // about 1 in 200, growing a little with the strangers themselves
		t.Fatalf("%d of 2,000 strangers are kept out by 5,000 others", shut)
	}
}

func TestAllTogetherAreBoundedToo(t *testing.T) {
	g := newGate(t, portalweb.Limits{Login: portalweb.Door{
		Each: portalweb.Rate{PerMinute: 1, Burst: 1}, All: portalweb.Rate{PerMinute: 60, Burst: 10},
	}})
	for i := range 50 {
		g.ask("GET", "/saml/login", fmt.Sprintf("198.%d.100.7:1", i))
	}
	if n := g.started.Load(); n != 10 {
		t.Fatalf("%d got in, want 10", n)
	}
	g.now = g.now.Add(time.Second)
	if w := g.ask("GET", "/saml/login", "198.51.100.200:1"); w.Code != http.StatusOK {
		t.Fatalf("a second later: %d", w.Code)
	}
}

func TestWhatIsTurnedAwayIsToldInThePersonsLanguage(t *testing.T) {
	few := portalweb.Door{Each: portalweb.Rate{PerMinute: 2, Burst: 1}, All: portalweb.Rate{PerMinute: 100, Burst: 100}}
	for _, lang := range []string{"da", "en"} {
		for _, at := range []struct {
			method, path string
			again        bool // leads to the log-in
		}{{"GET", "/saml/login", true}, {"POST", "/saml/acs", true}, {"GET", "/saml/slo", true}, {"GET", "/", false}, {"GET", "/saml/metadata", false}, {"GET", "/ledger/checkpoint", false}} {
			g := newGate(t, portalweb.Limits{Login: few, Answer: few, Page: few})
			g.ask(at.method, at.path, "198.51.100.7:1")
			w := g.ask(at.method, at.path, "198.51.100.7:1", "Accept-Language", lang)
			root, err := html.Parse(strings.NewReader(w.Body.String()))
			if err != nil {
				t.Fatal(err)
			}
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "31" || w.Header().Get("Content-Language") != lang {
				t.Fatalf("%s: %d %v", at.path, w.Code, w.Header())
			}
			p := shown{status: w.Code, header: w.Header(), root: root, text: words(root)}
			checkStructure(t, p, lang)
			f := post.FaultTooOften
			want := []string{f.Danish, f.CureDA, f.Code, "Engdal Kommune"}
			if lang == "en" {
				want = []string{f.English, f.Cure, f.Code, "Engdal Kommune"}
			}
			for _, s := range want {
				if !strings.Contains(p.text, s) {
					t.Errorf("%s in %s does not say %q", at.path, lang, s)
				}
			}
			if p.leads("/saml/login?return=%2Fmine") != at.again {
				t.Errorf("%s in %s leads to the log-in: %v", at.path, lang, !at.again)
			}
			if w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: the answer lacks what holds for every answer: %v", at.path, w.Header())
			}
		}
	}
}

// TestAMessageThatIsTurnedAwayIsGivenBack: it is not saved, and going back in the browser may have
// lost it. Nothing is looked up for that, no other site has us show what it wrote, and what is no
// message of ours costs no more than before.
func TestAMessageThatIsTurnedAwayIsGivenBack(t *testing.T) {
	once := portalweb.Door{Each: portalweb.Rate{PerMinute: 2, Burst: 1}, All: portalweb.Rate{PerMinute: 100, Burst: 100}}
	const form, text = "application/x-www-form-urlencoded", "Det her tog mig en time at skrive.\n</textarea><b>æøå 💌"
	filled := url.Values{"text": {text}, "for": {"a1b2<"}}.Encode()
	for _, tt := range []struct {
		name, method, path, body, media, site string
		back                                  bool
	}{
		{"a message", "POST", "/ny/besked", filled, form, "same-origin", true},
		{"the longest one, all of it percent-encoded", "POST", "/ny/besked", url.Values{"text": {strings.Repeat("💌", 3990) + text}}.Encode(), form, "same-origin", true},
		{"from another site", "POST", "/ny/besked", filled, form, "cross-site", false},
		{"from a neighbor", "POST", "/ny/besked", filled, form, "same-site", false},
		{"in the address", "POST", "/ny/besked?" + filled, "", form, "same-origin", false},
		{"not sent but asked for", "GET", "/ny/besked?" + filled, "", "", "same-origin", false},
		{"to another page", "POST", "/ny/emne", filled, form, "same-origin", false},
		{"to the log-in", "POST", "/saml/acs", filled, form, "same-origin", false},
		{"no form", "POST", "/ny/besked", filled, "text/plain", "same-origin", false},
		{"a broken one", "POST", "/ny/besked", "text=%zz", form, "same-origin", false},
		{"longer than any of ours", "POST", "/ny/besked", "text=listen" + strings.Repeat("a", 60<<10), form, "same-origin", false},
	} {
		for _, declared := range []bool{true, false} {
			g := newGate(t, portalweb.Limits{Page: once, Answer: once})
			ask := func() *httptest.ResponseRecorder {
				r := httptest.NewRequest(tt.method, "https://portal.example"+tt.path, strings.NewReader(tt.body))
				r.RemoteAddr = "198.51.100.7:1"
				if !declared {
					r.ContentLength = -1
				}
				r.Header.Set("Content-Type", tt.media)
				r.Header.Set("Sec-Fetch-Site", tt.site)
				w := httptest.NewRecorder()
				g.ServeHTTP(w, r)
				return w
			}
			ask()
			w := ask()
			root, err := html.Parse(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			p := shown{status: w.Code, header: w.Header(), root: root, text: words(root)}
			checkStructure(t, p, "da")
			given := ""
			for _, n := range p.elements("textarea") {
				given = strings.TrimPrefix(n.FirstChild.Data, "\n")
			}
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "31" || strings.HasSuffix(given, text) != tt.back || (given != "") != tt.back {
				t.Errorf("%s: %d, given back %.80q", tt.name, w.Code, given)
			}
			if tt.name == "a message" && p.value("for") != "a1b2<" {
				t.Errorf("%s is not for whom it was written: %q", tt.name, p.value("for"))
			}
			if strings.Contains(g.log.String(), "en time") {
				t.Error("the message is in the log")
			}
		}
	}
}

func TestOnlyATrustedProxySaysForWhomItSpeaks(t *testing.T) {
	proxies := portalweb.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8:ffff::/48")}}
	for _, tt := range []struct {
		name, from string
		headers    []string
		want       string
	}{
		{"a stranger is not believed", "198.51.100.7:1", []string{"X-Forwarded-For", "203.0.113.9"}, "198.51.100.7"},
		{"a proxy is", "10.1.0.4:1", []string{"X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		{"what the browser wrote before it is not", "10.1.0.4:1", []string{"X-Forwarded-For", "192.0.2.1, 203.0.113.9"}, "203.0.113.9"},
		{"nor in a line of its own", "10.1.0.4:1", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		{"proxies in a row", "10.1.0.4:1", []string{"X-Forwarded-For", "192.0.2.1, 203.0.113.9,10.1.9.9"}, "203.0.113.9"},
		{"with a port", "10.1.0.4:1", []string{"X-Forwarded-For", "203.0.113.9:5000"}, "203.0.113.9"},
		{"IPv6 in brackets, by a proxy of IPv6", "[2001:db8:ffff::2]:1", []string{"X-Forwarded-For", "[2001:db8::7]:5000"}, "2001:db8::7"},
		{"IPv4 in IPv6", "[::ffff:10.1.0.4]:1", []string{"X-Forwarded-For", "::ffff:203.0.113.9"}, "203.0.113.9"},
		{"no header: the proxy itself", "10.1.0.4:1", nil, "10.1.0.4"},
		{"garbage: the proxy itself", "10.1.0.4:1", []string{"X-Forwarded-For", "203.0.113.9, unknown"}, "10.1.0.4"},
		{"another header counts for nothing", "10.1.0.4:1", []string{"X-Real-Ip", "203.0.113.9"}, "10.1.0.4"},
		{"a list without end is not read", "10.1.0.4:1", []string{"X-Forwarded-For", "203.0.113.9," + strings.Repeat("10.1.0.4,", 100) + "10.1.0.4"}, "10.1.0.4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t, portalweb.Limits{Proxies: proxies})
			g.ask("GET", "/saml/login", tt.from, tt.headers...)
			if g.seen != tt.want {
				t.Fatalf("asked by %s, want %s", g.seen, tt.want)
			}
		})
	}
}

func TestAddressesAreCountedByWhatOneHouseholdHas(t *testing.T) {
	once := portalweb.Door{Each: portalweb.Rate{PerMinute: 1, Burst: 1}, All: portalweb.Rate{PerMinute: 100, Burst: 100}}
	behind := portalweb.Limits{Login: once, Proxies: portalweb.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.1.0.4/32")}}}
	for _, tt := range []struct {
		name          string
		limits        portalweb.Limits
		first, second string
		together      bool
	}{
		{"one /64 of IPv6 is one", portalweb.Limits{Login: once}, "[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::9]:1", true},
		{"the next is another", portalweb.Limits{Login: once}, "[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", false},
		{"IPv4 written as IPv6 is the same", portalweb.Limits{Login: once}, "198.51.100.7:1", "[::ffff:198.51.100.7]:2", true},
		{"each IPv4 is one", portalweb.Limits{Login: once}, "198.51.100.7:1", "198.51.100.8:1", false},
		{"an unnamed proxy does not make all citizens one", portalweb.Limits{Login: once}, "10.1.0.4:1", "10.1.0.4:2", false},
		{"once proxies are named, who is inside is counted like anybody", behind, "10.9.9.9:1", "10.9.9.9:2", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t, tt.limits)
			if w := g.ask("GET", "/saml/login", tt.first); w.Code != http.StatusOK {
				t.Fatal(w.Code)
			}
			if w := g.ask("GET", "/saml/login", tt.second); (w.Code == http.StatusTooManyRequests) != tt.together {
				t.Fatal(w.Code)
			}
		})
	}
}

func TestUnnamedProxyIsToldOfOnce(t *testing.T) {
	g := newGate(t, portalweb.Limits{})
	for range 5 {
		g.ask("GET", "/", "10.1.0.4:1")
	}
	if n := strings.Count(g.log.String(), "no citizen can have"); n != 1 {
		t.Fatalf("told %d times", n)
	}
}

func TestALimitThatBoundsNothingIsRefused(t *testing.T) {
	_, err := portalweb.New(portalweb.Config{})
	if err == nil {
		t.Fatal("a site of nothing")
	}
	g := newGate(t, portalweb.Limits{})
	c := g.Config.Handler.(*portalweb.Site).Config
	c.Limits = portalweb.Limits{Page: portalweb.Door{Each: portalweb.Rate{PerMinute: 1}, All: portalweb.Rate{PerMinute: 1, Burst: 1}}}
	if _, err := portalweb.New(c); err == nil || !strings.Contains(err.Error(), "Page") {
		t.Fatal(err)
	}
}
