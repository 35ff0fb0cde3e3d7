// Package portalweb shows the citizens' pages: choose a recipient, say what it
// is about, write, attach files, check, send, and get a receipt.
//
// Every page is made on the server, in Danish and English, and works without
// scripts; there are none, and the content security policy allows none. Every
// change is a POST answered by a redirect, so that going back or reloading
// never sends anything twice. Nothing personal stands in an address or in the
// log; a reference may.
//
// A form says whom it was made for: sent after somebody else has logged in in another
// tab, or the person acts for another, it is refused and its message given back. So is a
// message whenever it could not be saved, also when too much was asked.
//
// It refuses requests from other sites (the exceptions are the log-in's
// answers, POST /saml/acs and /saml/slo), bodies beyond what a page can need, pages
// without log-in, and more requests of one address, or of all, than [Limits] let in. Every failure is a page that says what happened, what to do,
// and an error reference that the log knows too.
package portalweb

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
)

// Sessions tells who a browser is.
type Sessions interface {
	// Session returns who is logged in, or an error that wraps
	// [post.FaultLoginNeeded].
	Session(r *http.Request) (login.Session, error)
	// Peek is Session without keeping the session alive.
	Peek(r *http.Request) (login.Session, error)
	// Act says for which of the session's grants the person acts from now on; 0
	// is none. [post.FaultNoGrant] when there is no such grant.
	Act(r *http.Request, choice int) error
}

// Config is what a [Site] needs.
type Config struct {
	Intake   *intake.Desk
	Sessions Sessions
	// SAML serves everything under /saml/: log-in and its answer.
	SAML http.Handler
	// LoginPath starts a log-in; ?return= says where to go afterwards.
	LoginPath string
	// LogoutPath ends a session by POST; SAML serves it too.
	LogoutPath string
	Tenants    []post.Tenant
	// FormOrigins are the other sites to which a form of ours may lead by
	// redirect: the log-in provider, for log-off. May be empty.
	FormOrigins []string
	// LedgerDir holds the public files of the log, served at /ledger/.
	LedgerDir string
	// Pages ask more of the log-in for single pages; may be empty.
	Pages []PageRule
	// About is where the authority says what a site must say of itself.
	About About
	// Limits bound how often anybody may ask; what is left out has its usual rate.
	Limits Limits
	Log    *slog.Logger
	Now    func() time.Time // time.Now when nil
}

// About are the pages of the authority's own site that every page of ours leads to,
// as https addresses; one that is empty has no link. A public authority must publish an
// accessibility statement for each site (lov om tilgængelighed af offentlige organers
// websteder og mobilapplikationer § 4; it stands on was.digst.dk), and tell people how
// what they write is treated (GDPR art. 13).
type About struct{ Accessibility, Privacy string }

// A Site answers citizens.
type Site struct {
	Config
	tenants map[post.TenantID]post.Tenant
	pages   pages
	mux     *http.ServeMux
	handler http.Handler
	table   []route
}

// A route is a pattern that is served; mine says that somebody must be logged in.
type route struct {
	pattern string
	mine    bool
}

// New returns the site, or an error that names every gap of c.
func New(c Config) (*Site, error) {
	var gaps []error
	need := func(ok bool, name string) {
		if !ok {
			gaps = append(gaps, errors.New("portalweb: "+name+" is required"))
		}
	}
	need(c.Intake != nil, "Intake")
	need(c.Sessions != nil, "Sessions")
	need(c.SAML != nil, "SAML")
	need(c.LoginPath != "", "LoginPath")
	need(c.LogoutPath != "", "LogoutPath")
	need(len(c.Tenants) > 0, "Tenants")
	need(c.LedgerDir != "", "LedgerDir")
	need(c.Log != nil, "Log")
	need(leads(c.About.Accessibility) && leads(c.About.Privacy), "an https address in About")
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	if err := c.Limits.check(); err != nil {
		return nil, err
	}
	p, err := parsePages()
	if err != nil {
		return nil, err
	}
	s := &Site{Config: c, tenants: map[post.TenantID]post.Tenant{}, pages: p, mux: http.NewServeMux()}
	for _, t := range c.Tenants {
		s.tenants[t.ID] = t
	}
	s.routes()
	s.handler = s.guard(s.mux)
	return s, nil
}

// ServeHTTP implements [http.Handler].
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Site) routes() {
	handle := func(pattern string, mine bool, h http.Handler) {
		s.table = append(s.table, route{pattern, mine})
		s.mux.Handle(pattern, h)
	}
	serve := func(pattern string, mine bool, f func(http.ResponseWriter, *http.Request) error) {
		handle(pattern, mine, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				s.fail(w, r, err)
			}
		}))
	}
	page := func(pattern string, f func(http.ResponseWriter, *http.Request) error) { serve(pattern, false, f) }
	page("GET /{$}", s.start)
	page("GET /logget-af", s.loggedOff)
	page("GET /tjek-kvittering", s.checkReceiptForm)
	page("POST /tjek-kvittering", s.checkReceipt)
	page("GET /ledger/receipt-key", s.receiptKey)
	page("GET /ledger/{file...}", s.ledgerFile)
	page("GET /static/{file}", s.staticFile)
	page("GET /favicon.ico", s.favicon)

	mine := func(pattern string, f func(*visit) error) {
		serve(pattern, true, func(w http.ResponseWriter, r *http.Request) error {
			return s.member(w, r, f)
		})
	}
	serve("GET "+sessionPath, true, s.sessionPage)
	serve("POST "+stayPath, true, s.stay)
	mine("GET "+grantsPath, (*visit).grantsForm)
	mine("POST "+grantsPath, (*visit).choose)
	mine("GET /ny", (*visit).begin)
	mine("GET /ny/modtager", (*visit).recipientForm)
	mine("POST /ny/modtager", (*visit).recipient)
	mine("GET /ny/emne", (*visit).topicForm)
	mine("POST /ny/emne", (*visit).topic)
	mine("GET /ny/besked", (*visit).messageForm)
	mine("POST /ny/besked", (*visit).message)
	mine("GET /ny/filer", (*visit).filesForm)
	mine("POST /ny/filer", (*visit).files)
	mine("POST /ny/filer/slet", (*visit).removeFile)
	mine("GET /ny/tjek", (*visit).checkForm)
	mine("POST /ny/tjek", (*visit).send)
	mine("GET /ny/slet", (*visit).discardForm)
	mine("POST /ny/slet", (*visit).discard)
	mine("GET /kvittering/{ref}", (*visit).receipt)
	mine("GET /kvittering/{ref}/statement.json", (*visit).statement)
	mine("GET /kvittering/{ref}/kopi.txt", (*visit).copyFile)
	mine("GET /mine", (*visit).overview)

	handle("/saml/", false, s.SAML)
	handle("POST "+s.LogoutPath, false, s.SAML)
	page("/", s.nothingHere)
}

// nothingHere tells a wrong address from a right one used in a wrong way.
func (s *Site) nothingHere(w http.ResponseWriter, r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/" && method != r.Method {
			w.Header().Set("Allow", method)
			return post.FaultMethod
		}
	}
	return post.ErrNotFound
}

// leads reports whether a link may lead to address; without one there is no link.
func leads(address string) bool {
	u, err := url.Parse(address)
	return address == "" || err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}
