// Package nemlogintest is a simulator of NemLog-in: an identity provider that
// speaks real SAML messages (OIOSAML 3) with invented people. It serves the
// demo and the tests; nothing that runs for real links it.
//
// It checks what NemLog-in checks of a request (query signature, Destination,
// Issuer, assertion consumer) and refuses what NemLog-in refuses. Its answers are
// signed and encrypted as NemLog-in's are. Unlike NemLog-in it hands out a login
// at level Low although more was asked, and a company where a private person was
// asked, so that the service provider's own checks are exercised. Tests bend an
// answer with a [Tweak].
package nemlogintest

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"

	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/xmldsig"
)

// Config is what [New] needs.
type Config struct {
	EntityID string // "https://saml.simulator.test" when ""
	BaseURL  string // https address, without trailing slash
	Key      crypto.Signer
	Cert     *x509.Certificate
	Personas []persona.Persona // [persona.All] when nil
	Log      *slog.Logger
	Now      func() time.Time // time.Now when nil
}

// IDP is the simulated provider.
type IDP struct {
	c Config

	mu       sync.Mutex // guards what follows
	sps      map[string]SP
	sessions map[string]*session
	chains   map[string]*chain
	next     Tweak
}

// SP is a service provider, as its metadata describes it.
type SP struct {
	EntityID, Name, ACS, SLO string
	Signing                  []*x509.Certificate
	Encryption               *x509.Certificate
	Methods                  []string // encryption methods, in its order
}

// New returns a provider that knows no service provider yet.
func New(c Config) (*IDP, error) {
	if c.EntityID == "" {
		c.EntityID = "https://saml.simulator.test"
	}
	if c.Personas == nil {
		c.Personas = persona.All()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	var gaps []error
	if !strings.HasPrefix(c.BaseURL, "https://") {
		gaps = append(gaps, errors.New("nemlogintest: BaseURL must be an https address"))
	}
	if c.Key == nil || c.Cert == nil {
		gaps = append(gaps, errors.New("nemlogintest: Key and Cert are required"))
	}
	if c.Log == nil {
		gaps = append(gaps, errors.New("nemlogintest: Log is required"))
	}
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	return &IDP{c: c, sps: map[string]SP{}, sessions: map[string]*session{}, chains: map[string]*chain{}}, nil
}

// Register makes a service provider known by its metadata.
func (i *IDP) Register(metadata []byte) error {
	_, err := i.Admit(metadata)
	return err
}

// Admit is Register, and tells what was read. Metadata of a known entity id replaces
// what was known of it.
func (i *IDP) Admit(metadata []byte) (SP, error) {
	sp, err := readSP(metadata)
	if err != nil {
		return SP{}, fmt.Errorf("read service provider metadata: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sps[sp.EntityID] = sp
	return sp, nil
}

func readSP(metadata []byte) (SP, error) {
	var e saml.EntityDescriptor
	if err := xml.Unmarshal(metadata, &e); err != nil {
		return SP{}, err
	}
	if len(e.SPSSODescriptors) != 1 || len(e.SPSSODescriptors[0].AssertionConsumerServices) != 1 {
		return SP{}, errors.New("need one SPSSODescriptor with one AssertionConsumerService")
	}
	d := e.SPSSODescriptors[0]
	sp := SP{EntityID: e.EntityID, Name: e.EntityID, ACS: d.AssertionConsumerServices[0].Location}
	if e.Organization != nil && len(e.Organization.OrganizationDisplayNames) > 0 {
		sp.Name = e.Organization.OrganizationDisplayNames[0].Value
	}
	if len(d.SingleLogoutServices) > 0 {
		sp.SLO = d.SingleLogoutServices[0].Location
	}
	for _, k := range d.KeyDescriptors {
		for _, x := range k.KeyInfo.X509Data.X509Certificates {
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(x.Data), ""))
			if err != nil {
				return SP{}, fmt.Errorf("certificate: %w", err)
			}
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return SP{}, fmt.Errorf("certificate: %w", err)
			}
			if k.Use != "encryption" {
				sp.Signing = append(sp.Signing, c)
			}
			if k.Use != "signing" && sp.Encryption == nil {
				sp.Encryption = c
				for _, m := range k.EncryptionMethods {
					sp.Methods = append(sp.Methods, m.Algorithm)
				}
			}
		}
	}
	if len(sp.Signing) == 0 || sp.Encryption == nil {
		return SP{}, errors.New("need a signing and an encryption certificate")
	}
	if _, ok := sp.Encryption.PublicKey.(*rsa.PublicKey); !ok {
		return SP{}, errors.New("the encryption key is not RSA")
	}
	if sp.EntityID == "" {
		return SP{}, errors.New("need an entityID")
	}
	return sp, nil
}

// Metadata returns the provider's metadata: unsigned and without validUntil, as
// NemLog-in's.
func (i *IDP) Metadata() []byte {
	doc := etree.NewDocument()
	root := doc.CreateElement("md:EntityDescriptor")
	root.CreateAttr("xmlns:md", "urn:oasis:names:tc:SAML:2.0:metadata")
	root.CreateAttr("xmlns:ds", xmldsig.NamespaceDSig)
	root.CreateAttr("entityID", i.c.EntityID)
	d := root.CreateElement("md:IDPSSODescriptor")
	d.CreateAttr("WantAuthnRequestsSigned", "true")
	d.CreateAttr("protocolSupportEnumeration", nsProtocol)
	k := d.CreateElement("md:KeyDescriptor")
	k.CreateAttr("use", "signing")
	k.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(i.c.Cert.Raw))
	for _, binding := range []string{saml.HTTPRedirectBinding, saml.HTTPPostBinding} {
		slo := d.CreateElement("md:SingleLogoutService")
		slo.CreateAttr("Binding", binding)
		slo.CreateAttr("Location", i.c.BaseURL+pathSLO)
	}
	d.CreateElement("md:NameIDFormat").SetText(formatPersistent)
	sso := d.CreateElement("md:SingleSignOnService")
	sso.CreateAttr("Binding", saml.HTTPRedirectBinding)
	sso.CreateAttr("Location", i.c.BaseURL+pathSSO)
	doc.Indent(2)
	b, err := doc.WriteToBytes()
	if err != nil {
		panic(err) // a document in memory always writes
	}
	return b
}

// Next bends the next answer that the handler gives; later ones are genuine.
func (i *IDP) Next(t Tweak) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.next = t
}

// Addresses of the simulator below its base address.
const (
	pathMetadata = "/metadata"
	pathSSO      = "/sso"
	pathChoose   = "/sso/choose"
	pathCancel   = "/sso/cancel"
	pathLogout   = "/sso/logout"
	pathSLO      = "/slo"
)

// Handler serves the provider. A program logs in without a browser by sending
// the query of its SSO address to /sso/choose, with the form field persona:
// POST /sso/choose?SAMLRequest=…&SigAlg=…&Signature=…
func (i *IDP) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathMetadata, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/samlmetadata+xml")
		_, _ = w.Write(i.Metadata())
	})
	mux.HandleFunc("GET /{$}", i.serveHome)
	mux.HandleFunc("GET "+pathSSO, i.serveSSO)
	mux.HandleFunc("POST "+pathChoose, i.serveChoose)
	mux.HandleFunc("POST "+pathCancel, i.serveCancel)
	mux.HandleFunc("POST "+pathLogout, i.serveLogout)
	mux.HandleFunc("GET "+pathSLO, i.serveSLO)
	mux.HandleFunc("POST "+pathSLO, i.serveSLO)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}
