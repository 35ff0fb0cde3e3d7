package portalweb

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sikkerpost.dk/gateway/internal/post"
)

// A Door is what one kind of request may be asked for, by each address and by
// all together. The zero value has the rates of [Limits].
type Door struct{ Each, All Rate }

// Limits bound what anybody may ask for without being known, so that nobody
// keeps others out by asking too often. They hold for one process.
type Limits struct {
	Proxies Proxies
	// Login starts a log-in, which writes a row and signs a request: 30 a minute
	// and 60 at once for each address (a library or a mobile network may hide many
	// citizens behind one), 1,800 a minute and 600 at once for all.
	Login Door
	// Answer is what comes back from the log-in provider, with signatures to
	// check: 60 and 120, 3,600 and 1,200.
	Answer Door
	// Page is everything else, and the public ledger with its many small files:
	// 1,200 and 600, 60,000 and 6,000.
	Page Door
	// Body is how long the body of a request may take, the files of somebody logged
	// in apart; 30 seconds.
	Body time.Duration
}

var (
	usualLogin  = Door{Rate{30, 60}, Rate{1800, 600}}
	usualAnswer = Door{Rate{60, 120}, Rate{3600, 1200}}
	usualPage   = Door{Rate{1200, 600}, Rate{60000, 6000}}
)

// check fills what is left out and says what cannot be.
func (l *Limits) check() error {
	for _, d := range []struct {
		name  string
		door  *Door
		usual Door
	}{{"Login", &l.Login, usualLogin}, {"Answer", &l.Answer, usualAnswer}, {"Page", &l.Page, usualPage}} {
		if *d.door == (Door{}) {
			*d.door = d.usual
		}
		for _, r := range []Rate{d.door.Each, d.door.All} {
			if r.PerMinute < 1 || r.Burst < 1 || r.PerMinute > 1e8 || r.Burst > 1e6 {
				return fmt.Errorf("portalweb: Limits.%s lets nobody in, or bounds nothing", d.name)
			}
		}
	}
	if l.Body <= 0 {
		l.Body = usualBody
	}
	if len(l.Proxies.Trusted) > 0 && l.Proxies.Header == "" {
		l.Proxies.Header = "X-Forwarded-For"
	}
	return nil
}

var refusedAtDoor = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "sikkerpost_portal_refused_total",
	Help: "Requests turned away because one address, or all together, asked too often.",
}, []string{"door", "bound"})

// doors turns away what exceeds the limits, before anything else is done.
type doors struct {
	proxies             Proxies
	login, answer, page door
	loginPath           string
	log                 *slog.Logger
	now                 func() time.Time
	start               time.Time
	pages               map[string][2][]byte // by language: without and with the way to log in
	giveBack            func(lang, text, writer string) []byte
	ours                func(*http.Request) error // refuses what another site sends

	mu     sync.Mutex
	quiet  map[string]time.Time // when a bound was last told of
	hidden bool                 // an address was met that no citizen can have
}

type door struct {
	name string
	*bound
}

// sayAgain is how long a bound that turns away is not told of again: the metric
// counts each, and a flood must not become one of the log.
const sayAgain = time.Minute

func (s *Site) newDoors(ours func(*http.Request) error) *doors {
	d := &doors{
		proxies:  s.Limits.Proxies,
		login:    door{"login", newBound(s.Limits.Login.Each, s.Limits.Login.All)},
		answer:   door{"answer", newBound(s.Limits.Answer.Each, s.Limits.Answer.All)},
		page:     door{"page", newBound(s.Limits.Page.Each, s.Limits.Page.All)},
		giveBack: func(lang, text, writer string) []byte { return s.tooOften(lang, "", text, writer) }, ours: ours,
		loginPath: s.LoginPath, log: s.Log, now: s.Now, pages: map[string][2][]byte{}, quiet: map[string]time.Time{},
	}
	if d.now == nil {
		d.now = time.Now
	}
	d.start = d.now()
	for lang := range s.pages.texts {
		d.pages[lang] = [2][]byte{s.tooOften(lang, "", "", ""), s.tooOften(lang, s.loginURL("/mine"), "", "")}
	}
	return d
}

// tooOften makes the page of a refusal. Without a message to give back it is made
// once: a page that costs little is part of the bound.
func (s *Site) tooOften(lang, again, text, writer string) []byte {
	f := post.FaultTooOften
	v := faultView{
		base: base{
			Lang: lang, Style: stylePath, Path: "/", words: s.pages.texts[lang], LoginURL: s.loginURL("/ny"), LogoutURL: s.LogoutPath,
			About: s.About,
		},
		Code: f.Code, Draft: true, Again: again, Tenants: s.Config.Tenants, Unsaved: text, Writer: writer,
	}
	v.Sentence, v.Cure = v.sentence(f), v.cure(f)
	v.Title = v.Sentence + " – " + v.text("site")
	var buf bytes.Buffer
	if err := s.pages.templates[lang+"/fault"].ExecuteTemplate(&buf, "layout.html", v); err != nil {
		panic(err) // a page of ours, with no word from outside but those of a text area
	}
	return buf.Bytes()
}

// of returns the door that r comes by.
func (d *doors) of(r *http.Request) door {
	switch {
	case r.URL.Path == d.loginPath:
		return d.login
	case strings.HasPrefix(r.URL.Path, "/saml/") && r.URL.Path != "/saml/metadata":
		return d.answer
	}
	return d.page
}

// let reports whether r may come in, and answers it when not. From then on
// r.RemoteAddr is the address of who asks, also behind a proxy.
func (d *doors) let(w http.ResponseWriter, r *http.Request) bool {
	from := d.proxies.caller(r)
	if from.IsValid() {
		r.RemoteAddr = from.String()
	}
	counted, hidden := d.proxies.counted(from)
	at := d.of(r)
	wait, own := at.bound.let(counted, d.now().Sub(d.start))
	if hidden {
		d.tellHidden(r)
	}
	if wait == 0 {
		return true
	}
	kind := "all"
	if own {
		kind = "address"
	}
	refusedAtDoor.WithLabelValues(at.name, kind).Inc()
	d.tell(r, at.name, kind)
	lang, which := language(r), 0
	if at.name != d.page.name {
		which = 1
	}
	h := w.Header()
	h.Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Vary", "Accept-Language, Cookie")
	page := d.pages[lang][which]
	if text, writer := d.unsaved(w, r); text != "" {
		page = d.giveBack(lang, text, writer)
	}
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write(page) // the browser may have gone
	return false
}

// giveBackBytes is the longest form whose message is given back by who turns it away:
// 4,000 characters of four bytes, percent-encoded. The server would read as much to
// keep the connection.
const giveBackBytes = 52 << 10

// unsaved is the message in what is turned away, as [unsaved] of any other refusal.
func (d *doors) unsaved(w http.ResponseWriter, r *http.Request) (text, writer string) {
	if r.Method != http.MethodPost || r.URL.Path != messagePath || r.ContentLength > giveBackBytes || d.ours(r) != nil {
		return "", ""
	}
	r.Body = http.MaxBytesReader(w, r.Body, giveBackBytes)
	return unsaved(r, post.FaultTooOften)
}

func (d *doors) tell(r *http.Request, name, kind string) {
	now := d.now()
	d.mu.Lock()
	last, told := d.quiet[name+kind]
	tell := !told || now.Sub(last) >= sayAgain
	if tell {
		d.quiet[name+kind] = now
	}
	d.mu.Unlock()
	if tell {
		d.log.WarnContext(r.Context(), "requests turned away", slog.String("door", name), slog.String("bound", kind), slog.String("code", post.FaultTooOften.Code))
	}
}

// tellHidden says once that citizens' addresses are not seen.
func (d *doors) tellHidden(r *http.Request) {
	d.mu.Lock()
	told := d.hidden
	d.hidden = true
	d.mu.Unlock()
	if !told {
		d.log.WarnContext(r.Context(), "a request came from an address that no citizen can have; such are bounded in all only, until limits.trusted_proxies names the proxy")
	}
}
