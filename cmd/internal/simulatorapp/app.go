// Package simulatorapp assembles the outside world on one machine: NemLog-in,
// Digital Post, KOMBIT's Postkomponent and a print house, each a faithful server
// with invented people, and pages on which a human sees what arrived and turns
// what goes wrong.
//
// It listens on loopback only, unless told in so many words, and refuses any
// other host before it opens anything. Carriers ask for a client certificate;
// the pages and the API ask for nothing, since whoever reaches them owns the
// machine. They refuse requests that another site's page sends through a browser.
//
// Every call to a carrier passes the dial ([chaosdial.Dial]) and is an event in
// a feed of the last 500, without its query and body: look-ups carry CPR numbers.
// The clock can be put forward for the carriers; NemLog-in stays with the
// machine's, because a service provider would refuse assertions of tomorrow.
//
// What arrives stays under its directory in clear. Nothing here may ever hold
// a real letter.
package simulatorapp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest"
	"sikkerpost.dk/gateway/adapters/nemlogin/nemlogintest"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/internal/chaosdial"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// Config is what the simulators need.
type Config struct {
	// Dir keeps what arrives: digitalpost/log/, kombipost/log/, printhouse/<job id>/,
	// and settings.json.
	Dir string
	// Files keeps each message as digitalpost/<messageUUID>.xml, for whoever
	// counts files, in place of the log of segments. Keep bounds the bytes of
	// each carrier's log, about; 0 sets no bound.
	Files bool
	Keep  int64
	// Host is a loopback address; 127.0.0.1 when "".
	Host string
	// Open lets Host be any address. Whoever reaches it reads every box and
	// sends in every name that it has the keys for.
	Open bool
	// Ports; 0 means any free one.
	PagesPort, DigitalPostPort, NemLogInPort, KombiPostPort int
	// Web is the certificate of the pages, the API and NemLog-in.
	Web         tls.Certificate
	DigitalPost DigitalPost
	PrintHouse  PrintHouse
	NemLogIn    NemLogIn
	KombiPost   KombiPost
	// Seed is the dial's until it is turned.
	Seed uint64
	// LetterCerts are the certificates that evidence attached to a message is
	// checked with.
	LetterCerts []*x509.Certificate
	// MeMoSchema is the official MeMo_core.xsd; with it, xmllint judges messages
	// too when somebody looks.
	MeMoSchema string
	Tenants    []post.Tenant     // the demo's when nil
	Personas   []persona.Persona // the demo's when nil
}

// DigitalPost configures the simulated NgDP.
type DigitalPost struct {
	Certificate tls.Certificate // of its server
	ClientCAs   *x509.CertPool  // who may connect
	// Systems gives the sender system of each tenant.
	Systems map[post.TenantID]System
	// Delay is the time from the technical to the business receipt.
	Delay time.Duration
	// Unlisted is the registration of a number that is no persona's; "" means
	// that the look-up does not find it.
	Unlisted string
}

// System is one sender system; Fingerprint is the hex SHA-256 of its client
// certificate, or "" for any that the ClientCAs have issued.
type System struct{ ID, Token, Fingerprint string }

// PrintHouse configures the simulated print house.
type PrintHouse struct {
	Jobs, Events string // the folders that it shares with the gateway
	Identities   []age.Identity
	// Fates says what happens by itself to letters for a persona, by its key.
	Fates map[string]printhousetest.Fate
}

// App is the running simulators.
type App struct {
	cfg    Config
	log    *slog.Logger
	post   *digitalposttest.Server
	paper  *printhousetest.House
	idp    *nemlogintest.IDP
	kombi  *kombiSide // nil when it is not served
	places []place

	clock    *clock
	dial     *chaosdial.Dial
	limits   *limits
	settling sync.Mutex // one writes the settings at a time
	feed     *feed
	calls    *exchanges
	streams  atomic.Int32
	callback atomic.Bool // whether statuses are pushed

	idpHandler http.Handler

	pagesURL, digitalPostURL, nemLogInURL, kombiURL string
}

// place is one listener with what it serves.
type place struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// New opens everything and listens. It serves once Run runs.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*App, error) {
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if cfg.Tenants == nil {
		cfg.Tenants = persona.Tenants()
	}
	if cfg.Personas == nil {
		cfg.Personas = persona.All()
	}
	if err := cfg.check(log); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, log: log, clock: &clock{}, dial: chaosdial.New(cfg.Seed, endpoints...), calls: &exchanges{by: map[string]exchange{}}}
	a.limits = newLimits(time.Now)
	a.feed = newFeed(a.clock.now)
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// CheckHost refuses any host but a loopback address. Names are refused too:
// what localhost means is decided by a file.
func CheckHost(host string) error {
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return post.FaultNotLoopback.At("host %q", host)
	}
	return nil
}

// check names every gap.
func (c Config) check(log *slog.Logger) error {
	var gaps []error
	if err := CheckHost(c.Host); err != nil && !c.Open {
		return err
	}
	need := func(ok bool, name string) {
		if !ok {
			gaps = append(gaps, fmt.Errorf("simulator: %s is required", name))
		}
	}
	need(c.Dir != "", "Dir")
	need(len(c.Web.Certificate) > 0, "Web")
	need(len(c.DigitalPost.Certificate.Certificate) > 0, "DigitalPost.Certificate")
	need(c.DigitalPost.ClientCAs != nil, "DigitalPost.ClientCAs")
	need(len(c.DigitalPost.Systems) > 0, "DigitalPost.Systems")
	need(c.PrintHouse.Jobs != "" && c.PrintHouse.Events != "", "PrintHouse.Jobs and Events")
	need(len(c.PrintHouse.Identities) > 0, "PrintHouse.Identities")
	need(log != nil, "the logger")
	return errors.Join(gaps...)
}

func (a *App) open(ctx context.Context) error {
	if err := os.MkdirAll(a.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("open simulators: %w", err)
	}
	err := a.recall()
	if err != nil {
		return err
	}
	if a.post, err = digitalposttest.New(a.ngdp()); err != nil {
		return err
	}
	if a.paper, err = printhousetest.New(a.print()); err != nil {
		return err
	}
	web := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{a.cfg.Web}}
	a.pagesURL, err = a.listen(ctx, "pages", a.cfg.PagesPort, web, a.pages())
	if err != nil {
		return err
	}
	ngdp := digitalposttest.TLS(a.cfg.DigitalPost.Certificate, a.cfg.DigitalPost.ClientCAs)
	a.digitalPostURL, err = a.listen(ctx, "digital post", a.cfg.DigitalPostPort, ngdp, a.wired(twisted(a.post), ngdpEndpoint, refusesNgDP))
	if err != nil {
		return err
	}
	if err := a.openKombiPost(ctx); err != nil {
		return err
	}
	return a.openNemLogIn(ctx, web)
}

// ngdp describes the invented people and municipalities to the simulated NgDP.
func (a *App) ngdp() digitalposttest.Config {
	c := digitalposttest.Config{
		Systems:     map[string]digitalposttest.System{},
		Authorities: map[post.CVR][]digitalposttest.ContactPoint{},
		Dir:         filepath.Join(a.cfg.Dir, "digitalpost"),
		Files:       a.cfg.Files,
		Keep:        a.cfg.Keep,
		Delay:       a.cfg.DigitalPost.Delay,
		Unlisted:    a.cfg.DigitalPost.Unlisted,
		Log:         a.log,
		Now:         a.clock.now,
	}
	for _, t := range a.cfg.Tenants {
		c.Authorities[t.CVR] = []digitalposttest.ContactPoint{
			{ID: t.ContactPoint, Name: "Skriv til kommunen"},
			{ID: t.DPOContactPoint, Name: "Databeskyttelsesrådgiver", System: a.cfg.DigitalPost.Systems[t.ID].ID},
		}
		if s, ok := a.cfg.DigitalPost.Systems[t.ID]; ok {
			c.Systems[s.ID] = digitalposttest.System{Token: s.Token, CVR: t.CVR, Fingerprint: s.Fingerprint}
		}
	}
	for _, p := range a.cfg.Personas {
		c.Parties = append(c.Parties, digitalposttest.Party{Key: p.Key, Name: p.Name, CPR: p.CPR, CVR: p.CVR, Registration: p.Registration})
	}
	return c
}

func (a *App) print() printhousetest.Config {
	c := printhousetest.Config{
		Jobs: a.cfg.PrintHouse.Jobs, Events: a.cfg.PrintHouse.Events,
		Dir:        filepath.Join(a.cfg.Dir, "printhouse"),
		Identities: a.cfg.PrintHouse.Identities,
		Fates:      map[string]printhousetest.Fate{},
		Log:        a.log,
		Now:        a.clock.now,
		Carry:      a.carryNews,
	}
	for _, p := range a.cfg.Personas {
		if fate, ok := a.cfg.PrintHouse.Fates[p.Key]; ok {
			c.Fates[p.Name] = fate
		}
	}
	return c
}

// listen opens a listener and returns its https address without a slash at the
// end. A page is small and local, so slow callers are cut off early.
func (a *App) listen(ctx context.Context, name string, port int, c *tls.Config, h http.Handler) (string, error) {
	address := net.JoinHostPort(a.cfg.Host, fmt.Sprint(port))
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("listen for %s: %w", name, err)
	}
	c.NextProtos = []string{"http/1.1"}
	a.places = append(a.places, place{name, tls.NewListener(l, c), &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}})
	return "https://" + l.Addr().String(), nil
}

func (a *App) close() error {
	var errs []error
	for _, p := range a.places {
		errs = append(errs, p.listener.Close())
	}
	return errors.Join(errs...)
}

// URL returns the address of the start page.
func (a *App) URL() string { return a.pagesURL }

// DigitalPostURL returns the base of the simulated NgDP API.
func (a *App) DigitalPostURL() string { return a.digitalPostURL + digitalposttest.BasePath }

// NgDP returns the simulated Digital Post, for stories that run in-process.
func (a *App) NgDP() *digitalposttest.Server { return a.post }

// Paper returns the simulated print house, for stories that run in-process.
func (a *App) Paper() *printhousetest.House { return a.paper }

// drain is how long a request may take to end once the simulators stop; the
// longest is a page waiting for a message.
const drain = 2 * time.Second

// Run serves until ctx ends, lets open requests finish, and closes.
func (a *App) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, len(a.places))
	var running sync.WaitGroup
	for _, p := range a.places {
		running.Go(func() {
			p.server.BaseContext = func(net.Listener) context.Context { return ctx }
			if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", p.name, err)
				stop()
			}
		})
	}
	running.Go(func() {
		if err := a.paper.Run(ctx); err != nil {
			failed <- err
			stop()
		}
	})
	if a.kombi != nil {
		running.Go(func() { a.pushing(ctx) })
	}
	<-ctx.Done()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, p := range a.places {
		if p.server.Shutdown(bounded) != nil {
			_ = p.server.Close() // cut off whoever is left
		}
	}
	running.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
