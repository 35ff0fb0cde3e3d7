package nemlogintest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"

	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// SAML names.
const (
	nsProtocol       = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion      = "urn:oasis:names:tc:SAML:2.0:assertion"
	statusPrefix     = "urn:oasis:names:tc:SAML:2.0:status:"
	formatPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	formatURI        = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	dataGov          = "https://data.gov.dk/"

	timeForm = "2006-01-02T15:04:05.000Z"
	lifetime = 5 * time.Minute // of an assertion
)

// Request is an AuthnRequest that passed every check.
type Request struct {
	ID    string
	SP    SP
	Relay string
	Level string // Low, Substantial, High, or ""
	Kind  string // Person, Professional, or ""
	Force bool
}

// Tweak bends one answer. Each hook, when set, sees the answer at one moment of
// its making and may change anything.
type Tweak struct {
	Assertion  func(*etree.Element) // before it is signed
	Signed     func(*etree.Element) // signed; its bytes are still XML
	Plaintext  func([]byte) []byte  // what gets encrypted
	Ciphertext func([]byte) []byte  // nonce, ciphertext and tag
	Response   func(*etree.Element) // the whole, before it is written
	Message    func([]byte) []byte  // the written bytes
	Key        crypto.Signer        // signs instead of the provider's key
	Cert       *x509.Certificate    // goes into KeyInfo instead
	Unsigned   bool                 // leaves the assertion without signature
	Plain      bool                 // leaves the assertion in clear
	SignWhole  bool                 // signs the Response too
	Encryption Encryption           // zero: what the metadata asks for
	Status     [2]string            // a failure instead of an assertion: code and sub-code
	AuthnAt    time.Time            // when the person authenticated; zero means now
}

// Answer makes the Response to req for who. session is the SessionIndex.
func (i *IDP) Answer(req Request, who persona.Persona, session string, t Tweak) ([]byte, error) {
	now := i.c.Now().UTC()
	doc := etree.NewDocument()
	r := doc.CreateElement("samlp:Response")
	r.CreateAttr("xmlns:samlp", nsProtocol)
	r.CreateAttr("xmlns:saml", nsAssertion)
	r.CreateAttr("ID", newID())
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", now.Format(timeForm))
	r.CreateAttr("Destination", req.SP.ACS)
	r.CreateAttr("InResponseTo", req.ID)
	r.CreateElement("saml:Issuer").SetText(i.c.EntityID)
	code := r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode")
	if t.Status[0] != "" {
		code.CreateAttr("Value", statusPrefix+t.Status[0])
		if t.Status[1] != "" {
			code.CreateElement("samlp:StatusCode").CreateAttr("Value", statusPrefix+t.Status[1])
		}
	} else {
		code.CreateAttr("Value", statusPrefix+"Success")
		a, err := i.signedAssertion(req, who, session, now, t)
		if err != nil {
			return nil, err
		}
		if err := i.enclose(r, a, req.SP, t); err != nil {
			return nil, err
		}
	}
	if t.SignWhole {
		if err := i.sign(r, t); err != nil {
			return nil, err
		}
	}
	if t.Response != nil {
		t.Response(r)
	}
	out, err := doc.WriteToBytes()
	if err == nil && t.Message != nil {
		out = t.Message(out)
	}
	return out, err
}

func (i *IDP) signedAssertion(req Request, who persona.Persona, session string, now time.Time, t Tweak) (*etree.Element, error) {
	a := i.assertion(req, who, session, now, t)
	if t.Assertion != nil {
		t.Assertion(a)
	}
	if !t.Unsigned {
		if err := i.sign(a, t); err != nil {
			return nil, err
		}
	}
	if t.Signed != nil {
		t.Signed(a)
	}
	return a, nil
}

// sign puts the Signature where the SAML schema wants it: after Issuer.
func (i *IDP) sign(el *etree.Element, t Tweak) error {
	key, cert := i.c.Key, i.c.Cert
	if t.Key != nil {
		key = t.Key
	}
	if t.Cert != nil {
		cert = t.Cert
	}
	id, _ := xmldsig.Attr(el, "ID")
	if err := xmldsig.Sign(el, id, key, cert.Raw); err != nil {
		return fmt.Errorf("sign answer: %w", err)
	}
	sig := el.RemoveChildAt(0)
	el.InsertChildAt(min(1, len(el.Child)), sig)
	return nil
}

// enclose puts the assertion into the response, encrypted unless t says not to.
func (i *IDP) enclose(r, a *etree.Element, sp SP, t Tweak) error {
	if t.Plain {
		r.AddChild(a)
		return nil
	}
	d := etree.NewDocumentWithRoot(a.Copy())
	plain, err := d.WriteToBytes()
	if err != nil {
		return err
	}
	if t.Plaintext != nil {
		plain = t.Plaintext(plain)
	}
	key, ok := sp.Encryption.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("encrypt answer: the key is not RSA")
	}
	e, err := Encrypt(plain, key, t.Encryption.orFrom(sp.Methods), t.Ciphertext)
	if err != nil {
		return fmt.Errorf("encrypt answer: %w", err)
	}
	r.AddChild(e)
	return nil
}

func (i *IDP) assertion(req Request, who persona.Persona, session string, now time.Time, t Tweak) *etree.Element {
	a := etree.NewElement("saml:Assertion")
	a.CreateAttr("xmlns:saml", nsAssertion)
	a.CreateAttr("ID", newID())
	a.CreateAttr("Version", "2.0")
	a.CreateAttr("IssueInstant", now.Format(timeForm))
	a.CreateElement("saml:Issuer").SetText(i.c.EntityID)

	subject := a.CreateElement("saml:Subject")
	n := subject.CreateElement("saml:NameID")
	n.CreateAttr("Format", formatPersistent)
	n.CreateAttr("SPNameQualifier", req.SP.EntityID)
	n.SetText(nameOf(who))
	sc := subject.CreateElement("saml:SubjectConfirmation")
	sc.CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
	d := sc.CreateElement("saml:SubjectConfirmationData")
	d.CreateAttr("InResponseTo", req.ID)
	d.CreateAttr("NotOnOrAfter", now.Add(lifetime).Format(timeForm))
	d.CreateAttr("Recipient", req.SP.ACS)

	c := a.CreateElement("saml:Conditions")
	c.CreateAttr("NotBefore", now.Format(timeForm))
	c.CreateAttr("NotOnOrAfter", now.Add(lifetime).Format(timeForm))
	c.CreateElement("saml:AudienceRestriction").CreateElement("saml:Audience").SetText(req.SP.EntityID)

	at := now
	if !t.AuthnAt.IsZero() {
		at = t.AuthnAt.UTC()
	}
	s := a.CreateElement("saml:AuthnStatement")
	s.CreateAttr("AuthnInstant", at.Format(timeForm))
	s.CreateAttr("SessionIndex", session)
	s.CreateElement("saml:AuthnContext").CreateElement("saml:AuthnContextClassRef").
		SetText("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
	attributes(a.CreateElement("saml:AttributeStatement"), who)
	return a
}

func nameOf(who persona.Persona) string {
	if who.CVR != "" {
		return dataGov + "model/core/eid/professional/uuid/" + who.UUID
	}
	return dataGov + "model/core/eid/person/uuid/" + who.UUID
}

func attributes(s *etree.Element, who persona.Persona) {
	s.CreateAttr("xmlns:xs", "http://www.w3.org/2001/XMLSchema")
	s.CreateAttr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
	first, last := who.Name, ""
	if at := strings.LastIndexByte(who.Name, ' '); at > 0 {
		first, last = who.Name[:at], who.Name[at+1:]
	}
	for _, v := range []struct{ name, value string }{
		{"model/core/specVersion", "OIO-SAML-3.0"},
		{"concept/core/nsis/loa", who.Level},
		{"concept/core/nsis/ial", who.Level},
		{"concept/core/nsis/aal", who.Level},
		{"model/core/eid/cprNumber", who.CPR},
		{"model/core/eid/fullName", who.Name},
		{"model/core/eid/firstName", first},
		{"model/core/eid/lastName", last},
		{"model/core/eid/professional/cvr", who.CVR},
		{"model/core/eid/professional/orgName", who.Org},
		{"model/core/eid/privilegesIntermediate", privileges(who)},
	} {
		if v.value == "" {
			continue
		}
		a := s.CreateElement("saml:Attribute")
		a.CreateAttr("Name", dataGov+v.name)
		a.CreateAttr("NameFormat", formatURI)
		x := a.CreateElement("saml:AttributeValue")
		x.CreateAttr("xsi:type", "xs:string")
		x.SetText(v.value)
	}
}

// newID returns a fresh xs:ID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return "_" + hex.EncodeToString(b[:])
}
