package nemlogin_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
)

const nancysName = "https://data.gov.dk/model/core/eid/person/uuid/0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"

func values(form map[string]string) url.Values {
	v := url.Values{}
	for name, value := range form {
		v.Set(name, value)
	}
	return v
}

// filled returns the address and the fields of the only form on a page.
func filled(t *testing.T, page string) (action string, form url.Values) {
	t.Helper()
	form = url.Values{}
	cut := func(s, from, to string) (string, string) {
		_, rest, ok := strings.Cut(s, from)
		if !ok {
			return "", ""
		}
		v, rest, _ := strings.Cut(rest, to)
		return html.UnescapeString(v), rest
	}
	action, page = cut(page, `action="`, `"`)
	for {
		var name, value string
		if name, page = cut(page, `name="`, `"`); name == "" {
			return action, form
		}
		value, page = cut(page, `value="`, `"`)
		form.Set(name, value)
	}
}

// overPost makes the provider one that has single logout by POST alone.
func (w *world) overPost() {
	w.t.Helper()
	m := string(w.idp.Metadata())
	redirect := `<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + provider + `/slo"/>`
	if !strings.Contains(m, redirect) {
		w.t.Fatal("the provider's metadata looks different")
	}
	idp, err := nemlogin.ParseIDP([]byte(strings.Replace(m, redirect, "", 1)))
	if err != nil || !idp.SLOPost {
		w.t.Fatalf("post %v, %v", idp, err)
	}
	w.conf.IDP = idp
	w.rebuild()
}

func TestPersonLogsOffByPost(t *testing.T) {
	w := newWorld(t)
	w.overPost()
	w.accepted(w.login("", "nancy", tweak{}))
	rec := w.logout()
	if rec.Code != http.StatusOK || w.store.Sessions() != 0 {
		t.Fatalf("answered %d with %d sessions", rec.Code, w.store.Sessions())
	}
	if p := rec.Header().Get("Content-Security-Policy"); !strings.Contains(p, "form-action "+provider) || !strings.Contains(p, "default-src 'none'") {
		t.Errorf("policy %q", p)
	}
	for _, c := range rec.Result().Cookies() {
		if c.Name == "__Host-logout" && (c.SameSite != http.SameSiteNoneMode || !c.Secure || !c.HttpOnly) {
			t.Error("the cookie would not come along with a cross-site POST")
		}
	}
	action, form := filled(t, rec.Body.String())
	if action != provider+"/slo" || form.Get("SAMLRequest") == "" {
		t.Fatalf("the form goes to %q", action)
	}
	// The provider answers by redirect, and could as well by POST.
	rec = w.provider(postForm(action, form))
	if rec.Code != http.StatusSeeOther {
		t.Fatalf("the provider answered %d %s", rec.Code, rec.Body)
	}
	if rec = w.portal(get(rec.Header().Get("Location"))); rec.Header().Get("Location") != "/logget-af" {
		t.Fatalf("the answer gave %d %s", rec.Code, rec.Header().Get("Location"))
	}
}

func (w *world) slo(form url.Values) *httptest.ResponseRecorder {
	return w.portal(postForm(portal+nemlogin.PathSLO, form))
}

func TestProviderLogsThePersonOffByPost(t *testing.T) {
	for name, post := range map[string]bool{"answered by redirect": false, "answered by POST": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if post {
				w.overPost()
			}
			var indexes []string
			for range 3 {
				w.clear()
				indexes = append(indexes, w.accepted(w.login("", "nancy", tweak{})).SessionIndex)
			}
			w.clear()
			for _, c := range []struct {
				indexes []string
				left    int
			}{{indexes[:2], 1}, {[]string{"_unknown"}, 1}, {nil, 0}, {nil, 0}} {
				form, err := w.idp.LogoutForm(entity, nancysName, c.indexes...)
				if err != nil {
					t.Fatal(err)
				}
				rec := w.slo(values(form))
				if n := w.store.Sessions(); n != c.left {
					t.Fatalf("%v left %d sessions", c.indexes, n)
				}
				if !post {
					verifyQuery(t, rec.Header().Get("Location"))
					if !strings.Contains(rec.Header().Get("Location"), "RelayState="+form["RelayState"]) {
						t.Error("RelayState is not echoed")
					}
					continue
				}
				action, answer := filled(t, rec.Body.String())
				if action != provider+"/slo" || answer.Get("RelayState") != form["RelayState"] || answer.Get("SAMLResponse") == "" {
					t.Fatalf("answered %d %s", rec.Code, rec.Body)
				}
				message, err := base64.StdEncoding.DecodeString(answer.Get("SAMLResponse"))
				if err != nil || !strings.Contains(string(message), `status:Success"`) || !strings.Contains(string(message), "SignatureValue") {
					t.Fatalf("the answer is %s", message)
				}
			}
		})
	}
}

func TestUntrustedPostsEndNothing(t *testing.T) {
	sign := func(t *testing.T, w *world, bend func(*etree.Element), who string) string {
		t.Helper()
		form, err := w.idp.LogoutForm(entity, nancysName)
		if err != nil {
			t.Fatal(err)
		}
		b, err := base64.StdEncoding.DecodeString(form["SAMLRequest"])
		if err != nil {
			t.Fatal(err)
		}
		doc := etree.NewDocument()
		if err := doc.ReadFromBytes(b); err != nil {
			t.Fatal(err)
		}
		doc.Root().RemoveChildAt(doc.Root().FindElement("./Signature").Index())
		bend(doc.Root())
		cert := valid(key(who))
		if who == "idp" {
			cert = w.conf.IDP.Certs[0]
		}
		out, err := nemlogin.SignPost(doc, key(who), cert)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	edit := func(f func(message string) string) func(*testing.T, *world, url.Values) {
		return func(t *testing.T, _ *world, v url.Values) {
			b, err := base64.StdEncoding.DecodeString(v.Get("SAMLRequest"))
			if err != nil {
				t.Fatal(err)
			}
			v.Set("SAMLRequest", base64.StdEncoding.EncodeToString([]byte(f(string(b)))))
		}
	}
	for rule, c := range map[string]struct {
		change func(*testing.T, *world, url.Values)
		reason string
	}{
		"unsigned": {edit(func(m string) string {
			a, rest, _ := strings.Cut(m, "<ds:Signature ")
			_, rest, _ = strings.Cut(rest, "</ds:Signature>")
			return a + rest
		}), "logout-signature"},
		"name changed":      {edit(func(m string) string { return strings.Replace(m, "1a01<", "1a12<", 1) }), "logout-sig-digest"},
		"signature cut off": {edit(func(m string) string { return strings.Replace(m, "<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1) }), ""},
		"second signature": {edit(func(m string) string {
			return strings.Replace(m, "</samlp:LogoutRequest>", "<x><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/></x></samlp:LogoutRequest>", 1)
		}), "logout-signature"},
		"DTD": {edit(func(m string) string { return "<!DOCTYPE x>" + m }), ""},
		"stranger's key": {func(t *testing.T, w *world, v url.Values) {
			v.Set("SAMLRequest", sign(t, w, func(*etree.Element) {}, "stranger"))
		}, ""},
		"other destination": {func(t *testing.T, w *world, v url.Values) {
			v.Set("SAMLRequest", sign(t, w, func(r *etree.Element) { r.SelectAttr("Destination").Value = "https://other.test" }, "idp"))
		}, "logout-destination"},
		"other issuer": {func(t *testing.T, w *world, v url.Values) {
			v.Set("SAMLRequest", sign(t, w, func(r *etree.Element) { r.FindElement("./Issuer").SetText("https://other.test") }, "idp"))
		}, "logout-issuer"},
		"both messages":      {func(_ *testing.T, _ *world, v url.Values) { v.Set("SAMLResponse", v.Get("SAMLRequest")) }, "logout-form"},
		"message twice":      {func(_ *testing.T, _ *world, v url.Values) { v.Add("SAMLRequest", "x") }, "logout-form"},
		"long relay state":   {func(_ *testing.T, _ *world, v url.Values) { v.Set("RelayState", strings.Repeat("a", 81)) }, "logout-form"},
		"junk in the base64": {func(_ *testing.T, _ *world, v url.Values) { v.Set("SAMLRequest", "*"+v.Get("SAMLRequest")) }, "logout-form"},
		"an assertion signed by the provider": {func(t *testing.T, w *world, v url.Values) {
			b, err := base64.StdEncoding.DecodeString(w.choose(w.begin(""), "nancy", tweak{SignWhole: true}).Get("SAMLResponse"))
			if err != nil {
				t.Fatal(err)
			}
			v.Set("SAMLRequest", base64.StdEncoding.EncodeToString(b))
		}, "logout-name-of-message"},
	} {
		t.Run(rule, func(t *testing.T) {
			w := newWorld(t)
			w.accepted(w.login("", "nancy", tweak{}))
			form, err := w.idp.LogoutForm(entity, nancysName)
			if err != nil {
				t.Fatal(err)
			}
			bad := values(form)
			c.change(t, w, bad)
			if rec := w.slo(bad); rec.Code != http.StatusBadRequest || w.fault != post.FaultLogout || w.store.Sessions() != 1 {
				t.Fatalf("answered %d, %d sessions", rec.Code, w.store.Sessions())
			}
			if c.reason != "" && !strings.Contains(w.log.String(), `"reason":"`+c.reason+`"`) {
				t.Fatalf("want %s, log says %s", c.reason, w.log.String())
			}
			// The control: the genuine message works, once.
			if rec := w.slo(values(form)); rec.Code != http.StatusSeeOther || w.store.Sessions() != 0 {
				t.Fatalf("the genuine message answered %d", rec.Code)
			}
			if rec := w.slo(values(form)); rec.Code != http.StatusBadRequest {
				t.Fatalf("its replay answered %d", rec.Code)
			}
		})
	}
}

func TestQuerySignatureIsNotReplacedByOneInside(t *testing.T) { // V-SLO-11
	w := newWorld(t)
	w.accepted(w.login("", "nancy", tweak{}))
	form, err := w.idp.LogoutForm(entity, nancysName)
	if err != nil {
		t.Fatal(err)
	}
	if rec := w.portal(get(portal + nemlogin.PathSLO + "?" + values(form).Encode())); rec.Code != http.StatusBadRequest || w.store.Sessions() != 1 {
		t.Fatalf("answered %d", rec.Code)
	}
}

func TestLogoutEndsSessionsOfOneServiceProviderOnly(t *testing.T) { // V-SLO-8
	w := newWorld(t)
	w.accepted(w.login("", "nancy", tweak{}))
	w.clear()
	w.conf.EntityID = "https://saml.other.test"
	w.conf.SigningKey, w.conf.SigningCert = key("other"), valid(key("other"))
	w.rebuild()
	w.accepted(w.login("", "nancy", tweak{}))
	if w.store.Sessions() != 2 {
		t.Fatal("need two sessions")
	}
	form, err := w.idp.LogoutForm("https://saml.other.test", nancysName)
	if err != nil {
		t.Fatal(err)
	}
	if rec := w.slo(values(form)); rec.Code != http.StatusSeeOther || w.store.Sessions() != 1 {
		t.Fatalf("answered %d, %d sessions are left", rec.Code, w.store.Sessions())
	}
	if _, err := w.session(); !errors.Is(err, post.FaultLoginNeeded) {
		t.Fatal("the wrong one ended")
	}
}

func TestPartialLogoutIsTold(t *testing.T) { // V-SLO-10
	for code, want := range map[[2]string]string{
		{"Success", ""}: "/logget-af", {"Success", "PartialLogout"}: "/logget-af?partial=1", {"Responder", ""}: "/logget-af?partial=1",
	} {
		w := newWorld(t)
		w.accepted(w.login("", "nancy", tweak{}))
		w.logout()
		m := `<p:LogoutResponse xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" Version="2.0" IssueInstant="` + stamp(w.now) +
			`" Destination="` + portal + nemlogin.PathSLO + `" InResponseTo="` + w.jar["__Host-logout"] +
			`"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">https://saml.simulator.test</Issuer><p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:` +
			code[0] + `">`
		if code[1] != "" {
			m += `<p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:` + code[1] + `"/>`
		}
		m += `</p:StatusCode></p:Status></p:LogoutResponse>`
		a, err := nemlogin.SignRedirect(portal+nemlogin.PathSLO, nemlogin.SAMLResponse, []byte(m), "", key("idp"))
		if err != nil {
			t.Fatal(err)
		}
		if rec := w.portal(get(a)); rec.Header().Get("Location") != want {
			t.Errorf("%v leads to %d %q", code, rec.Code, rec.Header().Get("Location"))
		}
	}
}

// archived makes w keep messages and returns a way to read them.
func (w *world) archived() func() []login.Exchange {
	w.t.Helper()
	a, err := login.NewArchive(w.store, func(b []byte) ([]byte, error) { return b, nil }, slog.New(slog.DiscardHandler), w.conf.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.conf.Archive = a
	w.rebuild()
	return func() (all []login.Exchange) {
		for _, m := range w.store.Messages() {
			var e login.Exchange
			if err := json.Unmarshal(m.Body, &e); err != nil {
				w.t.Fatal(err)
			}
			all = append(all, e)
		}
		return all
	}
}

func TestEachMessageIsArchivedOnceWithItsSignature(t *testing.T) { // V-LOG-1, IT-LOG-1
	w := newWorld(t)
	read := w.archived()
	w.accepted(w.login("", "nancy", tweak{}))
	w.clear()
	w.rejectedLogin(t)
	w.accepted(w.login("", "tove", tweak{}))
	rec := w.provider(get(w.logout().Header().Get("Location")))
	w.portal(get(rec.Header().Get("Location")))
	var got []string
	for _, e := range read() {
		got = append(got, e.Kind+" "+e.Outcome)
		if e.Message == "" || e.Remote == "" {
			t.Errorf("%s %s has no message or no address", e.Kind, e.Outcome)
		}
		if strings.Contains(w.log.String(), e.Message) {
			t.Error("the log has a message")
		}
	}
	want := "AuthnRequest sent,Response accepted,AuthnRequest sent,Response status-cancelled,AuthnRequest sent,Response accepted,LogoutRequest sent,LogoutResponse accepted"
	if strings.Join(got, ",") != want {
		t.Fatalf("kept %v", got)
	}
}

func (w *world) rejectedLogin(t *testing.T) {
	t.Helper()
	if rec := w.login("", "nancy", nemlogintest.Tweak{Status: [2]string{"Responder", "AuthnFailed"}}); rec.Code < 400 {
		t.Fatalf("answered %d", rec.Code)
	}
}

func TestWhatCannotBeArchivedLogsNobodyIn(t *testing.T) {
	w := newWorld(t)
	w.archived()
	form := w.choose(w.begin(""), "nancy", tweak{})
	broken, err := login.NewArchive(w.store, func([]byte) ([]byte, error) { return nil, errors.New("no room") }, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.conf.Archive = broken
	w.rebuild()
	if rec := w.acs(form); rec.Code < 500 || w.store.Sessions() != 0 {
		t.Fatalf("answered %d with %d sessions", rec.Code, w.store.Sessions())
	}
	if rec := w.portal(get(portal + nemlogin.PathLogin)); rec.Code < 500 {
		t.Fatalf("a request that could not be kept was sent: %d", rec.Code)
	}
}
