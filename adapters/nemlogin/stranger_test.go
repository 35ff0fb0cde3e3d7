package nemlogin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/internal/post"
)

// strangerAttacks are lies that the provider signs, about whom the answer is for and whom it names: what a
// careless change of the reader would let in. They stand beside those of the catalog.
func strangerAttacks(now time.Time) []attack {
	rename := func(name string) tweak {
		return edit(func(a *etree.Element) { attribute(a, "cprNumber").CreateAttr("Name", name) })
	}
	text := func(path string, change func(string) string) tweak {
		return edit(func(a *etree.Element) { e := at(a, path); e.SetText(change(e.Text())) })
	}
	const cpr = "https://data.gov.dk/model/core/eid/cprNumber"
	list := []attack{
		{"CPR in an attribute of a like name", rename(cpr + " "), "cpr-missing"},
		{"CPR in an attribute of the same name in other letters", rename(strings.ToUpper(cpr)), "cpr-missing"},
		{"CPR in an attribute of OIOSAML 2", rename("dk:gov:saml:attribute:CprNumberIdentifier"), "cpr-missing"},
		{"CPR by its friendly name alone", edit(func(a *etree.Element) {
			x := attribute(a, "cprNumber")
			x.CreateAttr("Name", "urn:x")
			x.CreateAttr("FriendlyName", cpr)
		}), "cpr-missing"},
		{"CPR as an attribute of the value", edit(func(a *etree.Element) {
			v := at(attribute(a, "cprNumber"), "./AttributeValue")
			v.CreateAttr("value", v.Text())
			v.SetText("")
		}), "cpr-missing"},
		{"a second CPR of another name format", edit(func(a *etree.Element) {
			x := attribute(a, "cprNumber").Copy()
			x.CreateAttr("NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:basic")
			at(x, "./AttributeValue").SetText("6607551192")
			at(a, "./AttributeStatement").InsertChildAt(0, x)
		}), "attribute-format"},
		{"a second CPR that is empty", edit(func(a *etree.Element) {
			x := attribute(a, "cprNumber").Copy()
			at(x, "./AttributeValue").SetText("")
			at(a, "./AttributeStatement").AddChild(x)
		}), "attribute-values"},
		{"issuer in other letters", text("./Issuer", strings.ToUpper), "assertion-issuer"},
		{"issuer with a line break", text("./Issuer", func(s string) string { return s + "\n" }), "assertion-issuer"},
		{"audience in other letters", text("./Conditions/AudienceRestriction/Audience", strings.ToUpper), "audience"},
		{"audience of which ours is a part", text("./Conditions/AudienceRestriction/Audience", func(s string) string { return s + ".evil.test" }), "audience"},
		{"for a neighbor's portal", edit(func(a *etree.Element) {
			at(a, "./Conditions/AudienceRestriction/Audience").SetText("https://saml.portal.test:8443")
			at(a, "./Subject/SubjectConfirmation/SubjectConfirmationData").CreateAttr("Recipient", "https://portal.test:8443/saml/acs")
		}), "subject-recipient"},
		{"recipient with the usual port", set("./Subject/SubjectConfirmation/SubjectConfirmationData", "Recipient", "https://portal.test:443/saml/acs"), "subject-recipient"},
		{"recipient by the host alone", set("./Subject/SubjectConfirmation/SubjectConfirmationData", "Recipient", "https://portal.test/"), "subject-recipient"},
		{"destination with the usual port", envelope(func(r *etree.Element) { r.CreateAttr("Destination", "https://portal.test:443/saml/acs") }), "response-destination"},
		{"destination of the log-off", envelope(func(r *etree.Element) { r.CreateAttr("Destination", portal+nemlogin.PathSLO) }), "response-destination"},
		{"InResponseTo in other letters", envelope(func(r *etree.Element) {
			a := r.SelectAttr("InResponseTo")
			a.Value = strings.ToUpper(a.Value)
		}), "response-in-response-to"},
		{"InResponseTo twice in one attribute", envelope(func(r *etree.Element) {
			a := r.SelectAttr("InResponseTo")
			a.Value += " " + a.Value
		}), "response-in-response-to"},
		{"conditions that end before they begin", edit(func(a *etree.Element) { // within what clocks may differ
			at(a, "./Conditions").CreateAttr("NotBefore", stamp(now.Add(2*time.Minute)))
			at(a, "./Conditions").CreateAttr("NotOnOrAfter", stamp(now.Add(-2*time.Minute)))
		}), "conditions-validity"},
		{"a professional's name where a person was asked, with the person's CPR", edit(func(a *etree.Element) {
			n := at(a, "./Subject/NameID")
			n.SetText(strings.Replace(n.Text(), "person/uuid", "professional/uuid", 1))
		}), "identity-type"},
		{"a name of a person in other letters", text("./Subject/NameID", func(s string) string { return strings.Replace(s, "person/uuid", "Person/uuid", 1) }), "name-id"},
		{"a name before a person's", text("./Subject/NameID", func(s string) string { return "x" + s }), "name-id"},
		{"two names in one", text("./Subject/NameID", func(s string) string { return s + " " + s }), "name-id"},
	}
	for _, v := range []string{
		"٦٥٠٣٨٥١٢٣٦", "\uff16\uff15\uff10\uff13\uff18\uff15\uff11\uff12\uff13\uff16", "650385\u200b1236", "6503851236\n", "\u00a06503851236", "+650385123", "65038512e6", "0x50385123", "650385 1236", "-503851236", "6503851236\u0301",
	} {
		list = append(list, attack{"CPR " + v, value("cprNumber", v), "cpr"})
	}
	return list
}

func TestAnAnswerForOrOfSomebodyElseIsRefused(t *testing.T) {
	for _, a := range strangerAttacks(testNow) {
		t.Run(a.name, func(t *testing.T) {
			w := newWorld(t)
			rec := w.acs(w.choose(w.begin(""), "nancy", a.bend))
			w.rejected(rec, a.reason)
			w.audited(a.reason)
		})
	}
}

// TestTwoPortalsTakeAnAnswerOnce: several processes of one portal share a database. Whichever of them the
// browser comes to, an answer makes one session, also when all get it at the same moment.
func TestTwoPortalsTakeAnAnswerOnce(t *testing.T) {
	w := newWorld(t)
	w.conf.OnFault = func(rw http.ResponseWriter, _ *http.Request, f *post.Fault, _ string) { // by several at once
		rw.WriteHeader(f.Status)
		_, _ = io.WriteString(rw, f.Code)
	}
	w.rebuild()
	other, err := nemlogin.New(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	both := []*nemlogin.SP{w.sp, other}
	form := w.choose(w.begin(""), "nancy", tweak{})
	cookie := w.jar["__Host-login"]
	answers := make([]*httptest.ResponseRecorder, 4) // a pending log-in meets five
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = visit(both[i%2].Handler(), postForm(portal+nemlogin.PathACS, form), map[string]string{"__Host-login": cookie})
		})
	}
	wg.Wait()
	in := 0
	for _, a := range answers {
		if a.Code == 303 {
			in++
		}
	}
	if in != 1 || w.store.Sessions() != 1 {
		t.Fatalf("%d were told that they are logged in, %d sessions", in, w.store.Sessions())
	}
	// Later it is no good to the browser that has a log-in of its own under way either, at neither of them.
	for _, sp := range both {
		w.clear()
		w.begin("")
		if rec := visit(sp.Handler(), postForm(portal+nemlogin.PathACS, form), w.jar); rec.Body.String() != post.FaultLoginMixedUp.Code || w.store.Sessions() != 1 {
			t.Errorf("an answer used once: %d", rec.Code)
		}
	}
}

// TestNobodyIsLoggedInAsTheOneWhoSentTheLink: an attacker has an answer for his own log-in posted by
// somebody else's browser, which would write to the authority in his name: without a log-in under way, with
// one of its own, and with the RelayState of either.
func TestNobodyIsLoggedInAsTheOneWhoSentTheLink(t *testing.T) {
	for _, begun := range []bool{false, true} {
		for _, relay := range []string{"", "own"} {
			w := newWorld(t)
			theirs := w.choose(w.begin(""), "poul", tweak{})
			w.clear() // the victim's browser
			if begun {
				own := w.begin("?return=/ny")
				if relay != "" {
					theirs.Set("RelayState", w.choose(own, "nancy", tweak{}).Get("RelayState"))
				}
			}
			rec := w.acs(theirs)
			if rec.Code < 400 || w.fault != post.FaultLoginMixedUp || w.store.Sessions() != 0 || w.jar["__Host-session"] != "" {
				t.Errorf("with a log-in under way: %v: %d, %d sessions", begun, rec.Code, w.store.Sessions())
			}
			if !begun {
				continue
			}
			// Nor does it spoil the victim's own.
			if rec := w.login("", "nancy", tweak{}); rec.Code != 303 {
				t.Errorf("the victim's own log-in: %d", rec.Code)
			}
		}
	}
}
