package simulatorapp

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// pages returns the start page, what hangs on it, and the API.
func (a *App) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.pageStart)
	mux.HandleFunc("GET /style.css", a.style)
	mux.HandleFunc("GET /icon.svg", a.icon)
	mux.HandleFunc("GET /box/{persona}", a.pageBox)
	mux.HandleFunc("GET /authority/{cvr}", a.pageAuthority)
	mux.HandleFunc("GET /message/{uuid}", a.pageMessage)
	mux.HandleFunc("GET /message/{uuid}/xml", a.pageXML)
	mux.HandleFunc("GET /message/{uuid}/file/{n}", a.pageFile)
	mux.HandleFunc("GET /live.js", a.script)
	mux.HandleFunc("GET /messages", a.pageMessages)
	mux.HandleFunc("GET /events", a.pageEvents)
	mux.HandleFunc("GET /print", a.pagePrint)
	mux.HandleFunc("GET /print/{job}", a.pageSheet)
	mux.HandleFunc("GET /print/{job}/file/{n}", a.pagePaper)
	mux.HandleFunc("POST /print/{job}/{event}", a.formReport)
	mux.HandleFunc("GET /faults", a.pageFaults)
	mux.HandleFunc("POST /faults", a.formFaults)
	mux.HandleFunc("POST /dial", a.formDial)
	mux.HandleFunc("POST /clock", a.formClock)
	mux.HandleFunc("POST /limits", a.formLimits)
	mux.HandleFunc("POST /reset", a.formReset)
	mux.HandleFunc("GET /", a.missing)
	a.api(mux)
	// Another site's page may make a browser send forms here; it may not.
	return headers(http.NewCrossOriginProtection().Handler(inTongues(mux)))
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// view is what every page gets.
type view[T any] struct {
	Title string
	Here  string // which entry of the menu is current
	Body  T
	Other string // this page in the other language
}

func render[T any](a *App, w http.ResponseWriter, r *http.Request, page string, v view[T]) {
	renderAs(a, w, r, http.StatusOK, page, v)
}

func renderAs[T any](a *App, w http.ResponseWriter, r *http.Request, status int, page string, v view[T]) {
	var out bytes.Buffer
	v.Other = other(r)
	if err := views[spoken(r)].ExecuteTemplate(&out, page, v); err != nil {
		a.log.ErrorContext(r.Context(), "page not rendered", slog.String("page", page), slog.Any("error", err))
		http.Error(w, spoken(r).say("The page cannot be shown."), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // whoever asked has gone
}

// missing answers for a page that is not there.
func (a *App) missing(w http.ResponseWriter, r *http.Request) {
	renderAs(a, w, r, http.StatusNotFound, "missing.html", view[struct{}]{Title: spoken(r).say("No such page")})
}

func (a *App) style(w http.ResponseWriter, _ *http.Request) {
	asset(w, "pages/style.css", "text/css; charset=utf-8")
}

func (a *App) script(w http.ResponseWriter, _ *http.Request) {
	asset(w, "pages/live.js", "text/javascript; charset=utf-8")
}

// icon is the sign in a browser's tabs, which asks for one with every visit.
func (a *App) icon(w http.ResponseWriter, _ *http.Request) {
	asset(w, "pages/icon.svg", "image/svg+xml")
}

func asset(w http.ResponseWriter, name, kind string) {
	text, err := files.ReadFile(name)
	if err != nil { // embedded, so it is there
		http.Error(w, "", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(text)
}

type startRow struct {
	persona.Persona
	Messages int
}

type startTenant struct {
	post.Tenant
	Messages int
}

type startPage struct {
	Personas    []startRow
	Tenants     []startTenant
	Stats       digitalposttest.Stats
	Jobs        int
	DigitalPost string
	NemLogIn    string
	KombiPost   string
	Kombi       kombiposttest.Stats
	Waiting     int // statuses that nobody has taken
}

func (a *App) pageStart(w http.ResponseWriter, r *http.Request) {
	p := startPage{Stats: a.post.Stats(), Jobs: len(a.tray()), DigitalPost: a.DigitalPostURL(), NemLogIn: a.nemLogInURL, KombiPost: a.kombiURL}
	if a.kombi != nil {
		p.Kombi, p.Waiting = a.kombi.server.Stats(), len(a.kombi.server.Queued())
	}
	for _, who := range a.cfg.Personas {
		p.Personas = append(p.Personas, startRow{who, len(a.post.Box(numbers(who)...))})
	}
	for _, t := range a.cfg.Tenants {
		p.Tenants = append(p.Tenants, startTenant{t, len(a.post.AuthorityBox(t.CVR, ""))})
	}
	render(a, w, r, "start.html", view[startPage]{Title: spoken(r).say("Simulators"), Here: "start", Body: p})
}

// boxPage is a mailbox, of a persona or of one municipality's contact points.
type boxPage struct {
	Owner, Note string
	Groups      []boxGroup
}

type boxGroup struct {
	Name     string // "" when there is one only
	Messages []digitalposttest.Message
}

func (a *App) pageBox(w http.ResponseWriter, r *http.Request) {
	p, ok := a.persona(r.PathValue("persona"))
	if !ok {
		a.missing(w, r)
		return
	}
	l := spoken(r)
	body := boxPage{p.Name, l.say(p.Story), []boxGroup{{Messages: a.post.Box(numbers(p)...)}}}
	render(a, w, r, "box.html", view[boxPage]{Title: l.say("Digital Post of %s", p.Name), Here: "start", Body: body})
}

func (a *App) pageAuthority(w http.ResponseWriter, r *http.Request) {
	for _, t := range a.cfg.Tenants {
		if string(t.CVR) != r.PathValue("cvr") {
			continue
		}
		l := spoken(r)
		body := boxPage{t.Name, l.say("What citizens wrote to the municipality"), []boxGroup{
			{l.say("Write to the municipality"), a.post.AuthorityBox(t.CVR, t.ContactPoint)},
			{l.say("Data protection officer"), a.post.AuthorityBox(t.CVR, t.DPOContactPoint)},
		}}
		render(a, w, r, "box.html", view[boxPage]{Title: l.say("Digital Post of %s", t.Name), Here: "start", Body: body})
		return
	}
	a.missing(w, r)
}

type messagePage struct {
	digitalposttest.Message
	Tabs    []tab
	Tab     string
	XML     string
	Cut     bool
	Gone    bool // its text is no longer kept
	Verdict verdict
	Seals   []seal
	Call    exchange
	Called  bool
	Begin   string // of the body, in the raw view
	To      addressee
	Texts   map[int]string // documents shown where they lie
}

// tab is one view of a message.
type tab struct{ Key, Name string }

var tabs = []tab{
	{"read", "Read"}, {"xml", "MeMo XML"}, {"check", "Check"}, {"signature", "Signature"}, {"events", "Events"}, {"raw", "Raw"},
}

// maxShown bounds the XML on a page; the whole message is a link away. maxRaw
// does for the raw view.
const (
	maxShown = 64 << 10
	maxRaw   = 4 << 10
)

func (a *App) pageMessage(w http.ResponseWriter, r *http.Request) {
	m, err := a.post.Message(r.PathValue("uuid"))
	if err != nil {
		a.missing(w, r)
		return
	}
	p := messagePage{Message: m, Tabs: tabs, Tab: r.URL.Query().Get("tab")}
	if x, err := a.post.XML(m.UUID); err == nil {
		_ = x.Close() // nothing was read
	} else {
		p.Gone = errors.Is(err, digitalposttest.ErrGone)
	}
	switch p.Tab {
	case "xml":
		p.XML, p.Cut = a.beginning(m.UUID, maxShown)
		p.XML = strings.ReplaceAll(p.XML, "><", ">\n<") // for the eye; the message itself has no line breaks
	case "check":
		p.Verdict = a.judge(r.Context(), m.UUID)
	case "signature":
		p.Seals = a.seals(m)
	case "raw":
		p.Call, p.Called = a.calls.get(m.UUID)
		p.Begin, p.Cut = a.beginning(m.UUID, maxRaw)
	case "events":
	default:
		p.Tab = "read"
		p.To, p.Texts = a.addressee(m.UUID), a.texts(m)
	}
	title := m.Title
	if title == "" {
		title = spoken(r).say("A message without a title")
	}
	render(a, w, r, "message.html", view[messagePage]{Title: title, Here: "messages", Body: p})
}

// beginning returns the first n bytes of a message, and whether there is more.
func (a *App) beginning(uuid string, n int) (text string, cut bool) {
	x, err := a.post.XML(uuid)
	if err != nil {
		return "", false
	}
	defer x.Close()
	all, err := io.ReadAll(io.LimitReader(x, int64(n)+1))
	if err != nil {
		return "", false
	}
	cut = len(all) > n
	return strings.ToValidUTF8(string(all[:min(len(all), n)]), "\ufffd"), cut
}

func (a *App) pageXML(w http.ResponseWriter, r *http.Request) {
	x, err := a.post.XML(r.PathValue("uuid"))
	if err != nil {
		a.missing(w, r)
		return
	}
	defer x.Close()
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Disposition", "attachment; filename=message.xml")
	_, _ = io.Copy(w, x) // whoever asked has gone
}

// pageFile serves one file of a message. A PDF opens in the browser; anything
// else is saved, so that a letter's HTML never runs on these pages.
func (a *App) pageFile(w http.ResponseWriter, r *http.Request) {
	m, err := a.post.Message(r.PathValue("uuid"))
	n, numErr := strconv.Atoi(r.PathValue("n"))
	if err != nil || numErr != nil || n < 0 || n >= len(m.Documents) {
		a.missing(w, r)
		return
	}
	d := m.Documents[n]
	how := "attachment"
	if d.MediaType == "application/pdf" {
		how = "inline"
		w.Header().Set("Content-Type", d.MediaType)
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	w.Header().Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": d.Filename}))
	if err := a.post.File(m.UUID, n, w); err != nil {
		a.log.WarnContext(r.Context(), "file not shown", slog.String("message", m.UUID), slog.Any("error", err))
	}
}

func (a *App) formReset(w http.ResponseWriter, r *http.Request) {
	if err := a.reset(); err != nil {
		a.log.ErrorContext(r.Context(), "simulators not reset", slog.Any("error", err))
		http.Error(w, spoken(r).say("The boxes could not be emptied."), http.StatusInternalServerError)
		return
	}
	onTo(w, r, "/")
}
