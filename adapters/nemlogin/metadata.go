package nemlogin

import (
	"crypto/x509"
	"encoding/base64"
	"slices"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"sikkerpost.dk/gateway/internal/xmldsig"
)

// Namespaces and constants of SAML 2.0.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsEnc       = "http://www.w3.org/2001/04/xmlenc#"

	nameFormatURI    = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	formatPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	formatTransient  = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	formatEntity     = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
	methodBearer     = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // a name of SAML, no credential
	statusPrefix     = "urn:oasis:names:tc:SAML:2.0:status:"
)

type attribute struct {
	name     string
	required bool
}

// requested are the attributes that we ask for, and no others (data
// minimization). NemLog-in gives cprNumber to public authorities only.
var requested = []attribute{
	{attrSpecVersion, true}, {attrLevel, true}, {attrCPR, true}, {attrFullName, false},
	{attrCVR, false}, {attrOrgName, false},
}

// buildMetadata writes what NemLog-in needs: one assertion consumer (POST), one
// logout service (redirect: with several, NemLog-in uses the first listed), and
// the encryption methods that we open, best first, because NemLog-in chooses
// from that list.
func (sp *SP) buildMetadata() ([]byte, error) {
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	root := doc.CreateElement("md:EntityDescriptor")
	root.CreateAttr("xmlns:md", nsMetadata)
	root.CreateAttr("xmlns:ds", xmldsig.NamespaceDSig)
	root.CreateAttr("entityID", sp.c.EntityID)
	d := root.CreateElement("md:SPSSODescriptor")
	d.CreateAttr("AuthnRequestsSigned", "true")
	d.CreateAttr("WantAssertionsSigned", "true")
	d.CreateAttr("protocolSupportEnumeration", nsProtocol)
	keyDescriptor(d, "signing", sp.c.SigningCert)
	if sp.c.NextSigning != nil {
		keyDescriptor(d, "signing", sp.c.NextSigning)
	}
	for _, k := range sp.c.Decryption {
		if k.Hidden {
			continue
		}
		k := keyDescriptor(d, "encryption", k.Cert)
		methods := []string{aes256GCM, aes128GCM, oaepMGF1P}
		if sp.c.AllowCBC {
			methods = []string{aes256GCM, aes128GCM, aes256CBC, aes128CBC, oaepMGF1P}
		}
		for _, alg := range methods {
			k.CreateElement("md:EncryptionMethod").CreateAttr("Algorithm", alg)
		}
	}
	slo := d.CreateElement("md:SingleLogoutService")
	slo.CreateAttr("Binding", saml.HTTPRedirectBinding)
	slo.CreateAttr("Location", sp.slo)
	slo.CreateAttr("ResponseLocation", sp.slo)
	d.CreateElement("md:NameIDFormat").SetText(formatPersistent)
	acs := d.CreateElement("md:AssertionConsumerService")
	acs.CreateAttr("Binding", saml.HTTPPostBinding)
	acs.CreateAttr("Location", sp.acs)
	acs.CreateAttr("index", "0")
	acs.CreateAttr("isDefault", "true")
	sp.attributeService(d)
	org := root.CreateElement("md:Organization")
	localized(org, "md:OrganizationName", sp.c.Organization)
	localized(org, "md:OrganizationDisplayName", sp.c.Organization)
	localized(org, "md:OrganizationURL", sp.c.PublicURL)
	contact := root.CreateElement("md:ContactPerson")
	contact.CreateAttr("contactType", "technical")
	contact.CreateElement("md:Company").SetText(sp.c.Organization)
	if sp.c.ContactMail != "" {
		contact.CreateElement("md:EmailAddress").SetText("mailto:" + sp.c.ContactMail)
	}
	doc.Indent(2)
	return doc.WriteToBytes()
}

func (sp *SP) attributeService(d *etree.Element) {
	s := d.CreateElement("md:AttributeConsumingService")
	s.CreateAttr("index", "0")
	s.CreateAttr("isDefault", "true")
	localized(s, "md:ServiceName", sp.c.Organization)
	asked := requested
	if len(sp.c.PowerOfAttorney)+len(sp.c.CompanyRoles) > 0 {
		asked = slices.Concat(asked, []attribute{{attrPrivileges, false}})
	}
	if len(sp.c.CompanyRoles) > 0 {
		asked = slices.Concat(asked, []attribute{{attrUnit, false}})
	}
	for _, a := range asked {
		r := s.CreateElement("md:RequestedAttribute")
		r.CreateAttr("Name", a.name)
		r.CreateAttr("NameFormat", nameFormatURI)
		if a.required {
			r.CreateAttr("isRequired", "true")
		}
	}
}

// keyDescriptor writes one certificate: a chain in one element is misread.
func keyDescriptor(parent *etree.Element, use string, cert *x509.Certificate) *etree.Element {
	k := parent.CreateElement("md:KeyDescriptor")
	k.CreateAttr("use", use)
	k.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(cert.Raw))
	return k
}

func localized(parent *etree.Element, tag, value string) {
	e := parent.CreateElement(tag)
	e.CreateAttr("xml:lang", "da")
	e.SetText(value)
}
