package nemlogin_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
)

func TestCitizenLogsInAndComesBackWhereTheyWere(t *testing.T) {
	w := newWorld(t)
	rec := w.login("?return=/ny?kommune=engdal", "nancy", nemlogintest.Tweak{})
	s := w.accepted(rec)
	if got := rec.Header().Get("Location"); got != "/ny?kommune=engdal" {
		t.Errorf("went to %q", got)
	}
	if s.Person.Actor.RevealID() != "6503851236" || s.Person.Actor.Name() != "Nancy Ann Berggren" || s.Person.OnBehalfOf != nil {
		t.Error("somebody else is logged in")
	}
	if s.Level != login.Substantial || s.NameID.SPNameQualifier != entity || s.SessionIndex == "" {
		t.Errorf("session is %v %q", s.Level, s.SessionIndex)
	}
	for _, c := range rec.Result().Cookies() {
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("cookie %s is loose", c.Name)
		}
		if c.Name == "__Host-session" && c.SameSite != http.SameSiteLaxMode {
			t.Error("the session cookie travels across sites")
		}
	}
	if strings.Contains(w.log.String(), "Nancy") || strings.Contains(w.log.String(), "6503851236") {
		t.Error("the log knows who it was")
	}
}

func TestProfessionalActsForTheCompany(t *testing.T) {
	w := newWorld(t)
	s := w.accepted(w.login("?type=Professional", "firma", nemlogintest.Tweak{}))
	if s.Person.Actor.RevealID() != "7305794480" || s.Person.OnBehalfOf == nil || s.Person.OnBehalfOf.RevealID() != "11223491" ||
		s.Person.Subject().Name() != "Bech Tagdækning ApS" {
		t.Error("the company or its human is wrong")
	}
}

func TestGenuineVariantsAreAccepted(t *testing.T) {
	enc := func(e nemlogintest.Encryption) func(*world) nemlogintest.Tweak {
		return func(*world) nemlogintest.Tweak { return nemlogintest.Tweak{Encryption: e} }
	}
	edit := func(f func(w *world, a *etree.Element)) func(*world) nemlogintest.Tweak {
		return func(w *world) nemlogintest.Tweak {
			return nemlogintest.Tweak{Assertion: func(a *etree.Element) { f(w, a) }}
		}
	}
	for name, bend := range map[string]func(*world) nemlogintest.Tweak{
		"aes256-gcm":             enc(nemlogintest.Encryption{Data: nemlogintest.AES256GCM}),
		"aes128-gcm":             enc(nemlogintest.Encryption{Data: nemlogintest.AES128GCM}),
		"oaep-mgf1p with sha256": enc(nemlogintest.Encryption{Digest: nemlogintest.SHA256}),
		"oaep 1.1 sha256 mgf1 sha256": enc(nemlogintest.Encryption{
			Transport: nemlogintest.OAEP11, Digest: nemlogintest.SHA256, Mask: nemlogintest.MGF1SHA2,
		}),
		"oaep 1.1 sha256 mgf1 sha1": enc(nemlogintest.Encryption{
			Transport: nemlogintest.OAEP11, Digest: nemlogintest.SHA256, Mask: nemlogintest.MGF1SHA1,
		}),
		"key beside the data":           enc(nemlogintest.Encryption{Sibling: true}),
		"two recipients, we are second": enc(nemlogintest.Encryption{Before: &key("stranger").PublicKey}),
		"response signed too":           func(*world) nemlogintest.Tweak { return nemlogintest.Tweak{SignWhole: true} },
		"line breaks in the signature value": func(*world) nemlogintest.Tweak {
			return nemlogintest.Tweak{Signed: func(a *etree.Element) {
				v := a.FindElement("./Signature/SignatureValue")
				v.SetText("\n" + v.Text()[:64] + "\n  " + v.Text()[64:] + "\n")
			}}
		},
		"several audiences, ours last": edit(func(_ *world, a *etree.Element) {
			r := a.FindElement("./Conditions/AudienceRestriction")
			other := etree.NewElement("saml:Audience")
			other.SetText("https://other.test")
			r.InsertChildAt(0, other)
		}),
		"a holder-of-key confirmation for somebody else first": edit(func(_ *world, a *etree.Element) {
			c := a.FindElement("./Subject/SubjectConfirmation").Copy()
			c.SelectAttr("Method").Value = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
			c.FindElement("./SubjectConfirmationData").SelectAttr("Recipient").Value = "https://other.test"
			a.FindElement("./Subject").InsertChildAt(1, c)
		}),
		"an attribute that nobody knows, twice": edit(func(_ *world, a *etree.Element) {
			for range 2 {
				x := a.FindElement("./AttributeStatement").CreateElement("saml:Attribute")
				x.CreateAttr("Name", "https://data.gov.dk/model/core/eid/email")
				x.CreateElement("saml:AttributeValue").SetText("a@b.test")
			}
		}),
		"expired within the clocks' difference": edit(func(w *world, a *etree.Element) {
			a.FindElement("./Conditions").SelectAttr("NotOnOrAfter").Value = stamp(w.now.Add(-3*time.Minute + 2*time.Second))
			a.FindElement("./Conditions").SelectAttr("NotBefore").Value = stamp(w.now.Add(-5 * time.Minute))
		}),
		"time with zone and fraction": edit(func(w *world, a *etree.Element) {
			a.SelectAttr("IssueInstant").Value = w.now.In(time.FixedZone("", 3600)).Format("2006-01-02T15:04:05.999999999Z07:00")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if s := w.accepted(w.login("", "nancy", bend(w))); s.Person.Actor.RevealID() != "6503851236" {
				t.Error("somebody else is logged in")
			}
		})
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func TestKeysRollOver(t *testing.T) {
	w := newWorld(t)
	t.Run("assertion for our previous key", func(t *testing.T) {
		w := newWorld(t)
		d := w.conf.Decryption
		w.conf.Decryption = []nemlogin.Decryption{d[1], d[0]} // the provider still reads the first
		w.rebuild()
		form := w.choose(w.begin(""), "nancy", nemlogintest.Tweak{})
		w.conf.Decryption = d
		w.rebuild()
		w.accepted(w.acs(form))
	})
	next := valid(key("idp-next"))
	idp := *w.conf.IDP
	idp.Certs = append(idp.Certs[:1:1], next)
	if err := w.sp.Trust(&idp); err != nil {
		t.Fatal(err)
	}
	for name, bend := range map[string]nemlogintest.Tweak{
		"second certificate, named in KeyInfo": {Key: key("idp-next"), Cert: next},
		"second certificate, no KeyInfo": {Key: key("idp-next"), Cert: next, Signed: func(a *etree.Element) {
			s := a.FindElement("./Signature")
			s.RemoveChild(s.FindElement("./KeyInfo"))
		}},
	} {
		t.Run(name, func(t *testing.T) { w.t = t; w.clear(); w.accepted(w.login("", "nancy", bend)) })
	}
	idp.EntityID += "/"
	if err := w.sp.Trust(&idp); err == nil {
		t.Error("metadata of another entity was taken")
	}
}

func TestPersonIsToldWhatHappened(t *testing.T) {
	without := func(name string) nemlogintest.Tweak {
		return nemlogintest.Tweak{Assertion: func(a *etree.Element) { a.FindElement("./AttributeStatement").RemoveChild(attribute(a, name)) }}
	}
	for name, c := range map[string]struct {
		query, who string
		bend       nemlogintest.Tweak
		reason     string
		want       *post.Fault
	}{
		"cancelled":              {"", "nancy", nemlogintest.Tweak{Status: [2]string{"Responder", "AuthnFailed"}}, "status-cancelled", post.FaultLoginCancelled},
		"level cannot be met":    {"", "nancy", nemlogintest.Tweak{Status: [2]string{"Responder", "NoAuthnContext"}}, "status-no-authn-context", post.FaultLevelTooLow},
		"provider in trouble":    {"", "nancy", nemlogintest.Tweak{Status: [2]string{"Responder", ""}}, "status-responder", post.FaultLoginDown},
		"our request was wrong":  {"", "nancy", nemlogintest.Tweak{Status: [2]string{"Requester", "RequestDenied"}}, "status-requester", post.FaultLoginDown},
		"level Low":              {"", "mette", nemlogintest.Tweak{}, "level-too-low", post.FaultLevelTooLow},
		"High asked":             {"?level=High", "nancy", nemlogintest.Tweak{}, "level-too-low", post.FaultLevelTooLow},
		"Low asked, floor holds": {"?level=Low", "mette", nemlogintest.Tweak{}, "level-too-low", post.FaultLevelTooLow},
		"no CPR":                 {"", "nancy", without("cprNumber"), "cpr-missing", post.FaultNoCPR},
		"company for a person":   {"", "firma", nemlogintest.Tweak{}, "identity-type", post.FaultLoginKind},
		"person for a company":   {"?type=Professional", "nancy", nemlogintest.Tweak{}, "identity-type", post.FaultLoginKind},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.rejected(w.login(c.query, c.who, c.bend), c.reason)
			w.audited(c.reason)
			if w.fault != c.want {
				t.Errorf("the person is told %v", w.fault)
			}
		})
	}
}

func TestMixedUpLoginsAreRefusedBeforeAnyXML(t *testing.T) {
	t.Run("no pending cookie", func(t *testing.T) {
		w := newWorld(t)
		form := w.choose(w.begin(""), "nancy", nemlogintest.Tweak{})
		delete(w.jar, "__Host-login")
		form.Set("SAMLResponse", "not even base64")
		w.rejected(w.acs(form), "fault-POST-1006")
	})
	t.Run("another browser's answer", func(t *testing.T) {
		w := newWorld(t)
		form := w.choose(w.begin(""), "nancy", nemlogintest.Tweak{})
		w.clear()
		w.begin("")
		w.rejected(w.acs(form), "response-in-response-to")
		if w.fault != post.FaultLoginMixedUp {
			t.Errorf("told %v", w.fault)
		}
	})
	t.Run("after ten minutes", func(t *testing.T) {
		w := newWorld(t)
		form := w.choose(w.begin(""), "nancy", nemlogintest.Tweak{})
		w.now = w.now.Add(11 * time.Minute)
		w.rejected(w.acs(form), "fault-POST-1006")
	})
	t.Run("the sixth try", func(t *testing.T) {
		w := newWorld(t)
		form := w.choose(w.begin(""), "nancy", nemlogintest.Tweak{})
		for range 5 {
			w.rejected(w.acs(url.Values{"SAMLResponse": {"!"}}), "form-base64")
		}
		w.rejected(w.acs(form), "fault-POST-1006")
	})
}

func TestAnswerWorksOnce(t *testing.T) {
	w := newWorld(t)
	form := w.choose(w.begin(""), "nancy", nemlogintest.Tweak{})
	before := w.jar["__Host-login"]
	w.accepted(w.acs(form))
	w.jar["__Host-login"] = before
	if rec := w.acs(form); rec.Code != http.StatusBadRequest {
		t.Fatalf("the second answered %d", rec.Code)
	}
	if n := w.store.Sessions(); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	// The same assertion id in a new, properly signed answer.
	fixed := nemlogintest.Tweak{Assertion: func(a *etree.Element) { a.SelectAttr("ID").Value = "_once" }}
	w.clear()
	w.accepted(w.login("", "nancy", fixed))
	w.clear()
	if rec := w.login("", "nancy", fixed); rec.Code != http.StatusBadRequest {
		t.Fatalf("a used assertion answered %d", rec.Code)
	}
	w.audited("replay")
}

func TestNewLoginReplacesTheSession(t *testing.T) {
	w := newWorld(t)
	w.accepted(w.login("", "nancy", nemlogintest.Tweak{}))
	first := w.jar["__Host-session"]
	w.accepted(w.login("", "nancy", nemlogintest.Tweak{}))
	if w.jar["__Host-session"] == first {
		t.Error("the cookie stayed")
	}
	w.jar["__Host-session"] = first
	if _, err := w.session(); !errors.Is(err, post.FaultLoginNeeded) {
		t.Error("the first session still lives")
	}
}

func TestSecondLoginNeedsNoActionUnlessForced(t *testing.T) {
	w := newWorld(t)
	w.accepted(w.login("", "nancy", nemlogintest.Tweak{}))
	if rec := w.provider(get(w.begin(""))); !strings.Contains(rec.Body.String(), `name="SAMLResponse"`) {
		t.Error("single sign-on asks again")
	}
	if rec := w.provider(get(w.begin("?force=1"))); !strings.Contains(rec.Body.String(), `value="nancy"`) {
		t.Error("a forced login asks nothing")
	}
	stale := nemlogintest.Tweak{AuthnAt: w.now.Add(-2 * time.Hour)}
	if rec := w.login("?force=1", "nancy", stale); rec.Code != http.StatusForbidden {
		t.Errorf("a forced login with an old authentication answered %d", rec.Code)
	}
	w.audited("authn-not-fresh")
}

func TestRelayStateNeverLeadsAway(t *testing.T) {
	for relay, want := range map[string]string{
		"https://evil.test": "/", "//evil.test": "/", `\evil`: "/", "javascript:alert(1)": "/", "": "/",
	} {
		w := newWorld(t)
		form := w.choose(w.begin("?return=/ny"), "nancy", nemlogintest.Tweak{})
		form.Set("RelayState", relay)
		rec := w.acs(form)
		w.accepted(rec)
		if got := rec.Header().Get("Location"); got != want {
			t.Errorf("%q leads to %q", relay, got)
		}
	}
	w := newWorld(t)
	for _, to := range []string{"https://evil.test", "//evil.test", `/\evil.test`, "javascript:alert(1)"} {
		rec := w.portal(get(portal + nemlogin.PathLogin + "?return=" + url.QueryEscape(to)))
		if rec.Code != http.StatusBadRequest || w.fault != post.FaultReturnPath {
			t.Errorf("return %q answered %d", to, rec.Code)
		}
	}
	if rec := w.portal(get(portal + nemlogin.PathLogin + "?level=Huge")); rec.Code != http.StatusBadRequest {
		t.Errorf("an unknown level answered %d", rec.Code)
	}
}

func TestFormIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		form   func(url.Values)
		reason string
	}{
		"two responses":    {func(v url.Values) { v.Add("SAMLResponse", v.Get("SAMLResponse")) }, "form-parameters"},
		"no response":      {func(v url.Values) { v.Del("SAMLResponse") }, "form-parameters"},
		"artifact":         {func(v url.Values) { v.Set("SAMLart", "x") }, "form-parameters"},
		"long relay state": {func(v url.Values) { v.Set("RelayState", strings.Repeat("a", 81)) }, "form-relay-state"},
		"over 128 KiB":     {func(v url.Values) { v.Set("SAMLResponse", strings.Repeat("A", 129<<10)) }, "form-size"},
		"URL alphabet":     {func(v url.Values) { v.Set("SAMLResponse", "PD94bWw_Pg==") }, "form-base64"},
		"encoded twice": {func(v url.Values) {
			v.Set("SAMLResponse", base64.StdEncoding.EncodeToString([]byte(v.Get("SAMLResponse"))))
		}, "xml-text-outside-root"},
		"empty":              {func(v url.Values) { v.Set("SAMLResponse", "") }, "form-base64"},
		"junk in the base64": {func(v url.Values) { v.Set("SAMLResponse", "*"+v.Get("SAMLResponse")) }, "form-base64"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			form := w.choose(w.begin(""), "nancy", nemlogintest.Tweak{})
			c.form(form)
			w.rejected(w.acs(form), c.reason)
			w.audited(c.reason)
		})
	}
}
