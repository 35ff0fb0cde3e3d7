package simulatorapp

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"

	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/internal/post"
)

// NemLogIn configures the simulated identity provider.
type NemLogIn struct {
	// Signing signs assertions; RSA.
	Signing tls.Certificate
	// SPMetadata holds the metadata of the service providers that may log in;
	// [App.RegisterSP] adds one later.
	SPMetadata [][]byte
}

func (a *App) openNemLogIn(ctx context.Context, web *tls.Config) error {
	key, ok := a.cfg.NemLogIn.Signing.PrivateKey.(crypto.Signer)
	if !ok || len(a.cfg.NemLogIn.Signing.Certificate) == 0 {
		return errors.New("simulator: NemLogIn.Signing is required")
	}
	cert, err := x509.ParseCertificate(a.cfg.NemLogIn.Signing.Certificate[0])
	if err != nil {
		return fmt.Errorf("read NemLog-in certificate: %w", err)
	}
	// The provider writes its own address into messages, so it is made once the
	// listener has one.
	a.nemLogInURL, err = a.listen(ctx, "nemlogin", a.cfg.NemLogInPort, web.Clone(), a.wired(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { a.idpHandler.ServeHTTP(w, r) }), loginEndpoint, refusesPlain))
	if err != nil {
		return err
	}
	a.idp, err = nemlogintest.New(nemlogintest.Config{
		BaseURL: a.nemLogInURL, Key: key, Cert: cert, Personas: a.cfg.Personas, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.idpHandler = a.idp.Handler()
	for _, m := range a.cfg.NemLogIn.SPMetadata {
		if err := a.idp.Register(m); err != nil {
			return err
		}
	}
	return nil
}

// RegisterSP lets the service provider of this metadata log people in.
func (a *App) RegisterSP(metadata []byte) error { return a.idp.Register(metadata) }

// maxMetadata bounds what is read of a service provider's metadata.
const maxMetadata = 1 << 20

// providerJSON is a service provider as it was understood.
type providerJSON struct {
	EntityID string `json:"entity_id"`
	Name     string `json:"name"`
	ACS      string `json:"acs"`
	SLO      string `json:"slo,omitempty"`
	Metadata string `json:"metadata"` // where the identity provider's own lies
}

// apiAdmit takes the metadata of a service provider, which logs people in until
// the simulator ends.
func (a *App) apiAdmit(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMetadata))
	if err != nil {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity, "metadata of a service provider has 1 MB at most")
		return
	}
	sp, err := a.idp.Admit(b)
	if err != nil {
		problem(w, post.FaultNotFound, http.StatusUnprocessableEntity, err.Error())
		return
	}
	write(w, http.StatusOK, providerJSON{EntityID: sp.EntityID, Name: sp.Name, ACS: sp.ACS, SLO: sp.SLO, Metadata: a.NemLogInMetadataURL()})
}

// NemLogInMetadata returns the identity provider's metadata.
func (a *App) NemLogInMetadata() []byte { return a.idp.Metadata() }

// NemLogInURL returns the address of the identity provider.
func (a *App) NemLogInURL() string { return a.nemLogInURL }

// NemLogInMetadataURL returns where the identity provider's metadata lies.
func (a *App) NemLogInMetadataURL() string { return a.nemLogInURL + "/metadata" }

// IDP returns the simulated NemLog-in, for stories that run in-process.
func (a *App) IDP() *nemlogintest.IDP { return a.idp }
