package portalweb

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// faultView is the page of a refusal.
type faultView struct {
	base
	Sentence  string
	Cure      string
	Code      string
	Reference string // the log has it too
	At        time.Time
	Draft     bool   // a draft may exist; it is untouched
	Gone      bool   // the draft is: it may have been sent in another window
	Unsaved   string // the message that the form held and that is not saved
	Writer    string // whom that form was made for
	Choose    string // where to say for whom to act before it can be, or ""
	Again     string // where to log in again, or ""
	Company   bool   // that log-in is for a company
	Tenants   []post.Tenant
}

// fail answers err: with the log-in for a page that needs it, else with a page
// that says what happened.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, post.FaultLoginNeeded) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		to := r.URL.Path
		if to == sessionPath { // the session is over: there is nothing to show there
			to = "/mine"
		}
		http.Redirect(w, r, s.loginURL(to), http.StatusSeeOther)
		return
	}
	s.FaultPage(w, r, err)
}

// FaultPage answers err with a page: the fault's own sentence and cure, or
// those of an internal error. It logs the reference that the page shows.
func (s *Site) FaultPage(w http.ResponseWriter, r *http.Request, err error) {
	f, reference := faultOf(err), "F-"+rand.Text()[:8]
	level := slog.LevelInfo
	if f.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.Log.LogAttrs(r.Context(), level, "request refused", slog.String("reference", reference), slog.String("code", f.Code),
		slog.Int("status", f.Status), slog.String("route", r.Pattern), slog.Any("error", err))
	s.showFault(w, r, f, reference)
}

// LoginFault shows the page of a log-in that did not succeed. It is for the
// handler of the log-in, which has logged it under this reference.
func (s *Site) LoginFault(w http.ResponseWriter, r *http.Request, f *post.Fault, reference string) {
	s.showFault(w, r, f, reference)
}

func (s *Site) showFault(w http.ResponseWriter, r *http.Request, f *post.Fault, reference string) {
	v := faultView{
		base: s.base(r, ""), Sentence: f.Danish, Cure: f.CureDA, Code: f.Code,
		Reference: reference, At: time.Now(), Tenants: s.Config.Tenants,
	}
	if v.Lang == "en" {
		v.Sentence, v.Cure = f.English, f.Cure
	}
	v.Title = v.Sentence + " – " + v.text("site")
	v.Gone = f == post.FaultDraftGone
	v.Unsaved, v.Writer = unsaved(r, f)
	if f == post.FaultUndecided || f == post.FaultOtherWriter && v.User != nil && v.User.Choice {
		v.Choose = grantsPath + "?" + url.Values{"return": {r.URL.Path}}.Encode()
	}
	v.Draft = (v.User != nil || isLogin(f)) && !v.Gone
	if v.Choose == "" && (f.Status == http.StatusUnauthorized || isLogin(f)) {
		v.Again, v.Company = s.again(r, f), f == post.FaultLoginKind
	}
	s.render(w, f.Status, "fault", v)
}

// unsaved is the message that a refused form held: whoever wrote for longer than
// the session lasts, or while we failed, gets it back to send once more. It is
// nothing but what this request brought, and another site's form is never shown.
// Sent again, it is still for whom it was written.
func unsaved(r *http.Request, f *post.Fault) (text, writer string) {
	if r.Method != http.MethodPost || r.URL.Path != messagePath || f == post.FaultCrossSite || r.ParseForm() != nil {
		return "", ""
	}
	return r.PostFormValue("text"), r.PostFormValue(madeFor)
}

// faultOf returns the fault that stands for err.
func faultOf(err error) *post.Fault {
	var f *post.Fault
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &tooLarge):
		return post.FaultRequestTooLarge
	case errors.Is(err, post.ErrNotFound):
		return post.FaultNotFound
	case errors.Is(err, post.ErrStale):
		return post.FaultStale
	}
	return post.FaultInternal
}

// again is the log-in that may succeed after f.
func (s *Site) again(r *http.Request, f *post.Fault) string {
	switch f {
	case post.FaultLoginKind: // it was for a private person, unless asked otherwise
		return s.loginURL("/mine") + "&type=Professional"
	case post.FaultNoGrant:
		return s.loginURL(grantsPath)
	case post.FaultStepUp:
		if session, err := s.Sessions.Session(r); err == nil {
			if to := s.stepUp(session, r.URL.Path, "/mine"); to != "" {
				return to
			}
		}
	}
	switch r.URL.Path {
	case recipientPath, topicPath, messagePath, uploadPath, checkPath:
		return s.loginURL(r.URL.Path)
	}
	return s.loginURL("/mine")
}

// isLogin reports whether f belongs to logging in (POST-1nnn).
func isLogin(f *post.Fault) bool { return len(f.Code) == len("POST-1nnn") && f.Code[5] == '1' }

func (s *Site) crossSite(w http.ResponseWriter, r *http.Request) {
	s.FaultPage(w, r, post.FaultCrossSite)
}

func (s *Site) loginURL(after string) string {
	return s.LoginPath + "?" + url.Values{"return": {after}}.Encode()
}
