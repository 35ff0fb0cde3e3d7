package nemlogin

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"net/url"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// logoutMessage is a message about logging off whose signature is verified: root
// is what was signed.
type logoutMessage struct {
	name  string // SAMLRequest or SAMLResponse
	root  *etree.Element
	relay string // not covered by the signature of a POST: only ever echoed
	wire  string // as it came, for the archive
}

// SignPost signs doc's root for the POST binding, the Signature after Issuer as
// the SAML schema wants it, and returns the form's value.
func SignPost(doc *etree.Document, key crypto.Signer, cert *x509.Certificate) (string, error) {
	root := doc.Root()
	id, _ := xmldsig.Attr(root, "ID")
	if err := xmldsig.Sign(root, id, key, cert.Raw); err != nil {
		return "", err
	}
	sig := root.RemoveChildAt(0)
	root.InsertChildAt(1, sig)
	b, err := doc.WriteToBytes()
	return base64.StdEncoding.EncodeToString(b), err
}

// redirected reads a logout message off the query: signed there, and only there.
func (sp *SP) redirected(r *http.Request) (logoutMessage, error) {
	m := logoutMessage{wire: r.URL.RawQuery}
	got, err := OpenRedirect(r.URL.RawQuery, sp.idp.Load().Certs, sp.c.Now())
	if err != nil {
		return m, rejectLogout("logout-query")
	}
	doc, err := xmldsig.Parse(got.Message, xmldsig.Strict)
	if err != nil {
		return m, rejectLogout("logout-" + xmldsig.Reason(err))
	}
	m.name, m.root, m.relay = got.Name, doc.Root(), got.Relay
	return m, nil
}

// posted reads a logout message off a form: it carries its own signature, right
// after Issuer, and only the element that was signed is read.
func (sp *SP) posted(w http.ResponseWriter, r *http.Request) (logoutMessage, error) {
	var m logoutMessage
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return m, rejectLogout("logout-form")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil || r.URL.RawQuery != "" {
		return m, rejectLogout("logout-form")
	}
	requests, responses, relays := r.PostForm[SAMLRequest], r.PostForm[SAMLResponse], r.PostForm["RelayState"]
	if len(requests)+len(responses) != 1 || len(relays) > 1 {
		return m, rejectLogout("logout-form")
	}
	m.name, m.wire = SAMLRequest, r.PostForm.Get(SAMLRequest)
	if len(responses) == 1 {
		m.name, m.wire = SAMLResponse, responses[0]
	}
	if len(relays) == 1 {
		m.relay = relays[0]
	}
	data, err := base64.StdEncoding.Strict().DecodeString(m.wire)
	if err != nil || len(data) > maxInflated || len(m.relay) > 80 {
		return m, rejectLogout("logout-form")
	}
	doc, err := xmldsig.Parse(data, xmldsig.Strict)
	if err != nil {
		return m, rejectLogout("logout-" + xmldsig.Reason(err))
	}
	if signaturePlace(doc.Root()) != nil {
		return m, rejectLogout("logout-signature")
	}
	if m.root, err = xmldsig.Verify(doc.Root(), sp.idp.Load().Certs, xmldsig.Rules{At: sp.c.Now()}); err != nil {
		return m, rejectLogout("logout-" + reasonOr(err, "signature"))
	}
	return m, nil
}

// serveLogout ends the local session first and then asks NemLog-in to end its
// own. A cross-site POST arrives without the cookie and ends nothing.
func (sp *SP) serveLogout(w http.ResponseWriter, r *http.Request) {
	session, err := sp.c.Sessions.Logout(r.Context(), cookieValue(r, sessionCookie))
	setCookie(w, sessionCookie, "", http.SameSiteLaxMode, -1)
	if errors.Is(err, post.FaultLoginNeeded) {
		http.Redirect(w, r, sp.c.LoggedOff, http.StatusSeeOther)
		return
	}
	if err != nil {
		sp.fault(w, r, err, "")
		return
	}
	sp.c.Log.InfoContext(r.Context(), "person logged off", slog.String("session", session.ID))
	f, err := sp.End(r.Context(), session)
	if err == nil {
		err = sp.keep(r, sent("LogoutRequest", f, session.ID))
	}
	if err != nil {
		sp.c.Log.WarnContext(r.Context(), "single logout skipped", slog.String("session", session.ID), slog.Any("error", err))
		http.Redirect(w, r, sp.c.LoggedOff, http.StatusSeeOther)
		return
	}
	// NemLog-in may answer by a cross-site POST, which must bring this along.
	setCookie(w, logoutCookie, f.ID, http.SameSiteNoneMode, logoutLife)
	sp.leave(w, r, f)
}

// serveSLO takes NemLog-in's LogoutRequest, or its answer to ours, by either
// binding.
func (sp *SP) serveSLO(w http.ResponseWriter, r *http.Request) {
	var m logoutMessage
	var err error
	if idp := sp.idp.Load(); idp.stale(sp.c.Now()) {
		sp.fault(w, r, &Rejected{"idp-metadata-expired", post.FaultLoginDown}, "")
		return
	}
	if r.Method == http.MethodPost {
		m, err = sp.posted(w, r)
	} else {
		m, err = sp.redirected(r)
	}
	if err == nil && m.name == SAMLRequest {
		sp.endNamed(w, r, m)
		return
	}
	partial := false
	if err == nil {
		partial, err = sp.logoutResponse(m, cookieValue(r, logoutCookie))
	}
	if err == nil {
		err = sp.keep(r, login.Exchange{Kind: "LogoutResponse", Outcome: login.Accepted, Request: cookieValue(r, logoutCookie), Message: m.wire})
	}
	if err != nil {
		sp.refused(r, m.name, m.wire, "", err)
		sp.fault(w, r, err, "")
		return
	}
	setCookie(w, logoutCookie, "", http.SameSiteNoneMode, -1)
	to := sp.c.LoggedOff
	if partial {
		to += "?partial=1" // other services may still know the person: close the browser
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// endNamed does what a LogoutRequest asks and answers it.
func (sp *SP) endNamed(w http.ResponseWriter, r *http.Request, m logoutMessage) {
	f, err := sp.logoutRequest(r.Context(), m)
	if err != nil {
		sp.refused(r, m.name, m.wire, "", err)
		sp.fault(w, r, err, "")
		return
	}
	id, _ := xmldsig.Attr(m.root, "ID")
	// The sessions are gone: a full archive must not make NemLog-in show an error.
	for _, e := range []login.Exchange{
		{Kind: "LogoutRequest", Request: id, Outcome: login.Accepted, Message: m.wire}, sent("LogoutResponse", f, ""),
	} {
		if err := sp.keep(r, e); err != nil {
			sp.c.Log.ErrorContext(r.Context(), "log-in message not archived", slog.String("kind", e.Kind), slog.Any("error", err))
		}
	}
	sp.leave(w, r, f)
}

// leaving is the only page of ours with a script: it posts the form at once, so
// that a logout begun elsewhere goes on; the button does it where none run.
const leaving = `document.forms[0].submit()`

var leavePage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="da"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Logger af / Logging off</title></head>
<body><h1>Logger af</h1><p>Du bliver nu også logget af NemLog-in. <span lang="en">You are now being logged off NemLog-in too.</span></p>
<form method="post" action="{{.Address}}">{{range $name, $value := .Form}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<button>Fortsæt / Continue</button></form><script>` + leaving + `</script></body></html>
`))

// leave sends the browser to the provider.
func (sp *SP) leave(w http.ResponseWriter, r *http.Request, f login.Farewell) {
	if f.Form == nil {
		status := http.StatusFound
		if r.Method == http.MethodPost {
			status = http.StatusSeeOther
		}
		http.Redirect(w, r, f.Address, status)
		return
	}
	sum := sha256.Sum256([]byte(leaving))
	to := ""
	if u, err := url.Parse(f.Address); err == nil {
		to = u.Scheme + "://" + u.Host
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action "+to+
		"; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := leavePage.Execute(w, f); err != nil {
		sp.c.Log.WarnContext(r.Context(), "log-off page not written", slog.Any("error", err))
	}
}
