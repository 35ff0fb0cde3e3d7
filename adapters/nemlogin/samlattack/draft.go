package samlattack

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// SAML names.
const (
	nsProtocol    = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion   = "urn:oasis:names:tc:SAML:2.0:assertion"
	statusPrefix  = "urn:oasis:names:tc:SAML:2.0:status:"
	persistent    = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	attributeURI  = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	confirmPrefix = "urn:oasis:names:tc:SAML:2.0:cm:"
	dataGov       = "https://data.gov.dk/"
	eid           = dataGov + "model/core/eid/"
	timeForm      = "2006-01-02T15:04:05.000Z"
	lifetime      = 5 * time.Minute
)

// The person that genuine answers are about, and the one that an attacker would
// like to be. Nobody has these numbers: a birthday has no day 65 or 66.
const (
	goodName, goodCPR = "Nancy Ann Berggren", "6503851236"
	goodUUID          = "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a01"
	evilName, evilCPR = "Tove Marie Agerskov", "6607551192"
	evilUUID          = "0f1c6a3e-58a4-4c0e-9a5c-2f9d5d7b1a12"
	goodCVR, goodOrg  = "11223491", "Bech Tagdækning ApS"
)

// Draft is one answer in the making.
type Draft struct {
	Target   Target
	Provider Provider
	Login    Login
	Now      time.Time
}

// Bend changes an answer at the moments of its making; a hook left nil changes
// nothing. Each sees the answer as it then stands.
type Bend struct {
	Assertion   func(d *Draft, a *etree.Element) // before it is signed: a signed lie
	By          func(d *Draft) Pair              // who signs instead of the provider
	Unsigned    bool                             // leaves the assertion without signature
	Signed      func(d *Draft, a *etree.Element) // after it was signed
	Plaintext   func(d *Draft, b []byte) []byte  // what gets encrypted
	Encryption  func(d *Draft) Encryption        // how
	Plain       bool                             // leaves the assertion in clear
	Status      []string                         // a failure instead of an assertion: code and sub-codes
	SignWhole   bool                             // signs the Response too
	WholeBefore func(d *Draft, r *etree.Element) // the Response, before it is signed
	Response    func(d *Draft, r *etree.Element) // the Response, last
	Message     func(d *Draft, b []byte) []byte  // the written bytes
	Form        func(d *Draft, v url.Values)     // the fields of the form
	Request     func(d *Draft, r *http.Request)  // the whole POST
}

// Answer returns the XML of a Response to d's request, bent by b.
func (d *Draft) Answer(b Bend) []byte {
	doc := etree.NewDocument()
	r := doc.CreateElement("samlp:Response")
	r.CreateAttr("xmlns:samlp", nsProtocol)
	r.CreateAttr("xmlns:saml", nsAssertion)
	r.CreateAttr("ID", newID())
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", d.stamp(0))
	r.CreateAttr("Destination", d.Target.ACS)
	r.CreateAttr("InResponseTo", d.Login.RequestID)
	r.CreateElement("saml:Issuer").SetText(d.Provider.EntityID)
	code := r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode")
	if len(b.Status) > 0 {
		for i, s := range b.Status {
			if i > 0 {
				code = code.CreateElement("samlp:StatusCode")
			}
			code.CreateAttr("Value", statusPrefix+s)
		}
	} else {
		code.CreateAttr("Value", statusPrefix+"Success")
		r.AddChild(d.enclose(d.assertion(b), b))
	}
	if b.WholeBefore != nil {
		b.WholeBefore(d, r)
	}
	if b.SignWhole {
		sign(r, d.Provider.Pair)
	}
	if b.Response != nil {
		b.Response(d, r)
	}
	out := write(r)
	if b.Message != nil {
		out = b.Message(d, out)
	}
	return out
}

func (d *Draft) assertion(b Bend) *etree.Element {
	a := d.golden()
	if b.Assertion != nil {
		b.Assertion(d, a)
	}
	if !b.Unsigned {
		by := d.Provider.Pair
		if b.By != nil {
			by = b.By(d)
		}
		sign(a, by)
	}
	if b.Signed != nil {
		b.Signed(d, a)
	}
	return a
}

func (d *Draft) enclose(a *etree.Element, b Bend) *etree.Element {
	if b.Plain {
		return a
	}
	plain := write(a)
	if b.Plaintext != nil {
		plain = b.Plaintext(d, plain)
	}
	var e Encryption
	if b.Encryption != nil {
		e = b.Encryption(d)
	}
	return encrypt(plain, d.Target.Encryption[0], e)
}

// golden is the assertion that a strict service accepts.
func (d *Draft) golden() *etree.Element {
	a := etree.NewElement("saml:Assertion")
	a.CreateAttr("xmlns:saml", nsAssertion)
	a.CreateAttr("ID", newID())
	a.CreateAttr("Version", "2.0")
	a.CreateAttr("IssueInstant", d.stamp(0))
	a.CreateElement("saml:Issuer").SetText(d.Provider.EntityID)
	subject := a.CreateElement("saml:Subject")
	n := subject.CreateElement("saml:NameID")
	n.CreateAttr("Format", persistent)
	n.CreateAttr("SPNameQualifier", d.Target.EntityID)
	kind := "person"
	if d.Login.Start == AsProfessional {
		kind = "professional"
	}
	n.SetText(eid + kind + "/uuid/" + goodUUID)
	sc := subject.CreateElement("saml:SubjectConfirmation")
	sc.CreateAttr("Method", confirmPrefix+"bearer")
	scd := sc.CreateElement("saml:SubjectConfirmationData")
	scd.CreateAttr("InResponseTo", d.Login.RequestID)
	scd.CreateAttr("NotOnOrAfter", d.stamp(lifetime))
	scd.CreateAttr("Recipient", d.Target.ACS)
	c := a.CreateElement("saml:Conditions")
	c.CreateAttr("NotBefore", d.stamp(0))
	c.CreateAttr("NotOnOrAfter", d.stamp(lifetime))
	c.CreateElement("saml:AudienceRestriction").CreateElement("saml:Audience").SetText(d.Target.EntityID)
	s := a.CreateElement("saml:AuthnStatement")
	s.CreateAttr("AuthnInstant", d.stamp(0))
	s.CreateAttr("SessionIndex", newID())
	s.CreateElement("saml:AuthnContext").CreateElement("saml:AuthnContextClassRef").
		SetText("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
	d.attributes(a.CreateElement("saml:AttributeStatement"))
	return a
}

func (d *Draft) attributes(s *etree.Element) {
	level := "Substantial"
	if d.Login.Start == AtHigh {
		level = "High"
	}
	first, last := goodName[:strings.LastIndexByte(goodName, ' ')], goodName[strings.LastIndexByte(goodName, ' ')+1:]
	list := [][2]string{
		{"model/core/specVersion", "OIO-SAML-3.0"}, {"concept/core/nsis/loa", level},
		{"concept/core/nsis/ial", level}, {"concept/core/nsis/aal", level},
		{"model/core/eid/cprNumber", goodCPR}, {"model/core/eid/fullName", goodName},
		{"model/core/eid/firstName", first}, {"model/core/eid/lastName", last},
	}
	if d.Login.Start == AsProfessional {
		list = append(list, [2]string{"model/core/eid/professional/cvr", goodCVR},
			[2]string{"model/core/eid/professional/orgName", goodOrg})
		if d.Target.Role != "" {
			list = append(list, [2]string{"model/core/eid/privilegesIntermediate", privileges(goodCVR, d.Target.Role)})
		}
	}
	for _, v := range list {
		addAttribute(s, dataGov+v[0], v[1])
	}
}

// privileges is a list of OIO BPP that gives role for the company cvr.
func privileges(cvr, role string) string {
	return base64.StdEncoding.EncodeToString([]byte(`<?xml version="1.0" encoding="UTF-8"?>` +
		`<bpp:PrivilegeList xmlns:bpp="http://digst.dk/oiosaml/basic_privilege_profile">` +
		`<PrivilegeGroup Scope="urn:dk:gov:saml:cvrNumberIdentifier:` + cvr + `"><Privilege>` + role + `</Privilege></PrivilegeGroup>` +
		`</bpp:PrivilegeList>`))
}

func addAttribute(s *etree.Element, name string, values ...string) *etree.Element {
	a := s.CreateElement("saml:Attribute")
	a.CreateAttr("Name", name)
	a.CreateAttr("NameFormat", attributeURI)
	for _, v := range values {
		a.CreateElement("saml:AttributeValue").SetText(v)
	}
	return a
}

// stamp is the moment after (or before) now, as an xs:dateTime.
func (d *Draft) stamp(after time.Duration) string { return d.Now.Add(after).UTC().Format(timeForm) }

// form is the POST of message.
func (d *Draft) form(message []byte) url.Values {
	v := url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(message)}}
	if d.Login.RelayState != "" {
		v.Set("RelayState", d.Login.RelayState)
	}
	return v
}

func write(el *etree.Element) []byte {
	var b bytes.Buffer
	doc := etree.NewDocumentWithRoot(el.Copy())
	doc.WriteSettings.CanonicalText = true
	doc.WriteSettings.CanonicalAttrVal = true
	if _, err := doc.WriteTo(&b); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// newID returns a fresh xs:ID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return "_" + hex.EncodeToString(b[:])
}
