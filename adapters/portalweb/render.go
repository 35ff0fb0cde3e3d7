package portalweb

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
)

//go:embed page/*.html
var pageFiles embed.FS

// pages holds every page in every language, parsed at start.
type pages struct {
	texts     map[string]catalog
	templates map[string]*template.Template // by language and name
}

func pageNames() []string {
	return []string{"start", "recipient", "topic", "message", "files", "check", "discard", "receipt", "mine", "genuine", "loggedoff", "session", "grants", "fault"}
}

func parsePages() (pages, error) {
	texts, err := readCatalogs()
	if err != nil {
		return pages{}, err
	}
	p := pages{texts: texts, templates: map[string]*template.Template{}}
	for lang, words := range texts {
		funcs := template.FuncMap{
			"t":      words.text,
			"date":   func(t time.Time) string { return date(lang, t) },
			"clock":  func(t time.Time) string { return clock(lang, t) },
			"utc":    utc,
			"size":   func(n int64) string { return size(lang, n) },
			"str":    strconv.Itoa,
			"hex":    func(b []byte) string { return fmt.Sprintf("%x", b) },
			"letter": func(s post.LetterState, ch post.Channel) string { return words.text("letter." + letterKey(s, ch)) },
			"short":  func(b []byte) string { return fmt.Sprintf("%.8x", b) },
		}
		for _, name := range pageNames() {
			t, err := template.New("layout.html").Option("missingkey=error").Funcs(funcs).
				ParseFS(pageFiles, "page/layout.html", "page/"+name+".html")
			if err != nil {
				return pages{}, fmt.Errorf("parse page %s: %w", name, err)
			}
			p.templates[lang+"/"+name] = t
		}
	}
	return p, nil
}

// render writes a page, or an internal error when it cannot be made. Nothing
// is sent before the page is whole.
func (s *Site) render(w http.ResponseWriter, status int, name string, v interface{ language() string }) {
	var buf bytes.Buffer
	if err := s.pages.templates[v.language()+"/"+name].ExecuteTemplate(&buf, "layout.html", v); err != nil {
		s.Log.Error("page not made", slog.String("page", name), slog.Any("error", err))
		http.Error(w, post.FaultInternal.Danish+"\n"+post.FaultInternal.English, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.language())
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the browser may have gone
}

// A problem is one thing to put right on a form.
type problem struct {
	Field string // the id of the input
	Text  string
}

// base is what every page has.
type base struct {
	Lang      string
	Title     string
	Style     string
	Path      string // of this page, for the choice of language
	Step      int    // 1 to 5, or 0
	User      *user
	Ends      *ending // when the session ends; nil without one
	LoginURL  string
	LogoutURL string
	Authority string // whom the page concerns, when known
	For       string // whom its forms are made for; see [visit.parse]
	About     About
	Problems  []problem
	words     catalog
}

// user is who the header names.
type user struct {
	Name     string
	OnBehalf string // of whom, or ""
	Choice   bool   // may act for others
}

// steps is the number of pages before the receipt.
const steps = 5

func (b base) language() string { return b.Lang }

func (b base) text(key string, pairs ...string) string { return b.words.text(key, pairs...) }

// Problem returns what is wrong with a field, or "".
func (b base) Problem(field string) string {
	for _, p := range b.Problems {
		if p.Field == field {
			return p.Text
		}
	}
	return ""
}

// base returns what every page has; title is a key, or "".
func (s *Site) base(r *http.Request, title string) base {
	b := s.anonymous(r, title)
	if session, err := s.Sessions.Session(r); err == nil {
		b.known(session, s.ending(session, b.Path))
	}
	return b
}

func (s *Site) anonymous(r *http.Request, title string) base {
	lang := language(r)
	b := base{
		Lang: lang, Style: stylePath, Path: r.URL.Path, words: s.pages.texts[lang],
		LoginURL: s.loginURL("/ny"), LogoutURL: s.LogoutPath, About: s.About,
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && strings.HasPrefix(b.Path, "/ny/filer/") {
		b.Path = uploadPath // an address that can be opened
	}
	if b.Path == stayPath {
		b.Path = sessionPath
	}
	if !login.LocalPath(b.Path) { // "//elsewhere", sent by another site: the link would lead there
		b.Path = "/"
	}
	if title != "" {
		b.Title = b.text(title) + " – " + b.text("site")
	}
	return b
}

// at marks the page as a step on the way and names the authority.
func (b *base) at(step int, tenant post.Tenant) {
	b.Step, b.Authority = step, tenant.Name
	b.Title = b.text("step", "n", strconv.Itoa(step), "of", strconv.Itoa(steps)) + ": " + b.Title
	if tenant.Name != "" {
		b.Title += " – " + tenant.Name
	}
}

// wrong adds a problem and says so in the title, which is read out first.
func (b *base) wrong(field, text string) {
	if len(b.Problems) == 0 {
		b.Title = b.text("title.wrong") + " " + b.Title
	}
	b.Problems = append(b.Problems, problem{field, text})
}

// sentence returns f's sentence in the page's language.
func (b base) sentence(f *post.Fault) string {
	if b.Lang == "en" {
		return f.English
	}
	return f.Danish
}

func (b base) cure(f *post.Fault) string {
	if b.Lang == "en" {
		return f.Cure
	}
	return f.CureDA
}
