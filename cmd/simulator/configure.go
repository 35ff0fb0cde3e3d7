package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/cmd/internal/simulatorapp"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// place is something that the operator of a gateway needs to know.
type place struct{ name, path string }

// configure makes what is missing under the directory and returns the
// simulators' configuration with what a gateway needs of it.
func configure(o options) (simulatorapp.Config, []place, error) {
	set, err := devcerts.Make(filepath.Join(o.dir, "certs"), devcerts.Options{Hosts: o.hosts()})
	if err != nil {
		return simulatorapp.Config{}, nil, err
	}
	cfg := simulatorapp.Config{
		Dir: o.dir, Files: o.files, Keep: o.keep << 20, Host: o.host, Open: o.open, Seed: o.seed, MeMoSchema: o.schema,
		PagesPort: o.pages, DigitalPostPort: o.digitalPost, NemLogInPort: o.login, KombiPostPort: o.kombi,
	}
	cfg.DigitalPost.Delay, cfg.DigitalPost.Unlisted = o.delay, o.unlisted
	cfg.PrintHouse.Jobs, cfg.PrintHouse.Events = filepath.Join(o.dir, "jobs"), filepath.Join(o.dir, "events")
	var errs [10]error
	cfg.Web, errs[0] = tls.LoadX509KeyPair(set.Web.Cert, set.Web.Key)
	cfg.DigitalPost.Certificate, errs[1] = tls.LoadX509KeyPair(set.CarrierServer.Cert, set.CarrierServer.Key)
	cfg.DigitalPost.ClientCAs, errs[2] = pool(set.CarrierCA)
	cfg.NemLogIn.Signing, errs[3] = tls.LoadX509KeyPair(set.IDPSigning.Cert, set.IDPSigning.Key)
	cfg.PrintHouse.Identities, errs[4] = identities(set.PrintHouse.Identity)
	cfg.DigitalPost.Systems, errs[5] = systems(filepath.Join(o.dir, "tokens"), set.CarrierClient.Cert)
	cfg.NemLogIn.SPMetadata, errs[6] = read(o.metadata)
	cfg.LetterCerts, errs[7] = certificates(o.letterCerts)
	cfg.KombiPost = simulatorapp.KombiPost{Certificate: cfg.DigitalPost.Certificate, ClientCAs: cfg.DigitalPost.ClientCAs, Callback: o.callback}
	cfg.KombiPost.Client, errs[8] = tls.LoadX509KeyPair(set.CarrierClient.Cert, set.CarrierClient.Key)
	trusted := []string{set.WebCA, set.CarrierCA}
	if o.callbackCA != "" {
		trusted = []string{o.callbackCA}
	}
	cfg.KombiPost.CallbackCAs, errs[9] = pool(trusted...)
	if err := errors.Join(errs[:]...); err != nil {
		return simulatorapp.Config{}, nil, err
	}
	return cfg, []place{
		{"trust (all)", filepath.Join(o.dir, "ca.pem")}, {"trust (web)", set.WebCA}, {"trust (post)", set.CarrierCA},
		{"client cert", set.CarrierClient.Cert}, {"client key", set.CarrierClient.Key},
		{"tokens", filepath.Join(o.dir, "tokens")},
		{"print recipient", set.PrintHouse.Recipients},
		{"print jobs", cfg.PrintHouse.Jobs}, {"print events", cfg.PrintHouse.Events},
	}, nil
}

// hosts names the host that the certificates need besides loopback.
func (o options) hosts() []string {
	if ip := net.ParseIP(o.host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() {
		return nil
	}
	return []string{o.host}
}

func pool(paths ...string) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read certificate authority: %w", err)
		}
		if !p.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read certificate authority: %s holds no certificate", path)
		}
	}
	return p, nil
}

// certificates reads every certificate of the files.
func certificates(paths []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read letter certificate: %w", err)
		}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("read letter certificate %s: %w", path, err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func identities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read print house identity: %w", err)
	}
	defer f.Close()
	ids, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("read print house identity: %w", err)
	}
	return ids, nil
}

// systems gives each municipality a system id and a token of its own; a token
// is made once and kept in <dir>/<tenant>.
func systems(dir, clientCert string) (map[post.TenantID]simulatorapp.System, error) {
	fingerprint, err := devcerts.Fingerprint(clientCert)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make token folder: %w", err)
	}
	all := map[post.TenantID]simulatorapp.System{}
	for _, t := range persona.Tenants() {
		token, err := token(filepath.Join(dir, string(t.ID)))
		if err != nil {
			return nil, err
		}
		all[t.ID] = simulatorapp.System{ID: "system-" + string(t.ID), Token: token, Fingerprint: fingerprint}
	}
	return all, nil
}

func token(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read token: %w", err)
	}
	var raw [24]byte
	rand.Read(raw[:])
	made := hex.EncodeToString(raw[:])
	if err := os.WriteFile(path, []byte(made+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	return made, nil
}

func read(paths []string) ([][]byte, error) {
	var all [][]byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read metadata: %w", err)
		}
		all = append(all, text)
	}
	return all, nil
}
