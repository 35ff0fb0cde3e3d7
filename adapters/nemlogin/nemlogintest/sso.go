package nemlogintest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// ssoCookie is not named like anything of the portal: cookies do not tell ports
// of one host apart.
const ssoCookie = "__Host-simulator-sso"

// session is a person who is logged in at the provider.
type session struct {
	who     persona.Persona
	since   time.Time
	parties []party
}

// party is one service provider that the person has visited.
type party struct{ sp, name, index string }

func (i *IDP) serveSSO(w http.ResponseWriter, r *http.Request) {
	req, err := i.open(r.URL.RawQuery)
	if err != nil {
		i.refuse(w, r, err)
		return
	}
	if s := i.session(r); s != nil && !req.Force && fits(s.who, req) == "" {
		i.answer(w, r, req, s.who, i.take(), s.since)
		return
	}
	i.page(w, r, http.StatusOK, personaPage(i.c.Personas, req, r.URL.RawQuery), req.SP.ACS)
}

func (i *IDP) serveChoose(w http.ResponseWriter, r *http.Request) {
	req, err := i.open(r.URL.RawQuery)
	if err != nil {
		i.refuse(w, r, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	for _, p := range i.c.Personas {
		if p.Key != r.PostFormValue("persona") || p.Level == "" {
			continue
		}
		i.answer(w, r, req, p, i.take(), time.Time{})
		return
	}
	http.Error(w, "NemLog-in (simulator): nobody of that name can log in here.", http.StatusBadRequest)
}

func (i *IDP) serveCancel(w http.ResponseWriter, r *http.Request) {
	req, err := i.open(r.URL.RawQuery)
	if err != nil {
		i.refuse(w, r, err)
		return
	}
	t := i.take()
	t.Status = [2]string{"Responder", "AuthnFailed"}
	i.answer(w, r, req, persona.Persona{}, t, time.Time{})
}

// take returns the tweak for the next answer and forgets it.
func (i *IDP) take() Tweak {
	i.mu.Lock()
	defer i.mu.Unlock()
	t := i.next
	i.next = Tweak{}
	return t
}

// answer sends the browser back with a Response. since is zero for a person who
// logs in now.
func (i *IDP) answer(w http.ResponseWriter, r *http.Request, req Request, who persona.Persona, t Tweak, since time.Time) {
	index := newID()
	if t.AuthnAt.IsZero() {
		t.AuthnAt = since
	}
	message, err := i.Answer(req, who, index, t)
	if err != nil {
		i.c.Log.ErrorContext(r.Context(), "simulator could not answer", slog.Any("error", err))
		http.Error(w, "NemLog-in (simulator): cannot answer.", http.StatusInternalServerError)
		return
	}
	if t.Status[0] == "" {
		i.remember(w, r, who, party{req.SP.EntityID, nameOf(who), index})
	}
	i.c.Log.InfoContext(r.Context(), "simulator answered", slog.String("service", req.SP.EntityID))
	encoded := base64.StdEncoding.EncodeToString(message)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"acs": req.SP.ACS, "SAMLResponse": encoded, "RelayState": req.Relay,
		})
		return
	}
	i.page(w, r, http.StatusOK, postPage(req, encoded), req.SP.ACS)
}

// open checks an AuthnRequest as NemLog-in does.
func (i *IDP) open(rawQuery string) (Request, error) {
	sp, m, err := i.openRedirect(rawQuery)
	if err != nil {
		return Request{}, err
	}
	doc, err := xmldsig.Parse(m.Message, xmldsig.Strict)
	if err != nil {
		return Request{}, err
	}
	root := doc.Root()
	if m.Name != nemlogin.SAMLRequest || !xmldsig.Is(root, nsProtocol, "AuthnRequest") {
		return Request{}, errors.New("not an AuthnRequest")
	}
	attr := func(name string) string { v, _ := xmldsig.Attr(root, name); return v }
	at, err := time.Parse(time.RFC3339Nano, attr("IssueInstant"))
	if age := i.c.Now().Sub(at); err != nil || age > 5*time.Minute || age < -5*time.Minute {
		return Request{}, errors.New("IssueInstant is missing or too far from now")
	}
	for _, c := range []struct{ name, want string }{
		{"Version", "2.0"}, {"Destination", i.c.BaseURL + pathSSO},
		{"AssertionConsumerServiceURL", sp.ACS}, {"ProtocolBinding", saml.HTTPPostBinding},
	} {
		if attr(c.name) != c.want {
			return Request{}, fmt.Errorf("%s is not %q", c.name, c.want)
		}
	}
	if !strings.HasPrefix(attr("ID"), "_") || len(attr("ID")) < 33 {
		return Request{}, errors.New("ID is too short or no xs:ID")
	}
	req := Request{ID: attr("ID"), SP: sp, Relay: m.Relay, Force: attr("ForceAuthn") == "true"}
	context(root, &req)
	return req, nil
}

func context(root *etree.Element, req *Request) {
	for _, c := range root.ChildElements() {
		if !xmldsig.Is(c, nsProtocol, "RequestedAuthnContext") {
			continue
		}
		for _, ref := range c.ChildElements() {
			text, _ := xmldsig.Text(ref)
			if level, ok := strings.CutPrefix(text, dataGov+"concept/core/nsis/loa/"); ok {
				req.Level = level
			}
			if kind, ok := strings.CutPrefix(text, dataGov+"eid/"); ok {
				req.Kind = kind
			}
		}
	}
}

// openRedirect finds the service provider whose key signed the query, and wants
// it to be the Issuer.
func (i *IDP) openRedirect(rawQuery string) (SP, nemlogin.Redirected, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, sp := range i.sps {
		m, err := nemlogin.OpenRedirect(rawQuery, sp.Signing, i.c.Now())
		if err != nil {
			continue
		}
		doc, err := xmldsig.Parse(m.Message, xmldsig.Strict)
		if err != nil {
			return SP{}, m, err
		}
		for _, c := range doc.Root().ChildElements() {
			if text, _ := xmldsig.Text(c); xmldsig.Is(c, nsAssertion, "Issuer") && text == sp.EntityID {
				return sp, m, nil
			}
		}
		return SP{}, m, errors.New("Issuer is not the one who signed")
	}
	return SP{}, nemlogin.Redirected{}, errors.New("the query is not signed by a service provider known here")
}

// fits says why a persona cannot meet a request, or "".
func fits(who persona.Persona, req Request) string {
	order := map[string]int{"": 0, "Low": 1, "Substantial": 2, "High": 3}
	switch {
	case who.Level == "":
		return "never logs in"
	case order[who.Level] < order[req.Level]:
		return "level " + who.Level + ", but " + req.Level + " was asked: the service must refuse"
	case req.Kind == "Person" && who.CVR != "":
		return "a company, but a private person was asked: the service must refuse"
	case req.Kind == "Professional" && who.CVR == "":
		return "a private person, but a company was asked: the service must refuse"
	}
	return ""
}

func (i *IDP) session(r *http.Request) *session {
	c, err := r.Cookie(ssoCookie)
	if err != nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sessions[c.Value]
}

// remember adds p to the person's session at the provider, or begins one.
func (i *IDP) remember(w http.ResponseWriter, r *http.Request, who persona.Persona, p party) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c, err := r.Cookie(ssoCookie); err == nil {
		if s := i.sessions[c.Value]; s != nil && s.who.Key == who.Key {
			s.parties = append(s.parties, p)
			return
		}
		delete(i.sessions, c.Value)
	}
	key := newID()
	i.sessions[key] = &session{who: who, since: i.c.Now(), parties: []party{p}}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // all three stand on the next line
		Name: ssoCookie, Value: key, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
	})
}

// refuse shows the technical error that NemLog-in shows for a bad request.
func (i *IDP) refuse(w http.ResponseWriter, r *http.Request, err error) {
	i.c.Log.WarnContext(r.Context(), "simulator refused a request", slog.Any("error", err))
	i.page(w, r, http.StatusBadRequest, errorPage(err.Error()), "")
}
