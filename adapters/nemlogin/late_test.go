package nemlogin_test

import (
	"net/http"
	"testing"
	"time"
)

// TestAnAnswerHeldBackUntilAfterTheLogOffMakesNoSession: a second tab has NemLog-in's answer and has
// not sent it on, the person logs off everywhere and leaves the library's computer, and somebody presses
// Continue in that tab (SAML core 3.7.3.1: a log-off counts for assertions that arrive after it).
func TestAnAnswerHeldBackUntilAfterTheLogOffMakesNoSession(t *testing.T) {
	const name = "https://data.gov.dk/model/core/eid/person/uuid/0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"
	same := set("./AuthnStatement", "SessionIndex", "_one-session-at-nemlogin")
	for rule, barred := range map[string]bool{"the session that ended": true, "another session of the same person": false} {
		t.Run(rule, func(t *testing.T) {
			w := newWorld(t)
			w.accepted(w.login("", "nancy", same))
			held := w.choose(w.begin(""), "nancy", same)
			index := "_another"
			if barred {
				index = "_one-session-at-nemlogin"
			}
			address, _, err := w.idp.LogoutRequest(entity, name, index)
			if err != nil {
				t.Fatal(err)
			}
			if rec := w.portal(get(address)); rec.Code != http.StatusFound || (w.store.Sessions() == 0) != barred {
				t.Fatalf("the log-off answered %d and left %d sessions", rec.Code, w.store.Sessions())
			}
			w.now = w.now.Add(time.Minute)
			rec := w.acs(held)
			if !barred {
				w.accepted(rec)
				return
			}
			w.rejected(rec, "replay")
			w.audited("replay")
			// Whoever logs in anew gets in at once.
			w.accepted(w.login("", "nancy", set("./AuthnStatement", "SessionIndex", "_the-next")))
		})
	}
}
