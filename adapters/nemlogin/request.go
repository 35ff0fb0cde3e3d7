package nemlogin

import (
	"context"
	"fmt"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"sikkerpost.dk/gateway/internal/inbound/login"
)

// Class references of OIOSAML 3.
const (
	classLevel        = "https://data.gov.dk/concept/core/nsis/loa/"
	classPerson       = "https://data.gov.dk/eid/Person"
	classProfessional = "https://data.gov.dk/eid/Professional"
)

// timeForm is xs:dateTime in UTC with milliseconds.
const timeForm = "2006-01-02T15:04:05.000Z"

// Request implements [login.Provider]: a signed AuthnRequest on the redirect
// binding. It asks for a minimum level and a kind of identity, has no
// NameIDPolicy (recommended) and names the consumer exactly as the metadata does.
func (sp *SP) Request(_ context.Context, p login.Pending) (string, error) {
	idp := sp.idp.Load()
	doc := etree.NewDocument()
	r := message(doc, "samlp:AuthnRequest", p.ID, idp.SSO, p.StartedAt)
	r.CreateAttr("ProtocolBinding", saml.HTTPPostBinding)
	r.CreateAttr("AssertionConsumerServiceURL", sp.acs)
	if p.Force {
		r.CreateAttr("ForceAuthn", "true")
	}
	r.CreateElement("saml:Issuer").SetText(sp.c.EntityID)
	c := r.CreateElement("samlp:RequestedAuthnContext")
	c.CreateAttr("Comparison", "minimum")
	c.CreateElement("saml:AuthnContextClassRef").SetText(classLevel + p.Level.String())
	kind := classPerson
	if p.Kind == login.Professional {
		kind = classProfessional
	}
	c.CreateElement("saml:AuthnContextClassRef").SetText(kind)
	b, err := doc.WriteToBytes()
	if err != nil {
		return "", fmt.Errorf("write request %s: %w", p.ID, err)
	}
	return SignRedirect(idp.SSO, SAMLRequest, b, p.RelayState, sp.c.SigningKey)
}

// message begins a protocol message.
func message(doc *etree.Document, tag, id, destination string, at time.Time) *etree.Element {
	r := doc.CreateElement(tag)
	r.CreateAttr("xmlns:samlp", nsProtocol)
	r.CreateAttr("xmlns:saml", nsAssertion)
	r.CreateAttr("ID", id)
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", at.UTC().Format(timeForm))
	r.CreateAttr("Destination", destination)
	return r
}
