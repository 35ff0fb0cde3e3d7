package samlattack

import (
	"bytes"
	"compress/flate"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/beevik/etree"
)

// Start is how a log-in begins: what the service asks the provider for.
type Start int

// Ways to begin. A service that has no address for one is not tried with it.
const (
	Plain          Start = iota // a private person at the usual level
	AtHigh                      // at NSIS level High
	Fresh                       // ForceAuthn
	AsProfessional              // an employee of a company
)

// Target is the service provider under attack.
type Target struct {
	EntityID   string
	ACS        string
	Encryption []*rsa.PublicKey // in the order of its metadata
	Begin      map[Start]string // addresses that begin a log-in
	Page       string           // a page for logged-in persons only; "" when unknown
	Role       string           // privilege URI that an employee needs; "" when none
}

// Provider is the identity provider that the target trusts.
type Provider struct {
	EntityID string
	Pair
	Second *Pair // another key that the target trusts too, or nil
}

// Login is one log-in that the target began.
type Login struct {
	RequestID, RelayState string
	Start                 Start
}

// maxMetadata bounds what is read of a metadata file.
const maxMetadata = 1 << 20

// ReadTarget reads a service provider's metadata. The caller adds Begin and Page.
func ReadTarget(metadata []byte) (Target, error) {
	root, err := parse(metadata)
	if err != nil {
		return Target{}, fmt.Errorf("read service provider metadata: %w", err)
	}
	t := Target{EntityID: root.SelectAttrValue("entityID", "")}
	sp := root.FindElement("./SPSSODescriptor")
	if t.EntityID == "" || sp == nil {
		return Target{}, errors.New("read service provider metadata: no entityID or no SPSSODescriptor")
	}
	for _, e := range sp.FindElements("./AssertionConsumerService") {
		if strings.HasSuffix(e.SelectAttrValue("Binding", ""), ":HTTP-POST") && t.ACS == "" {
			t.ACS = e.SelectAttrValue("Location", "")
		}
	}
	for _, k := range sp.FindElements("./KeyDescriptor") {
		if k.SelectAttrValue("use", "encryption") != "encryption" {
			continue
		}
		for _, x := range k.FindElements("./KeyInfo/X509Data/X509Certificate") {
			c, err := certificate(x.Text())
			if err != nil {
				return Target{}, fmt.Errorf("read service provider metadata: %w", err)
			}
			if key, ok := c.PublicKey.(*rsa.PublicKey); ok {
				t.Encryption = append(t.Encryption, key)
			}
		}
	}
	if t.ACS == "" || len(t.Encryption) == 0 {
		return Target{}, errors.New("read service provider metadata: need a POST assertion consumer and an RSA encryption key")
	}
	return t, nil
}

// ProviderName reads the entity id from a provider's metadata.
func ProviderName(metadata []byte) (string, error) {
	root, err := parse(metadata)
	if err != nil {
		return "", fmt.Errorf("read provider metadata: %w", err)
	}
	id := root.SelectAttrValue("entityID", "")
	if id == "" || root.FindElement("./IDPSSODescriptor") == nil {
		return "", errors.New("read provider metadata: no entityID or no IDPSSODescriptor")
	}
	return id, nil
}

// readRequest reads the AuthnRequest in the query of a redirect.
func readRequest(location string) (Login, error) {
	u, err := url.Parse(location)
	if err != nil {
		return Login{}, errors.New("the redirect has no readable address")
	}
	q := u.Query()
	packed, err := base64.StdEncoding.DecodeString(q.Get("SAMLRequest"))
	if err != nil || len(packed) == 0 {
		return Login{}, errors.New("the redirect carries no SAMLRequest")
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 64<<10))
	if err != nil {
		return Login{}, errors.New("the SAMLRequest does not inflate")
	}
	root, err := parse(text)
	if err != nil || root.Tag != "AuthnRequest" {
		return Login{}, errors.New("the SAMLRequest is no AuthnRequest")
	}
	id := root.SelectAttrValue("ID", "")
	if id == "" {
		return Login{}, errors.New("the AuthnRequest has no ID")
	}
	return Login{RequestID: id, RelayState: q.Get("RelayState")}, nil
}

func parse(text []byte) (*etree.Element, error) {
	if len(text) > maxMetadata {
		return nil, errors.New("larger than 1 MiB")
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, err
	}
	if doc.Root() == nil {
		return nil, errors.New("no root element")
	}
	return doc.Root(), nil
}

func certificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
