package nemlogintest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"sikkerpost.dk/gateway/internal/persona"
)

//go:embed page.html
var pages string

//go:embed page.css
var style string

// submit posts the form at once where scripts run; the button does it elsewhere.
const submit = `document.forms[0].submit()`

var templates = template.Must(template.New("").Parse(pages))

// view is what one page shows.
type view struct {
	Title       string
	Style       template.CSS
	Script      template.JS
	Body        string // name of the template
	Service     string
	Level, Kind string
	Query       template.URL // as it came: it is signed
	Fit, Unfit  []choice
	ACS         string
	Response    string
	Relay       string
	Detail      string
	Person      string
	Danish      bool // for a browser whose first language it is
}

// Say returns a sentence of the pages in the reader's language.
func (v view) Say(english string) string {
	if v.Danish {
		return danish[english]
	}
	return english
}

type choice struct{ Key, Name, Org, Level, Story, Why, LevelWord string }

func personaPage(all []persona.Persona, req Request, query string) view {
	v := view{Title: "Log on", Body: "persona", Service: req.SP.Name, Level: req.Level, Kind: req.Kind,
		Query: template.URL(query)} //nolint:gosec // normalized by the template
	for _, p := range all {
		if p.Level == "" {
			continue
		}
		c := choice{p.Key, p.Name, p.Org, p.Level, p.Story, fits(p, req), "Level"}
		if c.Why == "" {
			v.Fit = append(v.Fit, c)
		} else {
			v.Unfit = append(v.Unfit, c)
		}
	}
	return v
}

func postPage(req Request, response string) view {
	return view{
		Title: "Going back", Body: "post", Service: req.SP.Name, ACS: req.SP.ACS,
		Response: response, Relay: req.Relay, Script: submit,
	}
}

func errorPage(detail string) view {
	return view{Title: "Technical error", Body: "error", Detail: detail}
}

func loggedOffPage() view { return view{Title: "You are logged off", Body: "off"} }

func (i *IDP) serveHome(w http.ResponseWriter, r *http.Request) {
	v := view{Title: "NemLog-in", Body: "home"}
	if s := i.session(r); s != nil {
		v.Person = s.who.Name
	}
	i.page(w, r, http.StatusOK, v, "")
}

// page writes v. acs is where its form may post to besides ourselves.
func (i *IDP) page(w http.ResponseWriter, r *http.Request, status int, v view, acs string) {
	v.Danish = strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "da")
	for _, all := range [][]choice{v.Fit, v.Unfit} {
		for n := range all {
			all[n].LevelWord = v.Say("Level")
		}
	}
	v.Style = template.CSS(style) //nolint:gosec // our own file
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "page", v); err != nil {
		http.Error(w, "NemLog-in (simulator): cannot show the page.", http.StatusInternalServerError)
		return
	}
	targets := "'self'"
	i.mu.Lock()
	for _, sp := range i.sps { // a logout is redirected on to each of them
		targets += origin(sp.SLO)
	}
	i.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.Say("en"))
	w.Header().Add("Vary", "Accept-Language")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "+
		"style-src '"+digest(style)+"'; script-src '"+digest(submit)+"'; form-action "+targets+origin(acs))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client is gone: nothing to do
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return " " + u.Scheme + "://" + u.Host
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
