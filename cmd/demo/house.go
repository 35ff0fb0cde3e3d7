package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/cmd/internal/deskapp"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/cmd/internal/dispatcherapp"
	"sikkerpost.dk/gateway/cmd/internal/portalapp"
	"sikkerpost.dk/gateway/cmd/internal/simulatorapp"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// Waits of the demo are short, so that a person sees every step; production
// values are the defaults of each program.
const (
	demoSweep   = time.Second
	demoReceipt = 300 * time.Millisecond // from the technical to the business receipt
	demoLease   = 2 * time.Second        // what a killed demo had in hand goes on after this time
	demoQuiet   = 2 * time.Second        // from an unclear hand-over to the same again
	demoBudget  = 24 * time.Hour         // an unsure look-up waits this long
)

// byKombiPost is the municipality whose letters go by KOMBIT's Postkomponent,
// digital and on paper.
const byKombiPost post.TenantID = "havnsted"

// house is everything that runs, and where it is.
type house struct {
	opts  options
	log   *slog.Logger
	certs *devcerts.Set
	roots *x509.CertPool // of the web certificates

	portalURL, deskURL, simulatorURL, idpMetadataURL, adminURL string
	redisAddr, database, blobs                                 string

	sim   *simulatorapp.App
	tasks []daemon.Task
	last  func()        // after everything else has stopped; or nil
	ready chan struct{} // closed when citizens can log in
}

// build makes certificates and configurations and opens every program. Nothing
// is served until run.
func build(ctx context.Context, o options, log *slog.Logger) (*house, error) {
	if err := simulatorapp.CheckHost(o.host); err != nil {
		return nil, err
	}
	h := &house{opts: o, log: log, ready: make(chan struct{}), blobs: filepath.Join(o.dir, "blobs")}
	var err error
	if h.certs, err = devcerts.Make(filepath.Join(o.dir, "certs"), devcerts.Options{Hosts: []string{o.host}}); err != nil {
		return nil, err
	}
	if h.roots, err = config.ReadPool(h.certs.WebCA); err != nil {
		return nil, err
	}
	if err := h.openQueue(); err != nil {
		return nil, err
	}
	h.database = o.database
	if h.database == "" {
		h.database = "sqlite://" + filepath.Join(o.dir, "sikkerpost.db")
	}
	if err := h.openSimulators(ctx); err != nil {
		return nil, err
	}
	return h, h.openPrograms(ctx)
}

func (h *house) openQueue() error {
	if h.redisAddr = h.opts.redis; h.redisAddr != "" {
		return nil
	}
	r, err := startRedis(h.opts.host)
	if err != nil {
		return err
	}
	h.redisAddr, h.last = r.m.Addr(), r.m.Close
	h.tasks = append(h.tasks, daemon.Task{Name: "redis", Run: r.run})
	return nil
}

// systems are the sender systems that the municipalities have registered with
// the simulated Digital Post. The tokens are drawn for each run.
func (h *house) systems() (ours map[post.TenantID]config.System, theirs map[post.TenantID]simulatorapp.System, err error) {
	ours, theirs = map[post.TenantID]config.System{}, map[post.TenantID]simulatorapp.System{}
	print, err := devcerts.Fingerprint(h.certs.CarrierClient.Cert)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range persona.Tenants() {
		var token [16]byte
		rand.Read(token[:])
		path := filepath.Join(h.certs.Dir, "carrier", string(t.ID)+".token")
		if err := os.WriteFile(path, []byte(hex.EncodeToString(token[:])+"\n"), 0o600); err != nil {
			return nil, nil, fmt.Errorf("write API token: %w", err)
		}
		id := post.NewID()
		ours[t.ID] = config.System{ID: id, TokenFile: path}
		theirs[t.ID] = simulatorapp.System{ID: id, Token: hex.EncodeToString(token[:]), Fingerprint: print}
	}
	return ours, theirs, nil
}

func (h *house) openSimulators(ctx context.Context) error {
	c := h.certs
	web, err := tls.LoadX509KeyPair(c.Web.Cert, c.Web.Key)
	if err != nil {
		return fmt.Errorf("web certificate: %w", err)
	}
	carrier, err := tls.LoadX509KeyPair(c.CarrierServer.Cert, c.CarrierServer.Key)
	if err != nil {
		return fmt.Errorf("carrier certificate: %w", err)
	}
	idp, err := tls.LoadX509KeyPair(c.IDPSigning.Cert, c.IDPSigning.Key)
	if err != nil {
		return fmt.Errorf("identity provider certificate: %w", err)
	}
	carriers, err := config.ReadPool(c.CarrierCA)
	if err != nil {
		return err
	}
	paper, err := unseal.ReadIdentitiesFile(c.PrintHouse.Identity)
	if err != nil {
		return err
	}
	ours, theirs, err := h.systems()
	if err != nil {
		return err
	}
	status, err := tls.LoadX509KeyPair(c.StatusClient.Cert, c.StatusClient.Key)
	if err != nil {
		return fmt.Errorf("certificate of Beskedfordeler: %w", err)
	}
	h.sim, err = simulatorapp.New(ctx, simulatorapp.Config{
		Dir:         filepath.Join(h.opts.dir, "simulator"),
		Files:       true, // whoever tries the demo looks into the folder
		Host:        h.opts.host,
		Web:         web,
		DigitalPost: simulatorapp.DigitalPost{Certificate: carrier, ClientCAs: carriers, Systems: theirs, Delay: demoReceipt},
		PrintHouse:  simulatorapp.PrintHouse{Jobs: h.paperDir("jobs"), Events: h.paperDir("events"), Identities: paper},
		KombiPost:   simulatorapp.KombiPost{Certificate: carrier, ClientCAs: carriers, Client: status, CallbackCAs: h.roots},
		NemLogIn:    simulatorapp.NemLogIn{Signing: idp},
	}, h.log)
	if err != nil {
		return err
	}
	h.simulatorURL, h.idpMetadataURL = h.sim.URL(), h.sim.NemLogInMetadataURL()
	h.tasks = append(h.tasks, daemon.Task{Name: "simulators", Run: h.sim.Run})
	return h.openDispatcher(ctx, ours)
}

// roads lets one municipality go by KombiPost.
func (h *house) roads() map[post.TenantID]config.Road {
	return map[post.TenantID]config.Road{byKombiPost: {Digital: post.KombiPost, Physical: post.KombiPost}}
}

func (h *house) paperDir(name string) string { return filepath.Join(h.opts.dir, "printhouse", name) }

func (h *house) ledgerDir() string { return filepath.Join(h.opts.dir, "ledger") }

// common is what the three serving programs share.
func (h *house) common() config.Common {
	return config.Common{
		Database: h.database, Blobs: h.blobs, Redis: h.redisAddr,
		Tenants: persona.Tenants(),
		Inboxes: []config.Inbox{{
			ID: persona.Tenants()[0].Inbox, Name: "Fælles DPO", RecipientsFile: h.certs.DPO.Recipients,
		}},
		IndexKeyFile: h.certs.IndexKey, TaskKeyFile: h.certs.TaskKey,
		DispatcherRecipientFile: h.certs.Dispatcher.Recipients,
	}
}

func (h *house) openDispatcher(ctx context.Context, systems map[post.TenantID]config.System) error {
	c := h.certs
	beskedfordeler, err := devcerts.Fingerprint(c.StatusClient.Cert)
	if err != nil {
		return err
	}
	app, err := dispatcherapp.New(ctx, config.Dispatcher{
		Common: h.common(), IdentityFile: c.Dispatcher.Identity,
		LetterCertFile: c.LetterRSA.Cert, LetterKeyFile: c.LetterRSA.Key,
		CheckpointKeyFile: c.Checkpoint.Signer, LedgerDir: h.ledgerDir(),
		DigitalPost: config.DigitalPost{
			BaseURL: h.sim.DigitalPostURL(),
			TLS:     config.TLS{CertFile: c.CarrierClient.Cert, KeyFile: c.CarrierClient.Key, CAFile: c.CarrierCA},
			Systems: systems, Mail: config.Mail{Systems: systems, Every: time.Second},
		},
		PrintHouse: config.PrintHouse{Out: h.paperDir("jobs"), Events: h.paperDir("events"), RecipientFile: c.PrintHouse.Recipients},
		KombiPost: config.KombiPost{
			TokenURL: h.sim.KombiPostURL(), ServiceURL: h.sim.KombiPostURL(), CAFile: c.CarrierCA,
			Systems: map[post.TenantID]config.KombiSystem{byKombiPost: {CertFile: c.CarrierClient.Cert, KeyFile: c.CarrierClient.Key}},
			Push: config.Push{
				Listen: net.JoinHostPort(h.opts.host, "0"), Peers: []string{beskedfordeler},
				TLS: config.TLS{CertFile: c.Web.Cert, KeyFile: c.Web.Key, CAFile: c.CarrierCA},
			},
		},
		Roads: h.roads(),
		Sweep: demoSweep, Lease: demoLease, Quiet: demoQuiet, LookupBudget: demoBudget,
	}, h.log)
	if err != nil {
		return err
	}
	h.sim.SetCallback(app.KombiPushURL())
	h.tasks = append(h.tasks, daemon.Task{Name: "dispatcher", Run: app.Run})
	return nil
}

func (h *house) openPrograms(ctx context.Context) error {
	if err := h.openPortal(ctx); err != nil {
		return err
	}
	clients, err := h.clients()
	if err != nil {
		return err
	}
	desk, err := deskapp.New(ctx, config.Desk{
		Common: h.common(), Listen: net.JoinHostPort(h.opts.host, "0"),
		TLS:     config.TLS{CertFile: h.certs.Web.Cert, KeyFile: h.certs.Web.Key, CAFile: h.certs.ClientCA},
		Clients: clients, Roads: h.roads(),
	}, h.log)
	if err != nil {
		return err
	}
	h.deskURL = desk.URL()
	h.tasks = append(h.tasks, daemon.Task{Name: "desk", Run: desk.Run})
	return nil
}

func (h *house) openPortal(ctx context.Context) error {
	c := h.certs
	metadata := filepath.Join(c.Dir, "login", "idp-metadata.xml")
	if err := os.WriteFile(metadata, h.sim.NemLogInMetadata(), 0o600); err != nil {
		return fmt.Errorf("write identity provider metadata: %w", err)
	}
	portal, err := h.freePort(ctx)
	if err != nil {
		return err
	}
	admin, err := h.freePort(ctx)
	if err != nil {
		return err
	}
	h.portalURL, h.adminURL = "https://"+portal, "http://"+admin
	common := h.common()
	common.Admin = admin
	app, err := portalapp.New(ctx, config.Portal{
		Common: common, Listen: portal, PublicURL: h.portalURL,
		TLS: config.TLS{CertFile: c.Web.Cert, KeyFile: c.Web.Key},
		SAML: config.SAML{
			EntityID:    "https://saml.sikkerpost.localhost",
			SigningCert: c.SPSigning.Cert, SigningKey: c.SPSigning.Key,
			EncryptionCert: c.SPEncryption.Cert, EncryptionKey: c.SPEncryption.Key,
			IDPMetadata:       metadata,
			PowerOfAttorney:   []string{nemlogintest.PowerOfAttorney},
			CompanyRoles:      []string{nemlogintest.CompanyRole},
			ArchiveRecipients: c.LoginArchive.Recipients,
		},
		ReceiptKeyFile: c.Receipt.Signer, ReceiptCertFile: c.ReceiptCert, LedgerKeyFile: c.Checkpoint.Verifier,
		LedgerDir: h.ledgerDir(), AccessibilityURL: statements,
	}, h.log)
	if err != nil {
		return err
	}
	h.tasks = append(h.tasks, daemon.Task{Name: "portal", Run: app.Run}, daemon.Task{Name: "introduction", Run: h.introduce})
	return nil
}

// statements is where authorities publish their accessibility statements: an invented
// town has none of its own.
const statements = "https://www.was.digst.dk/"

// freePort finds a port for a program that must know its own address before it
// listens.
func (h *house) freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(h.opts.host, "0"))
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// clients are the certificates that desk knows.
func (h *house) clients() ([]config.Client, error) {
	first := persona.Tenants()[0]
	known := []struct {
		cert string
		c    config.Client
	}{
		{h.certs.Tool.Cert, config.Client{ID: "dpo-tool", Role: config.RoleTool, Inbox: first.Inbox}},
		{h.certs.Case.Cert, config.Client{ID: "case-system", Role: config.RoleCase, Tenant: first.ID}},
		{h.certs.Approver.Cert, config.Client{ID: "approver", Role: config.RoleApprover, Tenant: first.ID}},
		{h.certs.Operator.Cert, config.Client{ID: "operator", Role: config.RoleOperator}},
	}
	var clients []config.Client
	for _, k := range known {
		print, err := devcerts.Fingerprint(k.cert)
		if err != nil {
			return nil, err
		}
		k.c.Fingerprint = print
		clients = append(clients, k.c)
	}
	return clients, nil
}

// run serves until ctx ends.
func (h *house) run(ctx context.Context) error {
	if h.last != nil {
		defer h.last()
	}
	return daemon.Run(ctx, h.log, h.tasks...)
}

// introduce gives the portal's own metadata to the simulated NemLog-in, as an
// administrator does by hand with the real one.
func (h *house) introduce(ctx context.Context) error {
	metadata, err := h.fetch(ctx, h.portalURL+"/saml/metadata")
	if err == nil {
		err = h.sim.RegisterSP(metadata)
	}
	if err != nil {
		return fmt.Errorf("register the portal with the simulated NemLog-in: %w", err)
	}
	close(h.ready)
	<-ctx.Done()
	return nil
}

// trusting returns a client that trusts only what roots have issued.
func trusting(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}
}

// fetch reads a small document over HTTPS, and waits for the server to come up.
func (h *house) fetch(ctx context.Context, address string) ([]byte, error) {
	c := trusting(h.roots)
	defer c.CloseIdleConnections()
	for try := 0; ; try++ {
		b, err := get(ctx, c, address)
		var refused *net.OpError
		if err == nil || !errors.As(err, &refused) || try == 600 {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

const maxDocument = 16 << 20

func get(ctx context.Context, c *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", req.URL.Path, resp.Status)
	}
	return b, nil
}
