package simulatorapp

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
)

//go:embed pages
var files embed.FS

// A tongue is the language that a page is written in. Danish stands at the
// root, English below /en: the address alone says which, so that no cookie is
// needed and a link shows what its sender saw.
type tongue string

const (
	danish  tongue = "da"
	english tongue = "en"
)

// root begins the addresses of the pages in this language.
func (l tongue) root() string {
	if l == english {
		return "/en"
	}
	return ""
}

// say returns a sentence in this language, its places filled with args. English
// sentences are the keys; one that has no Danish stays as it is, as names and
// what the carriers say do.
func (l tongue) say(sentence string, args ...any) string {
	if in, ok := danishOf[sentence]; ok && l == danish {
		sentence = in
	}
	if len(args) == 0 {
		return sentence
	}
	return fmt.Sprintf(sentence, args...)
}

// word returns what a code of an interface means. English readers get the code
// itself.
func (l tongue) word(code any) string {
	text := fmt.Sprint(code)
	if in, ok := danishWords[text]; ok && l == danish {
		return in
	}
	return text
}

// when writes a Danish time, as a recipient's screen shows it, whatever the
// zone of this machine is.
func (l tongue) when(t time.Time) string {
	at := t.In(calendar.Zone())
	if l == danish {
		return fmt.Sprintf("%d. %s %s", at.Day(), danishMonths[at.Month()-1], at.Format("2006 15.04.05"))
	}
	return at.Format("2 Jan 2006 15:04:05")
}

type tongueKey struct{}

// spoken returns the language of the page that is asked for.
func spoken(r *http.Request) tongue {
	if l, ok := r.Context().Value(tongueKey{}).(tongue); ok {
		return l
	}
	return danish
}

// inTongues serves the pages below /en in English, and as they are in Danish.
func inTongues(next http.Handler) http.Handler {
	in := http.StripPrefix(english.root(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tongueKey{}, english)))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == english.root():
			http.Redirect(w, r, english.root()+"/", http.StatusSeeOther)
		case strings.HasPrefix(r.URL.Path, english.root()+"/"):
			in.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// onTo leads a browser that sent a form on to a page in its language.
func onTo(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, spoken(r).root()+path, http.StatusSeeOther) //nolint:gosec // root is one of two; path is ours and begins with a slash
}

// other returns the address of the same page in the other language. What a form
// was sent to is no page: then it is the page with the form.
func other(r *http.Request) string {
	to := english
	if spoken(r) == english {
		to = danish
	}
	path := r.URL.Path
	switch {
	case r.Method != http.MethodGet && strings.HasPrefix(path, "/print/"):
		path = "/print"
	case r.Method != http.MethodGet:
		path = "/faults"
	case r.URL.RawQuery != "":
		path += "?" + r.URL.RawQuery
	}
	return to.root() + path
}

// views are the pages in each language.
var views = map[tongue]*template.Template{danish: viewsIn(danish), english: viewsIn(english)}

func viewsIn(l tongue) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"t":     l.say,
		"word":  l.word,
		"clock": l.when,
		"lang":  func() string { return string(l) },
		"root":  l.root,
		"next":  func(i int) int { return i + 1 },
		"short": func(t time.Time) string { return t.In(calendar.Zone()).Format("15:04:05.000") },
		"class": func(status int) string { return "s" + strconv.Itoa(status/100) },
		// statuses are offered by the page; the API takes any.
		"statuses": func(now int) []int {
			all := []int{400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504}
			if now > 0 && !slices.Contains(all, now) {
				all = append(all, now)
			}
			return all
		},
		"reasons": func() []string { return []string{"addressee.unknown", "moved", "refused", "unclaimed"} },
		"size": func(n int64) string {
			if n < 10<<10 {
				return l.say("%d bytes", n)
			}
			return strconv.FormatInt(n>>10, 10) + " KB"
		},
	}).ParseFS(files, "pages/*.html"))
}
