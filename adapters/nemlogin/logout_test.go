package nemlogin_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/post"
)

func (w *world) logout() *httptest.ResponseRecorder {
	return w.portal(postForm(portal+nemlogin.PathLogout, url.Values{}))
}

func TestPersonLogsOffHereAndEverywhere(t *testing.T) {
	w := newWorld(t)
	w.accepted(w.login("", "nancy", tweak{}))
	cookie := w.jar["__Host-session"]
	rec := w.logout()
	if rec.Code != http.StatusSeeOther || !strings.HasPrefix(rec.Header().Get("Location"), provider+"/slo?SAMLRequest=") {
		t.Fatalf("logout answered %d %s", rec.Code, rec.Header().Get("Location"))
	}
	// The session is gone before NemLog-in has been asked.
	w.jar["__Host-session"] = cookie
	if _, err := w.session(); !errors.Is(err, post.FaultLoginNeeded) {
		t.Fatal("the session outlived its logout")
	}
	verifyQuery(t, rec.Header().Get("Location"))
	rec = w.provider(get(rec.Header().Get("Location")))
	if rec.Code != http.StatusSeeOther {
		t.Fatalf("the provider answered %d %s", rec.Code, rec.Body)
	}
	rec = w.portal(get(rec.Header().Get("Location")))
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/logget-af" {
		t.Fatalf("the portal answered %d %s", rec.Code, rec.Header().Get("Location"))
	}
	if rec := w.provider(get(w.begin(""))); !strings.Contains(rec.Body.String(), `value="nancy"`) {
		t.Fatal("the provider still knows the person")
	}
}

// verifyQuery checks a query signature with the standard library alone.
func verifyQuery(t *testing.T, address string) {
	t.Helper()
	_, query, _ := strings.Cut(address, "?")
	signed, sig, ok := strings.Cut(query, "&Signature=")
	if !ok {
		t.Fatal("no signature in the query")
	}
	text, err := url.QueryUnescape(sig)
	if err != nil {
		t.Fatal(err)
	}
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(&key("sp").PublicKey, crypto.SHA256, sum[:], value); err != nil {
		t.Fatal(err)
	}
}

func TestLogoutWithoutSessionIsHarmless(t *testing.T) {
	w := newWorld(t)
	if rec := w.logout(); rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/logget-af" {
		t.Fatalf("answered %d %s", rec.Code, rec.Header().Get("Location"))
	}
}

func TestProviderLogsThePersonOff(t *testing.T) {
	w := newWorld(t)
	w.accepted(w.login("", "nancy", tweak{}))
	rec := w.provider(postForm(provider+"/sso/logout", url.Values{}))
	rec = w.portal(get(rec.Header().Get("Location")))
	if rec.Code != http.StatusFound || !strings.Contains(rec.Header().Get("Location"), "RelayState=relay-") {
		t.Fatalf("answered %d %s", rec.Code, rec.Header().Get("Location"))
	}
	if w.store.Sessions() != 0 {
		t.Fatal("the session lives")
	}
	verifyQuery(t, rec.Header().Get("Location"))
	if rec := w.provider(get(rec.Header().Get("Location"))); rec.Code != http.StatusOK {
		t.Fatalf("the provider did not take our answer: %d %s", rec.Code, rec.Body)
	}
}

func TestProviderMayNameIndexesOrNone(t *testing.T) {
	const name = "https://data.gov.dk/model/core/eid/person/uuid/0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"
	w := newWorld(t)
	var indexes []string
	for range 3 {
		w.clear()
		indexes = append(indexes, w.accepted(w.login("", "nancy", tweak{})).SessionIndex)
	}
	w.clear()
	w.accepted(w.login("", "tove", tweak{}))
	for _, c := range []struct {
		indexes []string
		left    int
	}{{indexes[:2], 2}, {[]string{"_unknown"}, 2}, {nil, 1}, {nil, 1}} {
		address, _, err := w.idp.LogoutRequest(entity, name, c.indexes...)
		if err != nil {
			t.Fatal(err)
		}
		// An unknown session is answered with Success, too.
		if rec := w.portal(get(address)); rec.Code != http.StatusFound || !strings.Contains(rec.Header().Get("Location"), "SAMLResponse=") {
			t.Fatalf("%v answered %d", c.indexes, rec.Code)
		}
		if n := w.store.Sessions(); n != c.left {
			t.Fatalf("%v left %d sessions", c.indexes, n)
		}
	}
}

func TestUntrustedLogoutMessagesEndNothing(t *testing.T) {
	const name = "https://data.gov.dk/model/core/eid/person/uuid/0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"
	foreign := func(issuer, destination, ends string) func(*world, string) string {
		return func(w *world, _ string) string {
			m := `<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_abc" Version="2.0" IssueInstant="` + stamp(w.now) +
				`" Destination="` + destination + `" NotOnOrAfter="` + ends + `"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">` + issuer +
				`</Issuer><NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion">` + name + `</NameID></p:LogoutRequest>`
			a, err := nemlogin.SignRedirect(portal+nemlogin.PathSLO, nemlogin.SAMLRequest, []byte(m), "", key("idp"))
			if err != nil {
				w.t.Fatal(err)
			}
			return a
		}
	}
	query := func(f func(q string) string) func(*world, string) string {
		return func(_ *world, a string) string { p, q, _ := strings.Cut(a, "?"); return p + "?" + f(q) }
	}
	soon := stamp(testNow.Add(time.Minute))
	for rule, change := range map[string]func(*world, string) string{
		"unsigned":           query(func(q string) string { q, _, _ = strings.Cut(q, "&SigAlg"); return q }),
		"signature of zeros": query(func(q string) string { q, _, _ = strings.Cut(q, "&Signature"); return q + "&Signature=AAAA" }),
		"SHA-1 algorithm":    query(func(q string) string { return strings.Replace(q, "rsa-sha256", "rsa-sha1", 1) }),
		"relay changed":      query(func(q string) string { return strings.Replace(q, "RelayState=relay", "RelayState=other", 1) }),
		"message twice":      query(func(q string) string { return q + "&SAMLRequest=x" }),
		"both messages":      query(func(q string) string { return q + "&SAMLResponse=x" }),
		"encoded name":       query(func(q string) string { return strings.Replace(q, "SigAlg=", "Sig%41lg=", 1) }),
		"other key": func(w *world, a string) string {
			r, err := nemlogin.SignRedirect(portal+nemlogin.PathSLO, nemlogin.SAMLRequest, []byte("<x/>"), "", key("stranger"))
			if err != nil {
				w.t.Fatal(err)
			}
			return r
		},
		"issuer wrong":      foreign("https://other.test", portal+nemlogin.PathSLO, soon),
		"destination wrong": foreign("https://saml.simulator.test", "https://other.test", soon),
		"expired":           foreign("https://saml.simulator.test", portal+nemlogin.PathSLO, stamp(testNow.Add(-time.Hour))),
	} {
		t.Run(rule, func(t *testing.T) {
			w := newWorld(t)
			w.accepted(w.login("", "nancy", tweak{}))
			address, _, err := w.idp.LogoutRequest(entity, name)
			if err != nil {
				t.Fatal(err)
			}
			if rec := w.portal(get(change(w, address))); rec.Code != http.StatusBadRequest || w.fault != post.FaultLogout {
				t.Fatalf("answered %d", rec.Code)
			}
			if w.store.Sessions() != 1 {
				t.Fatal("the session ended")
			}
			// The control: the genuine message works, once.
			if rec := w.portal(get(address)); rec.Code != http.StatusFound || w.store.Sessions() != 0 {
				t.Fatalf("the genuine message answered %d", rec.Code)
			}
			if rec := w.portal(get(address)); rec.Code != http.StatusBadRequest {
				t.Fatalf("its replay answered %d", rec.Code)
			}
		})
	}
}

func TestLogoutAnswerMustBeOurs(t *testing.T) {
	w := newWorld(t)
	w.accepted(w.login("", "nancy", tweak{}))
	rec := w.provider(get(w.logout().Header().Get("Location")))
	answer := rec.Header().Get("Location")
	w.jar["__Host-logout"] = "_another"
	if rec := w.portal(get(answer)); rec.Code != http.StatusBadRequest {
		t.Fatalf("a foreign answer gave %d", rec.Code)
	}
}

func TestRedirectIsBounded(t *testing.T) {
	certs := w509()
	for size, ok := range map[int]bool{64 << 10: true, 64<<10 + 1: false, 8 << 20: false} {
		a, err := nemlogin.SignRedirect(portal, nemlogin.SAMLRequest, make([]byte, size), "", key("idp"))
		if err != nil {
			t.Fatal(err)
		}
		_, q, _ := strings.Cut(a, "?")
		if _, err := nemlogin.OpenRedirect(q, certs, time.Now()); (err == nil) != ok {
			t.Errorf("%d bytes inflated: %v", size, err)
		}
	}
	// Lower-case escapes and another order are the sender's choice; the bytes as
	// they came are what was signed.
	msg := url.QueryEscape("fVA=")
	signed := "SAMLRequest=" + strings.ToLower(msg) + "&RelayState=a+b&SigAlg=" + strings.ReplaceAll(url.QueryEscape("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"), "%3A", "%3a")
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key("idp"), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(signed, "&")
	q := "Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(sig)) + "&" + parts[2] + "&" + parts[1] + "&" + parts[0]
	if _, err := nemlogin.OpenRedirect(q, certs, time.Now()); err == nil || strings.Contains(err.Error(), "verify") {
		t.Errorf("the signature was not verified over the raw bytes: %v", err)
	}
}
