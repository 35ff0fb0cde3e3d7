package nemlogin

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/crewjam/saml"
)

// maxMetadata is far above the real file, which has about 10 KB.
const maxMetadata = 1 << 20

// IDP is what we trust about the provider. NemLog-in's metadata is not signed:
// whoever installs the file vouches for it (docs/saml.md).
type IDP struct {
	EntityID string
	SSO      string // redirect binding
	SLO      string // single logout; "" when it has none
	SLOReply string // where our LogoutResponse goes
	// SLOPost tells that single logout goes by the POST binding: the provider
	// has none by redirect, which we prefer.
	SLOPost bool
	Certs   []*x509.Certificate
	// ValidUntil is when the metadata must no longer be used; zero: it says
	// nothing, as NemLog-in's does.
	ValidUntil time.Time
}

// stale reports whether i must no longer be used at now.
func (i *IDP) stale(now time.Time) bool { return !i.ValidUntil.IsZero() && !now.Before(i.ValidUntil) }

// ParseIDP reads metadata with one or more signing certificates. It refuses a
// DTD, an address that is not https, and a weak key.
func ParseIDP(data []byte) (*IDP, error) {
	if len(data) > maxMetadata {
		return nil, errors.New("read provider metadata: larger than 1 MiB")
	}
	if err := noDTD(data); err != nil {
		return nil, fmt.Errorf("read provider metadata: %w", err)
	}
	var e saml.EntityDescriptor
	if err := xml.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("read provider metadata: %w", err)
	}
	if e.EntityID == "" || len(e.IDPSSODescriptors) != 1 {
		return nil, errors.New("read provider metadata: need one entity with one IDPSSODescriptor")
	}
	d := e.IDPSSODescriptors[0]
	idp := &IDP{EntityID: e.EntityID}
	for _, s := range d.SingleSignOnServices {
		if s.Binding == saml.HTTPRedirectBinding && idp.SSO == "" {
			idp.SSO = s.Location
		}
	}
	for _, binding := range []string{saml.HTTPRedirectBinding, saml.HTTPPostBinding} {
		for _, s := range d.SingleLogoutServices {
			if s.Binding == binding && idp.SLO == "" {
				idp.SLO, idp.SLOReply, idp.SLOPost = s.Location, s.ResponseLocation, binding == saml.HTTPPostBinding
			}
		}
	}
	idp.ValidUntil = e.ValidUntil
	if d.ValidUntil != nil && (idp.ValidUntil.IsZero() || d.ValidUntil.Before(idp.ValidUntil)) {
		idp.ValidUntil = *d.ValidUntil
	}
	if idp.SLOReply == "" {
		idp.SLOReply = idp.SLO
	}
	for _, a := range []string{idp.SSO, idp.SLO, idp.SLOReply} {
		if u, err := url.Parse(a); err != nil || a != "" && (u.Scheme != "https" || u.Host == "") {
			return nil, errors.New("read provider metadata: an address is not https")
		}
	}
	if idp.SSO == "" {
		return nil, errors.New("read provider metadata: no single sign-on over HTTP-Redirect")
	}
	for _, k := range d.KeyDescriptors {
		if k.Use == "encryption" {
			continue
		}
		for _, x := range k.KeyInfo.X509Data.X509Certificates {
			c, err := certificate(x.Data)
			if err != nil {
				return nil, err
			}
			idp.Certs = append(idp.Certs, c)
		}
	}
	if len(idp.Certs) == 0 {
		return nil, errors.New("read provider metadata: no signing certificate")
	}
	return idp, nil
}

func certificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("read provider certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read provider certificate: %w", err)
	}
	if !strong(c.PublicKey) {
		return nil, errors.New("read provider certificate: need RSA of 2048 bits or more")
	}
	return c, nil
}

func noDTD(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := t.(xml.Directive); ok {
			return errors.New("a DTD is not allowed")
		}
	}
}
