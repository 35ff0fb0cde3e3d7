package dispatcherapp

import (
	"crypto/x509"
	"fmt"
	"log/slog"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
)

// addresses opens the register of addresses; nil when there is none.
// The certificate that it is shown renews itself.
func addresses(cfg config.Addresses, log *slog.Logger) (dispatch.Addresses, error) {
	switch {
	case cfg == (config.Addresses{}):
		return nil, nil
	case cfg.RegisterFile != "":
		f, err := cprregister.OpenFile(cfg.RegisterFile)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	var h *cprregister.HTTP
	pair, err := certwatch.Open(certwatch.Config{Name: "address register", CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile,
		Load: config.LoadPair, Log: log, Changed: func() { h.Close() }})
	if err != nil {
		return nil, fmt.Errorf("address register: %w", err)
	}
	var roots *x509.CertPool // nil: those of the system
	if cfg.TLS.CAFile != "" {
		if roots, err = config.ReadPool(cfg.TLS.CAFile); err != nil {
			return nil, fmt.Errorf("address register: %w", err)
		}
	}
	if h, err = cprregister.NewHTTP(cprregister.HTTPConfig{URL: cfg.URL, Renewed: pair.Client, Roots: roots}); err != nil {
		return nil, err
	}
	return h, nil
}
