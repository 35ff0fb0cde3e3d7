package samlattack

import (
	"strings"
	"time"

	"github.com/beevik/etree"
)

const other = "https://other.example"

// late and early are beyond any tolerance for clocks that the profile allows
// (three to five minutes).
const (
	late  = -(5*time.Minute + 5*time.Second)
	early = 5*time.Minute + 15*time.Second
)

// envelopeCases: the Response around a good assertion says something wrong.
func envelopeCases() []Case {
	attr := func(name, v string) Bend { return around(func(r *etree.Element) { r.CreateAttr(name, v) }) }
	none := func(name string) Bend { return around(func(r *etree.Element) { r.RemoveAttr(name) }) }
	issuer := func(v string) Bend { return around(func(r *etree.Element) { at(r, "./Issuer").SetText(v) }) }
	dest := func(f func(string) string) Bend {
		return Bend{Response: func(d *Draft, r *etree.Element) { r.CreateAttr("Destination", f(d.Target.ACS)) }}
	}
	return []Case{
		refuse("V-VER-1", "Response of version 9.9", attr("Version", "9.9")),
		refuse("V-VER-1/none", "Response without version", none("Version")),
		refuse("V-DST-1", "Destination of another service", attr("Destination", other+"/acs")),
		refuse("V-DST-2", "no Destination", none("Destination")),
		refuse("V-DST-3", "Destination with a slash more", dest(func(s string) string { return s + "/" })),
		refuse("V-DST-4", "Destination in capitals", dest(strings.ToUpper)),
		refuse("V-DST-5", "Destination with a query", dest(func(s string) string { return s + "?x=1" })),
		refuse("V-IRT-1", "InResponseTo of no request that we made", attr("InResponseTo", newID())),
		refuse("V-IRT-2", "no InResponseTo on the Response", none("InResponseTo")),
		refuse("V-IRT-8", "unsolicited: no InResponseTo anywhere", Bend{Assertion: func(_ *Draft, a *etree.Element) { at(a, scd).RemoveAttr("InResponseTo") },
			Response: func(_ *Draft, r *etree.Element) { r.RemoveAttr("InResponseTo") }}),
		refuse("V-ISS-2/wrong", "Response of another issuer", issuer(other)),
		refuse("V-ISS-2/slash", "Response issuer with a slash more", Bend{Response: func(d *Draft, r *etree.Element) {
			at(r, "./Issuer").SetText(d.Provider.EntityID + "/")
		}}),
		refuse("V-ISS-2/missing", "no Issuer on a Response with an encrypted assertion", around(func(r *etree.Element) { remove(at(r, "./Issuer")) })),
		refuse("V-ISS-2/format", "Response issuer of another format", around(func(r *etree.Element) {
			at(r, "./Issuer").CreateAttr("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")
		})),
		refuse("V-RSP-1", "an unknown element at the end of the Response", around(func(r *etree.Element) { r.CreateElement("samlp:x") })),
		refuse("V-RSP-4", "another element in the place of Status", around(func(r *etree.Element) { at(r, "./Status").Tag = "Status2" })),
		refuse("V-RSP-2", "Status before Issuer", around(func(r *etree.Element) { r.InsertChildAt(0, at(r, "./Status")) })),
		refuse("V-RSP-3", "two Issuer", around(func(r *etree.Element) { r.InsertChildAt(0, at(r, "./Issuer").Copy()) })),
	}
}

// statusCases: the provider says that nobody logged in, or says it twice.
func statusCases() []Case {
	failed := func(id, story string, codes ...string) Case { return refuse(id, story, Bend{Status: codes}) }
	success := func(f func(s *etree.Element)) Bend { return around(func(r *etree.Element) { f(at(r, "./Status")) }) }
	top := func(code, sub string) Bend {
		return success(func(s *etree.Element) {
			c := at(s, "./StatusCode")
			c.CreateAttr("Value", statusPrefix+code)
			if sub != "" {
				c.CreateElement("samlp:StatusCode").CreateAttr("Value", statusPrefix+sub)
			}
		})
	}
	return []Case{
		failed("V-STA-1", "the person cancelled", "Responder", "AuthnFailed"),
		failed("V-STA-2", "the level cannot be reached", "Responder", "NoAuthnContext"),
		failed("V-STA-3", "not without the person", "Responder", "NoPassive"),
		failed("V-STA-4", "the provider denies the request", "Requester", "RequestDenied"),
		failed("V-STA-6", "sub-codes three deep", "Responder", "AuthnFailed", "RequestDenied"),
		failed("V-STA-6/version", "another version of SAML", "VersionMismatch"),
		failed("V-STA-6/unknown", "a status that nobody knows", "Nothing"),
		refuse("V-STA-5", "a message with markup and line breaks beside a failure", Bend{Status: []string{"Responder", "RequestDenied"}, Response: func(_ *Draft, r *etree.Element) {
			at(r, "./Status").CreateElement("samlp:StatusMessage").SetText("<script>alert(1)</script>\r\nlevel=ERROR forged")
		}}),
		refuse("V-STA-7/status", "no Status", around(func(r *etree.Element) { remove(at(r, "./Status")) })),
		refuse("V-STA-7/code", "no StatusCode", success(func(s *etree.Element) { remove(at(s, "./StatusCode")) })),
		refuse("V-STA-7/value", "StatusCode without a value", success(func(s *etree.Element) { at(s, "./StatusCode").RemoveAttr("Value") })),
		refuse("V-STA-8", "Success with AuthnFailed below it", top("Success", "AuthnFailed")),
		refuse("V-STA-9/responder", "a failure that carries a genuine assertion", top("Responder", "")),
		refuse("V-STA-9/cancelled", "a cancellation that carries a genuine assertion", top("Responder", "AuthnFailed")),
		refuse("V-STA-9/context", "a level not reached that carries a genuine assertion", top("Responder", "NoAuthnContext")),
		refuse("V-STA-9/passive", "NoPassive that carries a genuine assertion", top("Responder", "NoPassive")),
		refuse("V-STA-9/requester", "a bad request that carries a genuine assertion", top("Requester", "")),
		refuse("V-STA-9/unknown", "an unknown status that carries a genuine assertion", top("Nothing", "")),
		refuse("V-STA-9/foreign", "an unknown element below Success", success(func(s *etree.Element) { at(s, "./StatusCode").CreateElement("samlp:x") })),
		refuse("G15/codes", "two StatusCode, a failure first", success(func(s *etree.Element) {
			c := at(s, "./StatusCode").Copy()
			c.CreateAttr("Value", statusPrefix+"Responder")
			s.InsertChildAt(0, c)
		})),
		refuse("G15/status", "two Status, a failure first", around(func(r *etree.Element) {
			s := at(r, "./Status")
			c := s.Copy()
			at(c, "./StatusCode").CreateAttr("Value", statusPrefix+"Responder")
			r.InsertChildAt(s.Index(), c)
		})),
	}
}

// timeCases: good, but not now.
func timeCases() []Case {
	const day = 24 * time.Hour
	odd := func(id, story string, f func(d *Draft) string) Case {
		return refuse(id, story, Bend{Assertion: func(d *Draft, a *etree.Element) { a.CreateAttr("IssueInstant", f(d)) }})
	}
	return []Case{
		refuse("V-TIM-1/outside", "expired by more than the clocks may differ", timed("./Conditions", "NotOnOrAfter", late, "NotBefore", -10*time.Minute)),
		refuse("V-TIM-2/outside", "not valid until later than the clocks may differ", timed("./Conditions", "NotBefore", early, "NotOnOrAfter", 2*early)),
		refuse("V-TIM-3/old", "assertion issued a day ago", timed(".", "IssueInstant", -day)),
		refuse("V-TIM-4", "assertion issued a day ahead", timed(".", "IssueInstant", day)),
		refuse("V-TIM-4/none", "assertion without IssueInstant", unset(".", "IssueInstant")),
		refuse("V-TIM-4/response", "Response issued a day ahead", around2(day)),
		refuse("V-TIM-3/response", "Response issued a day ago", around2(-day)),
		refuse("V-TIM-4/response-none", "Response without IssueInstant", around(func(r *etree.Element) { r.RemoveAttr("IssueInstant") })),
		odd("V-TIM-5/no-zone", "a time without zone", func(d *Draft) string { return strings.TrimSuffix(d.stamp(0), "Z") }),
		odd("V-TIM-5/blank", "a blank instead of the T", func(d *Draft) string { return strings.Replace(d.stamp(0), "T", " ", 1) }),
		odd("V-TIM-5/second-60", "second 60", func(d *Draft) string { return d.Now.UTC().Format("2006-01-02T15:04:") + "60Z" }),
		odd("V-TIM-5/comma", "a comma in the fraction", func(d *Draft) string { return strings.Replace(d.stamp(0), ".", ",", 1) }),
		odd("V-TIM-5/words", "words instead of a time", func(*Draft) string { return "now" }),
		refuse("V-TIM-6", "the provider's session ended yesterday", timed("./AuthnStatement", "SessionNotOnOrAfter", -day)),
		refuse("V-TIM-6/words", "the provider's session ends in words", set("./AuthnStatement", "SessionNotOnOrAfter", "later")),
		refuse("G22", "valid for ten years", timed("./Conditions", "NotOnOrAfter", 3650*day)),
		refuse("V-CND-3", "Conditions without end", unset("./Conditions", "NotOnOrAfter")),
		refuse("V-CND-3/begin", "Conditions without begin", unset("./Conditions", "NotBefore")),
		refuse("V-AUI-1", "authenticated tomorrow", timed("./AuthnStatement", "AuthnInstant", day)),
		refuse("V-AUI-1/none", "no AuthnInstant", unset("./AuthnStatement", "AuthnInstant")),
		fresh("V-FRC-1", "a fresh log-in was asked, the person authenticated two hours ago", timed("./AuthnStatement", "AuthnInstant", -2*time.Hour)),
	}
}

func fresh(id, story string, b Bend) Case {
	c := refuse(id, story, b)
	c.Start = Fresh
	return c
}

// around2 moves the Response in time.
func around2(by time.Duration) Bend {
	return Bend{Response: func(d *Draft, r *etree.Element) { r.CreateAttr("IssueInstant", d.stamp(by)) }}
}

// subjectCases: who is meant, and by whom it may be shown.
func subjectCases() []Case {
	const sc = "./Subject/SubjectConfirmation"
	return []Case{
		refuse("V-SUB-1", "no Subject", drop("./Subject")),
		refuse("V-SUB-1/renamed", "another element in the place of Subject", edit(func(a *etree.Element) { at(a, "./Subject").Tag = "Subject2" })),
		refuse("V-SUB-2", "no NameID", drop("./Subject/NameID")),
		refuse("V-SUB-2/two", "two NameID", double("./Subject/NameID")),
		refuse("V-SUB-5", "another element in the place of NameID", edit(func(a *etree.Element) { at(a, "./Subject/NameID").Tag = "NameID2" })),
		refuse("V-SUB-3", "EncryptedID instead of NameID", edit(func(a *etree.Element) {
			n := at(a, "./Subject/NameID")
			n.Tag = "EncryptedID"
			n.SetText("")
		})),
		refuse("V-SUB-4", "a BaseID beside the confirmation", edit(func(a *etree.Element) { at(a, "./Subject").CreateElement("saml:BaseID") })),
		refuse("V-SCM-1", "no SubjectConfirmation", drop(sc)),
		refuse("V-SCM-2", "holder-of-key only", set(sc, "Method", confirmPrefix+"holder-of-key")),
		refuse("V-SCM-3", "sender-vouches only", set(sc, "Method", confirmPrefix+"sender-vouches")),
		refuse("V-SCM-3/none", "a confirmation without method", unset(sc, "Method")),
		refuse("V-SCM-8", "two bearer confirmations, both for us", double(sc)),
		refuse("V-SCM-7", "no SubjectConfirmationData", drop(scd)),
		refuse("V-SCM-7/two", "two SubjectConfirmationData", double(scd)),
		refuse("V-SCM-5", "the confirmation begins tomorrow", timed(scd, "NotBefore", 24*time.Hour)),
		refuse("V-SCM-6/missing", "the confirmation has no end", unset(scd, "NotOnOrAfter")),
		refuse("V-SCM-6/past", "the confirmation ended", timed(scd, "NotOnOrAfter", late)),
		refuse("V-RCP-1", "Recipient of another service", set(scd, "Recipient", other+"/acs")),
		refuse("V-RCP-2", "no Recipient", unset(scd, "Recipient")),
		refuse("V-IRT-3", "no InResponseTo in the confirmation", unset(scd, "InResponseTo")),
		refuse("V-IRT-4", "another InResponseTo in the confirmation", set(scd, "InResponseTo", "_other")),
		refuse("V-VER-2", "assertion of version 1.1", set(".", "Version", "1.1")),
		refuse("V-ISS-1", "assertion of another issuer", text("./Issuer", other)),
		refuse("V-ISS-1/slash", "assertion issuer with a slash more", Bend{Assertion: func(d *Draft, a *etree.Element) { at(a, "./Issuer").SetText(d.Provider.EntityID + "/") }}),
		refuse("V-ISS-1/space", "assertion issuer with a blank more", Bend{Assertion: func(d *Draft, a *etree.Element) { at(a, "./Issuer").SetText(" " + d.Provider.EntityID) }}),
		refuse("V-ISS-3", "assertion issuer of another format", set("./Issuer", "Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")),
	}
}

// conditionCases: for whom, and under what condition.
func conditionCases() []Case {
	return []Case{
		refuse("V-CND-1", "no Conditions", drop("./Conditions")),
		refuse("V-CND-1/renamed", "another element in the place of Conditions", edit(func(a *etree.Element) { at(a, "./Conditions").Tag = "Conditions2" })),
		refuse("V-CND-2", "a condition that nobody knows", edit(func(a *etree.Element) { at(a, "./Conditions").CreateElement("saml:Condition") })),
		refuse("V-CND-2/foreign", "a condition of another namespace", edit(func(a *etree.Element) {
			at(a, "./Conditions").CreateElement("x:OneTimeUse").CreateAttr("xmlns:x", "urn:x")
		})),
		refuse("V-AUD-1", "for another service", text("./Conditions/AudienceRestriction/Audience", other)),
		refuse("V-AUD-1/slash", "for us with a slash more", Bend{Assertion: func(d *Draft, a *etree.Element) {
			at(a, "./Conditions/AudienceRestriction/Audience").SetText(d.Target.EntityID + "/")
		}}),
		refuse("V-AUD-1/empty", "a restriction without audience", drop("./Conditions/AudienceRestriction/Audience")),
		refuse("V-AUD-2", "no AudienceRestriction", drop("./Conditions/AudienceRestriction")),
		refuse("V-AUD-5", "two restrictions, the second for another service", edit(func(a *etree.Element) {
			c := at(a, "./Conditions/AudienceRestriction").Copy()
			at(c, "./Audience").SetText(other)
			at(a, "./Conditions").AddChild(c)
		})),
		refuse("V-AUD-5/first", "two restrictions, the first for another service", edit(func(a *etree.Element) {
			r := at(a, "./Conditions/AudienceRestriction")
			c := r.Copy()
			at(c, "./Audience").SetText(other)
			at(a, "./Conditions").InsertChildAt(r.Index(), c)
		})),
	}
}
