package nemlogin

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// Cookies. The __Host- prefix binds them to this host and to TLS. The pending
// one must come along with NemLog-in's cross-site POST; the session must not
// come along with anybody's.
const (
	sessionCookie = "__Host-session"
	pendingCookie = "__Host-login"
	logoutCookie  = "__Host-logout"
)

var (
	panics = promauto.NewCounter(prometheus.CounterOpts{
		Name: "sikkerpost_login_panics_total", Help: "Panics while reading a SAML message; must stay 0.",
	})
	outcomes = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "sikkerpost_logins_total", Help: "Log-ins by outcome: accepted, or the reason code of the refusal.",
	}, []string{"outcome"})
)

// Handler serves the five addresses of the service provider. The portal must
// let the cross-site POSTs to [PathACS] and [PathSLO] through its own
// cross-origin guard.
func (sp *SP) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathLogin, sp.serveLogin)
	mux.HandleFunc("POST "+PathACS, sp.serveACS)
	mux.HandleFunc("GET "+PathSLO, sp.serveSLO)
	mux.HandleFunc("POST "+PathSLO, sp.serveSLO)
	mux.HandleFunc("GET "+PathMetadata, sp.serveMetadata)
	mux.HandleFunc("POST "+PathLogout, sp.serveLogout)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		mux.ServeHTTP(w, r)
	})
}

func (sp *SP) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(sp.metadata) // the client is gone: nothing to do
}

// serveLogin sends the browser to NemLog-in. level and return are optional;
// type=Professional asks for a company log-in, force=1 for a fresh one.
func (sp *SP) serveLogin(w http.ResponseWriter, r *http.Request) {
	if sp.idp.Load().stale(sp.c.Now()) {
		sp.fault(w, r, &Rejected{"idp-metadata-expired", post.FaultLoginDown}, "")
		return
	}
	q := r.URL.Query()
	ask := login.Ask{Tenant: sp.c.Tenant, Return: q.Get("return"), Force: q.Get("force") == "1"}
	if q.Get("type") == "Professional" {
		ask.Kind = login.Professional
	}
	if word := q.Get("level"); word != "" {
		level, err := login.ParseLevel(word)
		if err != nil {
			sp.fault(w, r, err, "")
			return
		}
		ask.Level = level
	}
	p, cookie, err := sp.c.Sessions.Start(r.Context(), ask)
	if err != nil {
		sp.fault(w, r, err, "")
		return
	}
	address, err := sp.Request(r.Context(), p)
	if err == nil {
		err = sp.keep(r, sent("AuthnRequest", login.Farewell{ID: p.ID, Address: address}, ""))
	}
	if err != nil {
		sp.fault(w, r, err, p.ID)
		return
	}
	setCookie(w, pendingCookie, cookie, http.SameSiteNoneMode, p.ExpiresAt.Sub(p.StartedAt))
	http.Redirect(w, r, address, http.StatusFound)
}

// serveACS takes NemLog-in's answer. The browser's pending log-in is looked up
// before a byte of XML is read.
func (sp *SP) serveACS(w http.ResponseWriter, r *http.Request) {
	p, err := sp.c.Sessions.Pending(r.Context(), cookieValue(r, pendingCookie))
	if err != nil {
		sp.fault(w, r, err, "")
		return
	}
	answer, relay, err := form(w, r)
	var claims login.Claims
	if err == nil && sp.idp.Load().stale(sp.c.Now()) {
		err = &Rejected{"idp-metadata-expired", post.FaultLoginDown}
	}
	if err == nil {
		claims, err = sp.Claims(r.Context(), p, answer)
	}
	if err != nil {
		sp.refused(r, "Response", base64.StdEncoding.EncodeToString(answer), p.ID, err)
		sp.fault(w, r, err, p.ID)
		return
	}
	// Kept before it has an effect: what cannot be kept logs nobody in.
	if err := sp.keep(r, login.Exchange{
		Kind: "Response", Request: p.ID, Outcome: login.Accepted, Message: base64.StdEncoding.EncodeToString(answer),
	}); err != nil {
		sp.fault(w, r, fmt.Errorf("archive log-in %s: %w", p.ID, err), p.ID)
		return
	}
	session, cookie, err := sp.c.Sessions.Finish(r.Context(), p, claims, cookieValue(r, sessionCookie))
	if err != nil {
		sp.fault(w, r, err, p.ID)
		return
	}
	outcomes.WithLabelValues("accepted").Inc()
	sp.c.Log.InfoContext(r.Context(), "person logged in",
		slog.String("session", session.ID), slog.String("request", p.ID), slog.String("level", session.Level.String()))
	setCookie(w, pendingCookie, "", http.SameSiteNoneMode, -1)
	setCookie(w, sessionCookie, cookie, http.SameSiteLaxMode, 0)
	to := "/"
	if relay == p.RelayState {
		to = p.Return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// form reads the POST binding: exactly one SAMLResponse and at most one
// RelayState of at most 80 bytes.
func form(w http.ResponseWriter, r *http.Request) (answer []byte, relay string, err error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); (err != nil || t != "application/x-www-form-urlencoded") && on("form-type") {
		return nil, "", reject("form-type")
	}
	if on("form-size") {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, "", reject("form-size")
		}
		return nil, "", reject("form-syntax")
	}
	responses, relays := r.PostForm[SAMLResponse], r.PostForm["RelayState"]
	if len(responses) == 0 || (len(responses) != 1 || len(relays) > 1 || r.Form.Has("SAMLart") || r.URL.RawQuery != "") && on("form-parameters") {
		return nil, "", reject("form-parameters")
	}
	if len(relays) > 0 {
		relay = relays[0]
	}
	if len(relay) > 80 && on("form-relay-state") {
		return nil, "", reject("form-relay-state")
	}
	// Go's decoder passes over CR and LF, which some providers send, and
	// nothing else.
	answer, err = base64.StdEncoding.Strict().DecodeString(responses[0])
	if err != nil || len(answer) == 0 {
		return nil, "", reject("form-base64")
	}
	return answer, relay, nil
}

// fault logs the reason, writes the audit event and shows the public page.
// Nothing of the message goes with it.
func (sp *SP) fault(w http.ResponseWriter, r *http.Request, err error, request string) {
	reason, f := rejection(err)
	ref := post.NewReference()
	outcomes.WithLabelValues(reason).Inc()
	log := sp.c.Log.With(slog.String("ref", ref), slog.String("reason", reason), slog.String("request", request))
	if reason == "internal" {
		log.ErrorContext(r.Context(), "log-in broke off", slog.Any("error", err))
	} else {
		log.WarnContext(r.Context(), "auth rejected")
	}
	// Without a log-in under way there is nothing to audit, and anybody could
	// fill the ledger.
	if request != "" {
		e := ledger.New("auth.rejected", sp.c.Tenant, request)
		e.Actor, e.Outcome = "person", reason
		if err := sp.c.Audit.RecordLogin(r.Context(), e); err != nil {
			log.ErrorContext(r.Context(), "audit not written", slog.Any("error", err))
		}
	}
	sp.c.OnFault(w, r, f, ref)
}

func setCookie(w http.ResponseWriter, name, value string, same http.SameSite, life time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: same} //nolint:gosec // SameSite is given by each caller; Secure and HttpOnly stand here
	switch {
	case life < 0:
		c.MaxAge = -1
	case life > 0:
		c.MaxAge = int(life.Seconds())
	}
	http.SetCookie(w, c)
}

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil || len(c.Value) > 128 {
		return ""
	}
	return c.Value
}

func newToken() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
