package nemlogin_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

func assertions() []requirement {
	const scd = "./Subject/SubjectConfirmation/SubjectConfirmationData"
	name := func(v string) tweak { return edit(func(a *etree.Element) { at(a, "./Subject/NameID").SetText(v) }) }
	without := func(attr string) tweak {
		return edit(func(a *etree.Element) { at(a, "./AttributeStatement").RemoveChild(attribute(a, attr)) })
	}
	company := func(t *testing.T, bend tweak, reason string) {
		t.Helper()
		w := newWorld(t)
		w.rejected(w.login("?type=Professional", "firma", bend), reason)
	}
	return []requirement{
		{"Q-AST-1", func(t *testing.T) {
			no(t, edit(func(a *etree.Element) { at(a, "./Issuer").SetText("https://saml.simulator.test/") }), "assertion-issuer")
			no(t, set("./Issuer", "Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"), "assertion-issuer")
			yes(t, set("./Issuer", "Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"))
		}},
		{"Q-AST-2", func(t *testing.T) {
			no(t, set(".", "Version", "1.1"), "assertion-version")
			no(t, set(".", "IssueInstant", stamp(testNow.Add(-4*time.Minute))), "assertion-time")
			no(t, set(".", "IssueInstant", stamp(testNow.Add(4*time.Minute))), "assertion-time")
			w := newWorld(t)
			w.accepted(w.login("", "nancy", set(".", "ID", "_again")))
			w.clear()
			if rec := w.login("", "nancy", set(".", "ID", "_again")); rec.Code < 400 || w.store.Sessions() != 1 {
				t.Errorf("a replay answered %d", rec.Code)
			}
		}},
		{"Q-AST-3", func(t *testing.T) {
			no(t, drop("./Subject/NameID"), "subject-name")
			no(t, set("./Subject/NameID", "Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"), "name-id-format")
			yes(t, set("./Subject/NameID", "Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"))
		}},
		{"Q-AST-4", func(t *testing.T) {
			no(t, name("https://data.gov.dk/model/core/eid/person/uuid/not-a-uuid"), "name-id")
			no(t, name("https://data.gov.dk/model/core/eid/robot/uuid/0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"), "name-id")
			no(t, name("urn:uuid:0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"), "name-id")
		}},
		{"Q-AST-5", func(t *testing.T) {
			no(t, name("https://data.gov.dk/model/core/eid/professional/uuid/0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"), "identity-type")
			company(t, name("https://data.gov.dk/model/core/eid/person/uuid/0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"), "identity-type")
		}},
		{"Q-AST-6", func(t *testing.T) {
			no(t, set("./Subject/SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"), "subject-confirmation")
			no(t, unset(scd, "Recipient"), "subject-recipient")
			no(t, unset(scd, "NotOnOrAfter"), "subject-expired")
			no(t, set(scd, "InResponseTo", "_other"), "subject-in-response-to")
			no(t, set(scd, "NotBefore", stamp(testNow.Add(time.Hour))), "subject-not-yet")
			yes(t, set(scd, "NotBefore", stamp(testNow)))
		}},
		{"Q-AST-7", func(t *testing.T) {
			no(t, drop("./Conditions"), "assertion-shape")
			no(t, unset("./Conditions", "NotBefore"), "conditions-times")
		}},
		{"Q-AST-8", func(t *testing.T) {
			other := func(a *etree.Element) *etree.Element {
				c := at(a, "./Conditions/AudienceRestriction").Copy()
				at(c, "./Audience").SetText("https://other.test")
				return c
			}
			no(t, drop("./Conditions/AudienceRestriction"), "audience")
			no(t, edit(func(a *etree.Element) { at(a, "./Conditions").AddChild(other(a)) }), "audience")
			yes(t, edit(func(a *etree.Element) { at(a, "./Conditions/AudienceRestriction").AddChild(at(other(a), "./Audience")) }))
		}},
		{"Q-AST-9", func(t *testing.T) {
			no(t, edit(func(a *etree.Element) { at(a, "./Conditions").CreateElement("saml:ProxyRestriction") }), "condition-unknown")
			yes(t, edit(func(a *etree.Element) { at(a, "./Conditions").CreateElement("saml:OneTimeUse") }))
		}},
		{"Q-AST-10", func(t *testing.T) {
			no(t, double("./AuthnStatement"), "assertion-shape")
			no(t, drop("./AttributeStatement"), "assertion-shape")
			no(t, unset("./AuthnStatement", "SessionIndex"), "session-index")
			no(t, edit(func(a *etree.Element) { at(a, "./AuthnStatement").Tag = "AuthzDecisionStatement" }), "assertion-statements")
		}},
		{"Q-AST-11", func(t *testing.T) {
			w := newWorld(t)
			s := w.accepted(w.login("", "nancy", set("./AuthnStatement", "SessionNotOnOrAfter", stamp(w.now.Add(20*time.Minute)))))
			if !s.ExpiresAt.Equal(w.now.Add(20 * time.Minute)) {
				t.Errorf("lasts %v", s.ExpiresAt.Sub(w.now))
			}
			no(t, set("./AuthnStatement", "SessionNotOnOrAfter", stamp(testNow)), "session-over")
		}},
		{"Q-AST-12", func(t *testing.T) {
			no(t, value("model/core/specVersion", "DK-SAML-2.0"), "spec-version")
			no(t, without("specVersion"), "spec-version")
		}},
		{"Q-AST-13", func(t *testing.T) {
			no(t, value("concept/core/nsis/loa", "Low"), "level-too-low")
			no(t, without("nsis/loa"), "level-unknown")
			no(t, edit(func(a *etree.Element) { // the class reference counts for nothing
				at(attribute(a, "nsis/loa"), "./AttributeValue").SetText("Low")
				at(a, "./AuthnStatement/AuthnContext/AuthnContextClassRef").SetText("https://data.gov.dk/concept/core/nsis/loa/High")
			}), "level-too-low")
			w := newWorld(t)
			w.rejected(w.login("?level=High", "nancy", tweak{}), "level-too-low")
		}},
		{"Q-AST-14", func(t *testing.T) {
			company(t, value("model/core/eid/professional/cvr", "1122349"), "organization")
			company(t, without("professional/orgName"), "organization")
			company(t, without("professional/cvr"), "organization")
		}},
		{"Q-AST-15", func(t *testing.T) {
			no(t, edit(func(a *etree.Element) {
				attribute(a, "cprNumber").CreateAttr("NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:basic")
			}), "attribute-format")
			no(t, edit(func(a *etree.Element) { x := attribute(a, "cprNumber"); x.AddChild(at(x, "./AttributeValue").Copy()) }), "attribute-values")
			yes(t, edit(func(a *etree.Element) { // several values where we read none
				x := at(a, "./AttributeStatement").CreateElement("saml:Attribute")
				x.CreateAttr("Name", "https://data.gov.dk/model/core/eid/email")
				x.CreateElement("saml:AttributeValue").SetText("a@b.test")
				x.CreateElement("saml:AttributeValue").SetText("c@d.test")
			}))
		}},
		{"Q-AST-16", func(t *testing.T) {
			w := newWorld(t)
			w.rejected(w.login("", "nancy", without("cprNumber")), "cpr-missing")
			if w.fault != post.FaultNoCPR {
				t.Errorf("told %v", w.fault)
			}
		}},
		{"Q-AST-17", func(t *testing.T) {
			w := newWorld(t)
			w.accepted(w.login("", "nancy", tweak{}))
			first := w.jar["__Host-session"]
			w.accepted(w.login("", "nancy", tweak{}))
			second := w.jar["__Host-session"]
			w.jar["__Host-session"] = first
			if _, err := w.session(); first == second || !errors.Is(err, post.FaultLoginNeeded) {
				t.Error("the session before the log-in lives on")
			}
		}},
	}
}

func logouts() []requirement {
	known := func(t *testing.T) (w *world, index string) {
		t.Helper()
		w = newWorld(t)
		return w, w.accepted(w.login("", "nancy", tweak{})).SessionIndex
	}
	// asked is what NemLog-in sends; ours what we send.
	asked := func(t *testing.T, w *world, indexes ...string) string {
		t.Helper()
		address, _, err := w.idp.LogoutRequest(entity, nancysName, indexes...)
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	ours := func(t *testing.T, w *world) *etree.Element {
		t.Helper()
		u, err := url.Parse(w.logout().Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return opened(t, w, u.RawQuery)
	}
	return []requirement{
		{"Q-SLO-1", func(t *testing.T) {
			w, _ := known(t)
			if rec := w.portal(get(asked(t, w))); rec.Code != http.StatusFound || w.store.Sessions() != 0 {
				t.Errorf("answered %d", rec.Code)
			}
		}},
		{"Q-SLO-2", func(t *testing.T) {
			m := string(newWorld(t).sp.Metadata())
			if strings.Count(m, "SingleLogoutService") != 1 || !strings.Contains(m, `SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"`) {
				t.Error("the metadata offers more than one, or another")
			}
		}},
		{"Q-SLO-3", func(t *testing.T) {
			w, _ := known(t)
			address := asked(t, w)
			if rec := w.portal(get(strings.Replace(address, "RelayState=relay", "RelayState=other", 1))); rec.Code != http.StatusBadRequest {
				t.Errorf("a changed RelayState: %d", rec.Code)
			}
			verifyQuery(t, w.portal(get(address)).Header().Get("Location"))
		}},
		{"Q-SLO-4", func(t *testing.T) {
			w, index := known(t)
			r := ours(t, w)
			n := at(r, "./NameID")
			if n.Text() != nancysName || n.SelectAttrValue("SPNameQualifier", "") != entity || !strings.HasSuffix(n.SelectAttrValue("Format", ""), ":persistent") ||
				len(n.Attr) != 2 || at(r, "./SessionIndex").Text() != index || r.SelectAttrValue("Destination", "") != provider+"/slo" ||
				at(r, "./Issuer").Text() != entity || r.SelectAttr("NotOnOrAfter") == nil {
				t.Error("the name is not as it was received, or something is missing")
			}
		}},
		{"Q-SLO-5", func(t *testing.T) {
			w, _ := known(t)
			cookie := w.jar["__Host-session"]
			w.logout() // NemLog-in is not asked yet: the browser still has to go there
			w.jar["__Host-session"] = cookie
			if _, err := w.session(); !errors.Is(err, post.FaultLoginNeeded) {
				t.Error("the session lives while NemLog-in is asked")
			}
		}},
		{"Q-SLO-6", func(t *testing.T) {
			w := newWorld(t)
			var indexes []string
			for range 3 {
				w.clear()
				indexes = append(indexes, w.accepted(w.login("", "nancy", tweak{})).SessionIndex)
			}
			w.portal(get(asked(t, w, indexes[0], indexes[1])))
			if n := w.store.Sessions(); n != 1 {
				t.Errorf("two indexes left %d", n)
			}
			all := asked(t, w)
			w.portal(get(all))
			if n := w.store.Sessions(); n != 0 {
				t.Errorf("no index left %d", n)
			}
			if rec := w.portal(get(all)); rec.Code != http.StatusBadRequest {
				t.Errorf("a replay answered %d", rec.Code)
			}
		}},
		{"Q-SLO-7", func(t *testing.T) {
			w, _ := known(t)
			w.logout()
			rec := w.portal(get(asked(t, w, "_gone")))
			u, err := url.Parse(rec.Header().Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if v := at(opened(t, w, u.RawQuery), "./Status/StatusCode").SelectAttrValue("Value", ""); !strings.HasSuffix(v, ":Success") {
				t.Errorf("answered %q", v)
			}
		}},
		{"Q-SLO-8", func(t *testing.T) {
			w, _ := known(t)
			rec := w.provider(get(w.logout().Header().Get("Location")))
			answer := rec.Header().Get("Location")
			mine := w.jar["__Host-logout"]
			w.jar["__Host-logout"] = "_another"
			if rec := w.portal(get(answer)); rec.Code != http.StatusBadRequest {
				t.Errorf("an answer to another request: %d", rec.Code)
			}
			w.jar["__Host-logout"] = mine
			if rec := w.portal(get(answer)); rec.Header().Get("Location") != "/logget-af" {
				t.Errorf("the answer leads to %q", rec.Header().Get("Location"))
			}
		}},
	}
}

// opened is a message of ours, whose query signature is verified.
func opened(t *testing.T, w *world, query string) *etree.Element {
	t.Helper()
	m, err := nemlogin.OpenRedirect(query, w.sp509(), w.now)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := xmldsig.Parse(m.Message, xmldsig.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

// TestIntegrationCases are local twins of NemLog-in's integration test cases.
func TestIntegrationCases(t *testing.T) {
	for _, c := range integrationCases() {
		t.Run(c.id, c.test)
	}
}

func TestEachIntegrationCaseIsDocumented(t *testing.T) {
	rows := documented(t, "IT-")
	for _, c := range integrationCases() {
		if cells := rows[c.id]; len(cells) != 3 || cells[1] != fmt.Sprintf("`TestIntegrationCases/%s`", c.id) {
			t.Errorf("%s: docs/saml.md says %v", c.id, cells)
		}
		delete(rows, c.id)
	}
	for id, cells := range rows {
		if len(cells) != 3 || !strings.HasPrefix(cells[1], "none: ") {
			t.Errorf("%s has neither a twin nor a reason", id)
		}
	}
}

func integrationCases() []requirement {
	in := func(t *testing.T) *world {
		t.Helper()
		w := newWorld(t)
		w.accepted(w.login("", "nancy", tweak{}))
		return w
	}
	over := func(t *testing.T, w *world) {
		t.Helper()
		if _, err := w.session(); !errors.Is(err, post.FaultLoginNeeded) {
			t.Errorf("still logged in: %v", err)
		}
	}
	return []requirement{
		{"IT-LOGON-1", func(t *testing.T) {
			w := newWorld(t)
			if s := w.accepted(w.login("", "nancy", tweak{})); s.Person.Actor.Name() != "Nancy Ann Berggren" || s.Level != login.Substantial {
				t.Error("somebody else, or at another level")
			}
		}},
		{"IT-SSO-1", func(t *testing.T) {
			w := in(t) // NemLog-in knows the browser; another service sends it there
			if rec := w.provider(get(w.begin(""))); !strings.Contains(rec.Body.String(), `name="SAMLResponse"`) {
				t.Error("the person is asked again")
			}
		}},
		{"IT-SPSES-1", func(t *testing.T) {
			w := in(t)
			for range 3 {
				if _, err := w.session(); err != nil { // NemLog-in is not asked
					t.Error(err)
				}
			}
		}},
		{"IT-SLO-1", func(t *testing.T) {
			w := in(t)
			rec := w.provider(get(w.logout().Header().Get("Location")))
			if rec = w.portal(get(rec.Header().Get("Location"))); rec.Header().Get("Location") != "/logget-af" {
				t.Errorf("ends at %q", rec.Header().Get("Location"))
			}
			over(t, w)
		}},
		{"IT-SLO-2", func(t *testing.T) {
			w := in(t)
			rec := w.provider(postForm(provider+"/sso/logout", url.Values{})) // as if from another service
			rec = w.portal(get(rec.Header().Get("Location")))
			if rec = w.provider(get(rec.Header().Get("Location"))); rec.Code != http.StatusOK {
				t.Errorf("NemLog-in shows %d", rec.Code)
			}
			over(t, w)
		}},
		{"IT-SLO-3", func(t *testing.T) {
			w := in(t)
			w.now = w.now.Add(40 * time.Minute) // our session has timed out
			over(t, w)
			rec := w.provider(postForm(provider+"/sso/logout", url.Values{}))
			rec = w.portal(get(rec.Header().Get("Location")))
			if rec = w.provider(get(rec.Header().Get("Location"))); rec.Code != http.StatusOK || strings.Contains(rec.Body.String(), "Technical error") {
				t.Errorf("NemLog-in shows %d", rec.Code)
			}
		}},
		{"IT-LOA-1", func(t *testing.T) {
			w := newWorld(t)
			w.rejected(w.login("", "mette", tweak{}), "level-too-low")
			if w.fault != post.FaultLevelTooLow {
				t.Errorf("told %v", w.fault)
			}
		}},
		{"IT-TIM-1", func(t *testing.T) {
			w := in(t)
			w.now = w.now.Add(29 * time.Minute)
			if _, err := w.session(); err != nil {
				t.Error(err)
			}
			w.now = w.now.Add(30 * time.Minute)
			over(t, w)
		}},
		{"IT-TIM-2", func(t *testing.T) {
			w := in(t)
			for range 24 { // always at it
				w.now = w.now.Add(20 * time.Minute)
				_, _ = w.session()
			}
			over(t, w)
			rec := w.login("", "nancy", tweak{}) // and a new log-in helps
			w.accepted(rec)
		}},
		{"IT-LOG-1", func(t *testing.T) {
			w := newWorld(t)
			read := w.archived()
			s := w.accepted(w.login("", "nancy", tweak{}))
			w.logout()
			kinds := ""
			for _, e := range w.store.Events() {
				kinds += e.Kind + " "
			}
			if !strings.Contains(kinds, "auth.accepted") || len(read()) != 3 {
				t.Errorf("events %s, %d messages", kinds, len(read()))
			}
			log := w.log.String()
			for _, want := range []string{`"msg":"person logged in","session":"` + s.ID, `"msg":"person logged off","session":"` + s.ID} {
				if !strings.Contains(log, want) {
					t.Errorf("the log lacks %s", want)
				}
			}
			for _, never := range []string{"Nancy", "6503851236", nancysName} {
				if strings.Contains(log, never) {
					t.Errorf("the log has %q", never)
				}
			}
		}},
		{"IT-FORCE-1", func(t *testing.T) {
			w := in(t)
			if rec := w.provider(get(w.begin("?force=1"))); !strings.Contains(rec.Body.String(), `value="nancy"`) {
				t.Error("a forced log-in asks nothing")
			}
		}},
		{"IT-REPL-1", func(t *testing.T) {
			w := newWorld(t)
			form := w.choose(w.begin(""), "nancy", tweak{})
			w.accepted(w.acs(form))
			if rec := w.acs(form); rec.Code < 400 || w.store.Sessions() != 1 {
				t.Errorf("a replay answered %d", rec.Code)
			}
		}},
		{"IT-PRIV-1", func(t *testing.T) {
			w := delegating(t)
			if s := w.accepted(w.login("", "jens", tweak{})); len(s.Grants) != 1 || s.Grants[0].RevealID() != poul {
				t.Errorf("%d grants", len(s.Grants))
			}
		}},
		{"IT-PRIV-2", func(t *testing.T) {
			w := newWorld(t)
			w.conf.CompanyRoles = []string{role}
			w.rebuild()
			if s := w.accepted(w.login("?type=Professional", "firma", tweak{})); len(s.Roles) != 1 {
				t.Errorf("roles %v", s.Roles)
			}
		}},
	}
}
