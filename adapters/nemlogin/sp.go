// Package nemlogin is our service provider towards NemLog-in (OIOSAML 3 Web SSO
// profile): metadata, signed requests, a strict reader of responses, single
// logout, and the HTTP handlers that go with them. crewjam/saml lends its
// metadata types and constants; its response handling is not used.
//
// A response is read in one fixed order, each step failing closed: size, the
// browser's pending cookie, base64, bounded parse, shape, addresses and times,
// status, decryption, the same parse and shape for what was inside, signature
// with a key pinned from metadata, then every statement of the assertion. Only
// the element that the signature check returns is read. It refuses SHA-1, RSA
// 1.5, CBC (but see [Config.AllowCBC]), plaintext assertions, more than one
// assertion, a level below what was asked, unsolicited responses and anything
// seen before.
//
// On refusal the person sees one of a few public faults ([post.Fault]); the
// private reason code goes to the log and the audit trail; nothing of the
// message goes anywhere. A panic counts as a refusal and raises a counter that
// must stay 0.
package nemlogin

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ login.Provider = (*SP)(nil)

// skew is how far the clocks of NemLog-in and ours may differ, in both
// directions (OIO-GE-01: three to five minutes).
const skew = 3 * time.Minute

// Paths of the handlers below the public address.
const (
	PathLogin    = "/saml/login"
	PathACS      = "/saml/acs"
	PathSLO      = "/saml/slo"
	PathMetadata = "/saml/metadata"
	PathLogout   = "/logout"
)

// Audit takes the record of a refusal.
type Audit interface {
	// RecordLogin writes e durably. It holds a reason code and ids only.
	RecordLogin(ctx context.Context, e ledger.Event) error
}

// Decryption is one key that an assertion may be encrypted for.
type Decryption struct {
	Key  crypto.Decrypter // RSA
	Cert *x509.Certificate
	// Hidden keys open, but are not in our metadata: those that went out of use.
	Hidden bool
}

// Config is what [New] needs. [Load] fills the part that stands in files.
type Config struct {
	EntityID    string // our entity id: an absolute URI of at most 256 characters
	PublicURL   string // https address of the portal, without trailing slash
	Tenant      post.TenantID
	SigningKey  crypto.Signer // RSA, 2048 bits or more
	SigningCert *x509.Certificate
	NextSigning *x509.Certificate // published, so that NemLog-in knows it before we sign with it; may be nil
	Decryption  []Decryption      // the current key first, then those in roll-over
	// AllowCBC also opens AES-CBC, for a provider that knows no GCM. Such a
	// provider must sign its Responses as well as its assertions; NemLog-in
	// needs none of this.
	AllowCBC bool
	IDP      *IDP
	Sessions *login.Sessions
	Audit    Audit
	// OnFault writes the page for a refusal. ref is what the person may quote.
	OnFault func(w http.ResponseWriter, r *http.Request, f *post.Fault, ref string)
	Log     *slog.Logger

	// PowerOfAttorney are the privilege URIs (OIO BPP) by which a citizen may act
	// for the party in the scope; none means that nobody acts for anybody.
	PowerOfAttorney []string
	// CompanyRoles are the privilege URIs of which an employee needs one to act
	// for the company; none means that every employee may.
	CompanyRoles []string

	// Archive keeps each message, accepted or refused, for the federation's log
	// duty; nil keeps none.
	Archive login.Archive

	Organization string           // in the metadata; "Sikkerpost" when ""
	ContactMail  string           // technical contact; left out when ""
	LoggedOff    string           // local page after logout; "/logget-af" when ""
	Now          func() time.Time // time.Now when nil
}

// SP is one service provider.
type SP struct {
	c        Config
	idp      atomic.Pointer[IDP]
	acs, slo string
	metadata []byte
}

// New returns an SP, or names every gap in c.
func New(c Config) (*SP, error) {
	if err := errors.Join(c.gaps()...); err != nil {
		return nil, err
	}
	if c.Organization == "" {
		c.Organization = "Sikkerpost"
	}
	if c.LoggedOff == "" {
		c.LoggedOff = "/logget-af"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	sp := &SP{c: c, acs: c.PublicURL + PathACS, slo: c.PublicURL + PathSLO}
	trusted := *c.IDP
	sp.idp.Store(&trusted)
	m, err := sp.buildMetadata()
	if err != nil {
		return nil, fmt.Errorf("build metadata: %w", err)
	}
	sp.metadata = m
	return sp, nil
}

func (c Config) gaps() []error {
	var gaps []error
	need := func(ok bool, text string) {
		if !ok {
			gaps = append(gaps, errors.New("nemlogin: "+text))
		}
	}
	id, err := url.Parse(c.EntityID)
	need(err == nil && id.IsAbs() && len(c.EntityID) <= 256, "EntityID must be an absolute URI of at most 256 characters")
	u, err := url.Parse(c.PublicURL)
	need(err == nil && u.Scheme == "https" && u.Host != "", "PublicURL must be an https address")
	need(c.SigningCert != nil && c.SigningKey != nil && strong(c.SigningKey.Public()), "SigningKey and SigningCert are required: RSA of 2048 bits or more")
	need(len(c.Decryption) > 0, "Decryption needs a key")
	for _, d := range c.Decryption {
		need(d.Key != nil && d.Cert != nil && strong(d.Key.Public()), "Decryption keys must be RSA of 2048 bits or more, each with its certificate")
	}
	need(len(c.Decryption) == 0 || !c.Decryption[0].Hidden, "the first decryption key must be published")
	need(c.NextSigning == nil || strong(c.NextSigning.PublicKey), "NextSigning must be RSA of 2048 bits or more")
	need(c.IDP != nil, "IDP is required")
	need(c.Sessions != nil, "Sessions is required")
	need(c.Audit != nil, "Audit is required")
	need(c.OnFault != nil, "OnFault is required")
	need(c.Log != nil, "Log is required")
	need(c.LoggedOff == "" || login.LocalPath(c.LoggedOff), "LoggedOff must be a local path")
	return gaps
}

func strong(key crypto.PublicKey) bool {
	k, ok := key.(*rsa.PublicKey)
	return ok && k.N.BitLen() >= 2048
}

// Metadata returns our metadata. The bytes stay the same for the same
// configuration, so that what was uploaded can be compared.
func (sp *SP) Metadata() []byte { return sp.metadata }

// Trust replaces the provider's metadata while serving, for its key roll-over.
// It refuses another entity id: that would be another provider.
func (sp *SP) Trust(idp *IDP) error {
	if idp.EntityID != sp.idp.Load().EntityID {
		return errors.New("nemlogin: new metadata has another entity id")
	}
	mine := *idp
	sp.idp.Store(&mine)
	return nil
}

// Session returns the session of r's cookie, or [post.FaultLoginNeeded].
func (sp *SP) Session(r *http.Request) (login.Session, error) {
	return sp.c.Sessions.Current(r.Context(), cookieValue(r, sessionCookie))
}

// Peek is [SP.Session] without keeping the session alive.
func (sp *SP) Peek(r *http.Request) (login.Session, error) {
	return sp.c.Sessions.Peek(r.Context(), cookieValue(r, sessionCookie))
}

// Act says for which grant of r's session the person acts from now on; 0 is none.
func (sp *SP) Act(r *http.Request, choice int) error {
	_, err := sp.c.Sessions.Act(r.Context(), cookieValue(r, sessionCookie), choice)
	return err
}
