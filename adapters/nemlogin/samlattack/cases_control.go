package samlattack

import (
	"crypto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const (
	nsXS  = "http://www.w3.org/2001/XMLSchema"
	nsXSI = "http://www.w3.org/2001/XMLSchema-instance"
	scd   = "./Subject/SubjectConfirmation/SubjectConfirmationData"
)

// controls are genuine answers in every form that identity providers send. A
// service that refuses one proves nothing by refusing the rest.
func controls() []Case {
	professional := accept("V-OK-2", "a genuine log-in of an employee", Bend{})
	professional.Start = AsProfessional
	high := accept("V-LOA-2/high-asked", "High was asked and reached", Bend{})
	high.Start = AtHigh
	fresh := accept("V-FRC-1/fresh", "a fresh log-in was asked and made", Bend{})
	fresh.Start = Fresh
	second := accept("V-SIG-8", "signed with the second key of the metadata, its certificate in KeyInfo",
		Bend{By: func(d *Draft) Pair { return *d.Provider.Second }})
	second.Second = true
	silent := accept("V-SIG-9", "signed with the second key of the metadata, no KeyInfo",
		Bend{By: func(d *Draft) Pair { return *d.Provider.Second }, Signed: func(_ *Draft, a *etree.Element) { remove(at(a, "./Signature/KeyInfo")) }})
	silent.Second = true
	previous := accept("V-ENC-9/previous", "encrypted for the second encryption key of the service",
		Bend{Encryption: func(d *Draft) Encryption { return Encryption{To: d.Target.Encryption[1]} }})
	previous.Roll = true
	list := []Case{
		accept("V-OK-1", "a genuine log-in: assertion signed, then encrypted", Bend{}),
		professional, high, fresh, second, silent, previous,
		accept("V-OK-3", "an attribute with several values in Danish letters, composed and decomposed", edit(func(a *etree.Element) {
			addAttribute(at(a, "./AttributeStatement"), dataGov+"model/core/eid/alias", "Ærø Åse Økær", "A\u030ase", "R & D <x> \"y\"")
		})),
		accept("V-OK-4", "Response and assertion signed, both well", Bend{SignWhole: true}),
		accept("V-OK-5", "no prefix: SAML is the default namespace", edit(unprefix)),
		accept("V-OK-6", "values typed with xsi:type", edit(func(a *etree.Element) {
			s := at(a, "./AttributeStatement")
			s.CreateAttr("xmlns:xs", nsXS)
			s.CreateAttr("xmlns:xsi", nsXSI)
			for _, v := range s.FindElements("./Attribute/AttributeValue") {
				v.CreateAttr("xsi:type", "xs:string")
			}
		})),
		accept("V-OK-7", "line breaks and indentation between elements", edit(func(a *etree.Element) { indent(a, 1) })),
		accept("G07", "no KeyInfo, one trusted key", forge(func(a *etree.Element) { remove(at(a, "./Signature/KeyInfo")) })),
		accept("V-SIG-10/trusted", "KeyInfo holds the trusted key as KeyValue only", forge(func(a *etree.Element) { keyValue(at(a, "./Signature/KeyInfo")) })),
		accept("V-SIG-11", "KeyInfo with two certificates, the first trusted", Bend{Signed: func(_ *Draft, a *etree.Element) {
			x := at(a, "./Signature/KeyInfo/X509Data")
			x.CreateElement("ds:X509Certificate").SetText(base64Cert(stranger()))
		}}),
		accept("V-SIG-21", "line breaks inside SignatureValue and DigestValue", forge(func(a *etree.Element) {
			for _, path := range []string{"./Signature/SignatureValue", "./Signature/KeyInfo/X509Data/X509Certificate"} {
				e := at(a, path)
				e.SetText("\n  " + wrapText(e.Text(), 64) + "\n")
			}
		})),
		accept("V-SIG-24/unused", "an unused namespace on the assertion", edit(func(a *etree.Element) { a.CreateAttr("xmlns:unused", "urn:unused") })),
		accept("V-SIG-26/sha384", "rsa-sha384 with a SHA-384 digest", hashes(crypto.SHA384, rsaSHA384, digSHA384)),
		accept("V-SIG-26/sha512", "rsa-sha512 with a SHA-512 digest", hashes(crypto.SHA512, rsaSHA512, digSHA512)),
	}
	return slices.Concat(list, genuineStatements(), encryptionControls())
}

// genuineStatements say what a strict service believes.
func genuineStatements() []Case {
	return []Case{
		accept("V-SCM-4", "holder-of-key for another party first, bearer for us second", edit(func(a *etree.Element) {
			c := at(a, "./Subject/SubjectConfirmation").Copy()
			c.CreateAttr("Method", confirmPrefix+"holder-of-key")
			at(c, "./SubjectConfirmationData").CreateAttr("Recipient", "https://other.example/acs")
			at(a, "./Subject").InsertChildAt(1, c)
		})),
		accept("V-AUD-3", "one restriction names another service, then us", edit(func(a *etree.Element) { audience(a, 0) })),
		accept("V-AUD-4", "one restriction names us, then another service", edit(func(a *etree.Element) { audience(a, 1) })),
		accept("V-CND-4", "OneTimeUse on an assertion that is used once", edit(func(a *etree.Element) { at(a, "./Conditions").CreateElement("saml:OneTimeUse") })),
		accept("V-TIM-1/inside", "expired, but less than the clocks may differ", timed("./Conditions", "NotOnOrAfter", -170*time.Second, "NotBefore", -8*time.Minute)),
		accept("V-TIM-2/inside", "not yet valid, but less than the clocks may differ", timed("./Conditions", "NotBefore", 170*time.Second)),
		accept("V-TIM-3/88s", "issued 88 seconds ago", timed(".", "IssueInstant", -88*time.Second)),
		accept("V-TIM-3/92s", "issued 92 seconds ago", timed(".", "IssueInstant", -92*time.Second)),
		accept("V-TIM-5/zone", "a zone offset and a fraction of a second", Bend{Assertion: func(d *Draft, a *etree.Element) {
			zone := time.FixedZone("", 3600)
			a.CreateAttr("IssueInstant", d.Now.In(zone).Format("2006-01-02T15:04:05.1234567-07:00"))
		}}),
		accept("V-TIM-6/future", "the provider's session ends in an hour", timed("./AuthnStatement", "SessionNotOnOrAfter", time.Hour)),
		accept("V-SCM-5/past", "NotBefore of the confirmation is past", timed(scd, "NotBefore", -time.Second)),
		accept("V-LOA-2", "Substantial was asked and High reached", value("loa", "High")),
		accept("V-ATT-1", "attributes that the service does not know", edit(func(a *etree.Element) {
			s := at(a, "./AttributeStatement")
			addAttribute(s, eid+"cprUuid", "urn:uuid:"+goodUUID)
			addAttribute(s, eid+"dateOfBirth", "1985-03-05")
			addAttribute(s, eid+"email", "a@example.test", "b@example.test")
		})),
		accept("V-NID-4", "a transient name", edit(func(a *etree.Element) {
			n := at(a, "./Subject/NameID")
			n.CreateAttr("Format", strings.Replace(persistent, "persistent", "transient", 1))
			n.SetText(newID())
		})),
		accept("V-XML-13/lines", "base64 broken into lines, as old providers do", Bend{Form: func(_ *Draft, v url.Values) {
			v.Set("SAMLResponse", wrapText(v.Get("SAMLResponse"), 76))
		}}),
		accept("V-XML-15", "an XML declaration of UTF-8", Bend{Message: func(_ *Draft, b []byte) []byte {
			return append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"), b...)
		}}),
	}
}

func hashes(hash crypto.Hash, method, digestMethod string) Bend {
	return info(hash, func(_ *Draft, a, info *etree.Element) {
		at(info, "./SignatureMethod").CreateAttr("Algorithm", method)
		at(info, "./Reference/DigestMethod").CreateAttr("Algorithm", digestMethod)
		at(info, "./Reference/DigestValue").SetText(digest(a, hash, form{}))
	})
}

// audience puts another service into the only restriction, at index.
func audience(a *etree.Element, index int) {
	other := etree.NewElement("saml:Audience")
	other.SetText("https://other.example/saml")
	at(a, "./Conditions/AudienceRestriction").InsertChildAt(index, other)
}

// timed sets times relative to now.
func timed(path string, pairs ...any) Bend {
	return Bend{Assertion: func(d *Draft, a *etree.Element) {
		for i := 0; i+1 < len(pairs); i += 2 {
			at(a, path).CreateAttr(pairs[i].(string), d.stamp(pairs[i+1].(time.Duration)))
		}
	}}
}

// unprefix makes SAML the default namespace of a.
func unprefix(a *etree.Element) {
	if a.Space == "saml" {
		a.Space = ""
	}
	for i := range a.Attr {
		if a.Attr[i].Space == "xmlns" && a.Attr[i].Key == "saml" {
			a.Attr[i].Space, a.Attr[i].Key = "", "xmlns"
		}
	}
	for _, c := range a.ChildElements() {
		unprefix(c)
	}
}

// indent puts white space where no text is.
func indent(el *etree.Element, depth int) {
	c := el.ChildElements()
	if len(c) == 0 {
		return
	}
	for i, e := range c {
		indent(e, depth+1)
		el.InsertChildAt(2*i, etree.NewText("\n"+strings.Repeat("  ", depth)))
	}
	el.AddChild(etree.NewText("\n" + strings.Repeat("  ", depth-1)))
}

func wrapText(s string, width int) string {
	var b strings.Builder
	for len(s) > width {
		b.WriteString(s[:width] + "\r\n")
		s = s[width:]
	}
	return b.String() + s
}
