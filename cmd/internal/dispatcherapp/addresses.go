package dispatcherapp

import (
	"crypto/x509"
	"fmt"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
)

// addresses opens the register of addresses; nil when there is none.
func addresses(cfg config.Addresses) (dispatch.Addresses, error) {
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
	pair, err := config.LoadPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("address register: %w", err)
	}
	var roots *x509.CertPool // nil: those of the system
	if cfg.TLS.CAFile != "" {
		if roots, err = config.ReadPool(cfg.TLS.CAFile); err != nil {
			return nil, fmt.Errorf("address register: %w", err)
		}
	}
	h, err := cprregister.NewHTTP(cprregister.HTTPConfig{URL: cfg.URL, Certificate: pair, Roots: roots})
	if err != nil {
		return nil, err
	}
	return h, nil
}
