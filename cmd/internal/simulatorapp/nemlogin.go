package simulatorapp

import (
	"context"
	"crypto/tls"
)

// NemLogIn configures the simulated identity provider.
type NemLogIn struct {
	// Signing signs assertions; RSA.
	Signing tls.Certificate
	// SPMetadata returns the metadata of the service provider that may log in.
	SPMetadata func(ctx context.Context) ([]byte, error)
}

func (a *App) openNemLogIn(context.Context, *tls.Config) error { return nil }

// NemLogInMetadataURL returns where the identity provider's metadata lies.
func (a *App) NemLogInMetadataURL() string { return a.nemLogInURL + "/metadata" }
