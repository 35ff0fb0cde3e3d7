package portalweb

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
)

// PageRule asks more of the log-in for a page and what lies below it.
type PageRule struct {
	Path  string
	Level login.Level   // at least; 0 asks for nothing
	Fresh time.Duration // the authentication is at most this old; 0 asks for nothing
}

// warnBefore is how long before the end a page warns.
const warnBefore = 5 * time.Minute

// Pages of the session.
const (
	sessionPath = "/session"
	stayPath    = "/session/forlaeng"
	grantsPath  = "/fuldmagt"
)

// ending is when the session ends, as a page tells it.
type ending struct {
	At    time.Time
	Soon  bool // within [warnBefore]
	Hard  bool // use does not put it off: only a new log-in does
	Again string
}

func (s *Site) ending(session login.Session, path string) ending {
	at := session.EndsAt()
	return ending{
		At: at, Soon: !at.IsZero() && at.Sub(s.now()) <= warnBefore, Hard: !session.ExpiresAt.After(session.IdleAt),
		Again: s.loginAs(session, path),
	}
}

// loginAs is the log-in that brings the same kind of user back to path.
func (s *Site) loginAs(session login.Session, path string) string {
	to := s.loginURL(path)
	if session.Person.OnBehalfOf != nil && session.Acting == 0 {
		to += "&type=Professional"
	}
	return to
}

// rule returns what path asks of the log-in: the sternest of all rules that
// cover it.
func (s *Site) rule(path string) (r PageRule) {
	for _, p := range s.Pages {
		base := strings.TrimSuffix(p.Path, "/")
		if path != base && !strings.HasPrefix(path, base+"/") {
			continue
		}
		r.Level = max(r.Level, p.Level)
		if p.Fresh > 0 && (r.Fresh == 0 || p.Fresh < r.Fresh) {
			r.Fresh = p.Fresh
		}
	}
	return r
}

func (s *Site) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// stepUp returns the log-in that session needs before path may be shown, and
// that leads back to back; "" when it needs none. The session stays as it is
// until the new one is there.
func (s *Site) stepUp(session login.Session, path, back string) string {
	r, to := s.rule(path), ""
	if session.Level < r.Level {
		to += "&level=" + r.Level.String()
	}
	if r.Fresh > 0 && s.now().Sub(session.AuthnAt) > r.Fresh {
		to += "&force=1"
	}
	if to == "" {
		return ""
	}
	return s.loginAs(session, back) + to
}

// member serves a page for somebody logged in well enough, who has said for
// whom to act.
func (s *Site) member(w http.ResponseWriter, r *http.Request, f func(*visit) error) error {
	session, err := s.Sessions.Session(r)
	if err != nil {
		return err
	}
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	if to := s.stepUp(session, r.URL.Path, r.URL.Path); to != "" {
		if !reading {
			return post.FaultStepUp
		}
		http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // our own log-in; the path is escaped in it
		return nil
	}
	if session.Undecided() && !reading && r.URL.Path == messagePath { // it would be lost
		return post.FaultUndecided
	}
	if session.Undecided() && r.URL.Path != grantsPath {
		to := grantsPath
		if reading {
			to += "?" + url.Values{"return": {r.URL.Path}}.Encode()
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	return f(&visit{Site: s, w: w, r: r, session: session})
}

type sessionView struct {
	base
	Minutes int
	Level   login.Level
	Since   time.Time
	Grants  bool
}

// sessionPage says when the session ends. Looking does not put that off.
func (s *Site) sessionPage(w http.ResponseWriter, r *http.Request) error {
	session, err := s.Sessions.Peek(r)
	if err != nil {
		return err
	}
	rememberLanguage(w, r)
	b := s.anonymous(r, "session.title")
	b.known(session, s.ending(session, sessionPath))
	s.render(w, http.StatusOK, "session", sessionView{
		base: b, Minutes: max(0, int(b.Ends.At.Sub(s.now()).Minutes())), Level: session.Level, Since: session.AuthnAt,
		Grants: len(session.Grants) > 0,
	})
	return nil
}

// stay keeps the session alive: asking for it was enough.
func (s *Site) stay(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.Sessions.Session(r); err != nil {
		return err
	}
	http.Redirect(w, r, sessionPath, http.StatusSeeOther)
	return nil
}

type grantsView struct {
	base
	Self   string
	Grants []grant
	Acting int
	Chosen bool
	Return string
}

// grant is one power of attorney to choose.
type grant struct {
	N     int
	Label string
}

func (v *visit) grantsForm() error {
	to := v.r.URL.Query().Get("return")
	if !login.LocalPath(to) {
		to = "/ny"
	}
	v.showGrants(http.StatusOK, to, v.base("grants.title"))
	return nil
}

func (v *visit) showGrants(status int, to string, b base) {
	b.For = v.Intake.Mark(v.own())
	view := grantsView{
		base: b, Self: v.person().Actor.Name(), Acting: v.session.Acting, Chosen: v.session.Chosen, Return: to,
	}
	for i, g := range v.session.Grants {
		view.Grants = append(view.Grants, grant{i + 1, g.Label()})
	}
	v.render(v.w, status, "grants", view)
}

// own is who is logged in, whomever they act for.
func (v *visit) own() post.Person {
	p := v.person()
	p.OnBehalfOf = nil
	return p
}

// choose says for whom the person acts from now on. Drafts do not move along:
// each grantor has a draft apart.
func (v *visit) choose() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	// The number that was chosen is one of the list that this person saw.
	if err := v.madeFor(v.r.PostFormValue(madeFor), v.own()); err != nil {
		return err
	}
	to := v.r.PostFormValue("return")
	if !login.LocalPath(to) {
		to = "/ny"
	}
	n := -1 // nothing chosen
	if given, err := strconv.Atoi(v.r.PostFormValue("acting")); err == nil {
		n = given
	}
	if n < 0 {
		b := v.base("grants.title")
		b.wrong("acting-0", b.text("grants.wrong"))
		v.showGrants(http.StatusUnprocessableEntity, to, b)
		return nil
	}
	if err := v.Sessions.Act(v.r, n); err != nil {
		return err
	}
	return v.go303(to)
}

// known puts into b who is logged in and until when.
func (b *base) known(session login.Session, e ending) {
	b.User, b.Ends = userOf(session), &e
}

func userOf(s login.Session) *user {
	u := user{Name: s.Person.Actor.Label(), Choice: len(s.Grants) > 0}
	if s.Person.OnBehalfOf != nil {
		u.OnBehalf = s.Person.OnBehalfOf.Label()
	}
	return &u
}
