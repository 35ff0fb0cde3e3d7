package portalweb

import (
	"embed"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
)

//go:embed text/*.txt
var textFiles embed.FS

// catalog holds the words of one language: lines "key = text", where {name}
// stands for a value.
type catalog map[string]string

// languages are those of the pages; the first is the default.
var languages = []string{"da", "en"}

func readCatalogs() (map[string]catalog, error) {
	all := map[string]catalog{}
	for _, lang := range languages {
		data, err := textFiles.ReadFile("text/" + lang + ".txt")
		if err != nil {
			return nil, fmt.Errorf("read texts: %w", err)
		}
		if all[lang], err = parseCatalog(string(data)); err != nil {
			return nil, fmt.Errorf("read texts %s: %w", lang, err)
		}
	}
	return all, nil
}

func parseCatalog(data string) (catalog, error) {
	c := catalog{}
	for n, line := range strings.Split(data, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, text, ok := strings.Cut(line, " = ")
		if _, twice := c[key]; !ok || twice {
			return nil, fmt.Errorf("line %d: no \" = \", or the key stands twice", n+1)
		}
		c[key] = text
	}
	return c, nil
}

// text returns the words for key; pairs are name, value, name, value. A missing
// key shows itself, and a test finds it first.
func (c catalog) text(key string, pairs ...string) string {
	text, ok := c[key]
	if !ok {
		return "[" + key + "]"
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}

const languageCookie = "__Host-lang"

// language picks the language: the address, the cookie, the browser's wish,
// Danish.
func language(r *http.Request) string {
	asked := []string{r.URL.Query().Get("lang")}
	if c, err := r.Cookie(languageCookie); err == nil {
		asked = append(asked, c.Value)
	}
	for _, a := range asked {
		for _, l := range languages {
			if a == l {
				return l
			}
		}
	}
	for wish := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		wish = strings.ToLower(strings.TrimSpace(wish))
		for _, l := range languages {
			if strings.HasPrefix(wish, l) {
				return l
			}
		}
		if strings.HasPrefix(wish, "nb") || strings.HasPrefix(wish, "nn") || strings.HasPrefix(wish, "no") || strings.HasPrefix(wish, "sv") {
			return "da" // nearer than English
		}
	}
	return languages[0]
}

// rememberLanguage keeps a choice made by ?lang=.
func rememberLanguage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("lang") == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: language(r), Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

var months = map[string][]string{
	"da": {"januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september", "oktober", "november", "december"},
	"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}

// date writes a day in Danish time: 22. november 2026, 22 November 2026.
func date(lang string, t time.Time) string {
	t = t.In(intake.Copenhagen())
	dot := ""
	if lang == "da" {
		dot = "."
	}
	return fmt.Sprintf("%d%s %s %d", t.Day(), dot, months[lang][t.Month()-1], t.Year())
}

// clock writes the time of day in Danish time: kl. 14.30, 14:30.
func clock(lang string, t time.Time) string {
	t = t.In(intake.Copenhagen())
	if lang == "da" {
		return t.Format("kl.\u00a015.04") // must not break across lines
	}
	return t.Format("15:04")
}

// utc writes the instant as the receipt has it.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// size writes a number of bytes for people.
func size(lang string, n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20-1<<9:
		return fmt.Sprintf("%d kB", (n+1<<9)>>10)
	}
	s := strings.Replace(fmt.Sprintf("%.1f MB", float64(n)/(1<<20)), ".0 ", " ", 1)
	if lang == "da" {
		s = strings.ReplaceAll(s, ".", ",")
	}
	return s
}
