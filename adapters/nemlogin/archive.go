package nemlogin

import (
	"log/slog"
	"net/http"
	"net/url"

	"sikkerpost.dk/gateway/internal/inbound/login"
)

// keep puts e into the archive of the federation's log duty; without an archive
// it does nothing.
func (sp *SP) keep(r *http.Request, e login.Exchange) error {
	if sp.c.Archive == nil {
		return nil
	}
	e.Remote, e.Agent = r.RemoteAddr, r.UserAgent()
	if len(e.Agent) > 256 {
		e.Agent = e.Agent[:256]
	}
	return sp.c.Archive.Keep(r.Context(), e)
}

// refused archives a message that had no effect. That it could not be kept is
// told in the log and changes nothing.
func (sp *SP) refused(r *http.Request, kind, wire, request string, cause error) {
	reason, _ := rejection(cause)
	if wire == "" {
		return
	}
	if err := sp.keep(r, login.Exchange{Kind: kind, Request: request, Outcome: reason, Message: wire}); err != nil {
		sp.c.Log.ErrorContext(r.Context(), "refused message not archived", slog.String("reason", reason), slog.Any("error", err))
	}
}

// sent is the exchange for a message of ours.
func sent(kind string, f login.Farewell, session string) login.Exchange {
	e := login.Exchange{Out: true, Kind: kind, Request: f.ID, Session: session, Outcome: login.Sent}
	if u, err := url.Parse(f.Address); err == nil && f.Form == nil {
		e.Message = u.RawQuery
	}
	for _, name := range []string{SAMLRequest, SAMLResponse} {
		e.Message += f.Form[name]
	}
	return e
}
