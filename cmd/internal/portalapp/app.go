// Package portalapp assembles the portal: database, blob store, log-in, intake
// and pages, served over HTTPS with an admin listener beside.
//
// New opens everything or nothing: on failure it closes what it had opened and
// says which part was wrong. It holds no key that opens an inquiry.
package portalapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/clamd"
	"sikkerpost.dk/gateway/adapters/nemlogin"
	"sikkerpost.dk/gateway/adapters/portalweb"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/draft"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// App is a portal that listens.
type App struct {
	url   string
	log   *slog.Logger
	store *sqlstore.Store
	tasks []daemon.Task
}

var _ daemon.App = (*App)(nil)

// New opens everything and listens.
func New(ctx context.Context, cfg config.Portal, log *slog.Logger) (*App, error) {
	store, err := sqlstore.OpenTelling(ctx, cfg.Database, log)
	if err != nil {
		return nil, err
	}
	a := &App{url: cfg.PublicURL, log: log, store: store}
	if err := a.assemble(ctx, cfg); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return a, nil
}

func (a *App) assemble(ctx context.Context, cfg config.Portal) error {
	blobs, err := blobstore.Open(cfg.Blobs)
	if err != nil {
		return err
	}
	ready := map[string]func(context.Context) error{"database": a.store.Ping}
	ring := draft.NewRing()
	desk, err := a.intake(cfg, blobs, ring, ready)
	if err != nil {
		return err
	}
	sp, err := a.login(cfg, ring)
	if err != nil {
		return err
	}
	site, err := a.site(cfg, desk, sp)
	if err != nil {
		return err
	}
	secure, err := config.ServerTLS(cfg.TLS)
	if err != nil {
		return err
	}
	if err := certwatch.Serve(secure, certwatch.Config{Name: "portal", CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, Load: config.LoadPair, Log: a.log}); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	https, err := daemon.Serve(daemon.Server{
		Name: "portal https", Listener: listener, Handler: site, TLS: secure, Log: a.log,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	a.tasks = append(a.tasks, https, daemon.Task{Name: "draft janitor", Run: desk.Run},
		daemon.Task{Name: "log-in watch", Run: nemlogin.NewWatcher(sp.SP, cfg.SAML.IDPMetadata).Run})
	if cfg.Admin != "" {
		a.tasks = append(a.tasks, daemon.Admin(cfg.Admin, ready))
	}
	return nil
}

// intake assembles what takes inquiries.
func (a *App) intake(cfg config.Portal, blobs *blobstore.Store, ring *draft.Ring, ready map[string]func(context.Context) error) (*intake.Desk, error) {
	inboxes := map[post.InboxID][]age.Recipient{}
	for _, i := range cfg.Inboxes {
		r, err := seal.ReadRecipientsFile(i.RecipientsFile)
		if err != nil {
			return nil, fmt.Errorf("inbox %s: %w", i.ID, err)
		}
		inboxes[i.ID] = r
	}
	dispatcher, err := seal.ReadRecipientsFile(cfg.DispatcherRecipientFile)
	if err != nil {
		return nil, fmt.Errorf("dispatcher recipient: %w", err)
	}
	index, err := config.ReadHexKey(cfg.IndexKeyFile)
	if err != nil {
		return nil, err
	}
	signing, err := signing(cfg)
	if err != nil {
		return nil, err
	}
	var scanner intake.Scanner = intake.NoScanner{}
	if cfg.Clamd != "" {
		c, err := clamd.New(cfg.Clamd)
		if err != nil {
			return nil, err
		}
		scanner, ready["malware scanner"] = c, c.Ping
	} else {
		a.log.Warn("malware scanner not configured; attachments are marked as not scanned")
	}
	return intake.New(intake.Config{
		Drafts: a.store, Inquiries: a.store, Receipts: a.store, Ledger: a.store, Blobs: blobs, Ring: ring,
		Tenants: cfg.Tenants, Inboxes: inboxes, Dispatcher: dispatcher, IndexKey: index,
		Signing: signing, Scanner: scanner, Log: a.log,
	})
}

// signing reads the receipt key, and what the ledger says of it.
func signing(cfg config.Portal) (s intake.Signing, err error) {
	if s.Key, s.VKey, err = ledger.ReadSigner(cfg.ReceiptKeyFile); err != nil {
		return s, err
	}
	if s.Cert, err = os.ReadFile(cfg.ReceiptCertFile); err != nil {
		return s, fmt.Errorf("read certificate of the receipt key: %w", err)
	}
	public, err := os.ReadFile(cfg.LedgerKeyFile)
	if err != nil {
		return s, fmt.Errorf("read the ledger's public key: %w", err)
	}
	s.LogKeys, err = ledger.Known(strings.TrimSpace(string(public)))
	return s, err
}

// provider is the log-in and what its pages need of the site.
type provider struct {
	*nemlogin.SP
	origins []string // of NemLog-in
	// page shows a refusal on a page of the site, which in turn needs the log-in:
	// the one knot here.
	page func(w http.ResponseWriter, r *http.Request, f *post.Fault, ref string)
}

// login assembles the service provider and its archive.
func (a *App) login(cfg config.Portal, ring *draft.Ring) (*provider, error) {
	sessions, err := login.New(login.Config{Store: a.store, Sealer: ring, Idle: cfg.Idle, Absolute: cfg.Absolute})
	if err != nil {
		return nil, err
	}
	saml, err := nemlogin.Load(cfg.SAML, cfg.PublicURL)
	if err != nil {
		return nil, err
	}
	p := &provider{origins: origins(saml.IDP.SSO, saml.IDP.SLO)}
	saml.Sessions, saml.Audit, saml.Log = sessions, a.store, a.log
	saml.OnFault = func(w http.ResponseWriter, r *http.Request, f *post.Fault, ref string) { p.page(w, r, f, ref) }
	if cfg.SAML.ArchiveRecipients != "" {
		to, err := seal.ReadRecipientsFile(cfg.SAML.ArchiveRecipients)
		if err != nil {
			return nil, fmt.Errorf("archive of log-in messages: %w", err)
		}
		archive, err := login.NewArchive(a.store, func(b []byte) ([]byte, error) { return seal.Small(b, to...) }, a.log, nil)
		if err != nil {
			return nil, err
		}
		saml.Archive = archive
		a.tasks = append(a.tasks, daemon.Task{Name: "log-in archive", Run: archive.Run})
	} else {
		a.log.Warn("log-in messages are not archived; the federation wants them for 180 days")
	}
	p.SP, err = nemlogin.New(saml)
	return p, err
}

// site assembles the pages.
func (a *App) site(cfg config.Portal, desk *intake.Desk, sp *provider) (http.Handler, error) {
	var rules []portalweb.PageRule
	for _, p := range cfg.Pages {
		rule := portalweb.PageRule{Path: p.Path, Fresh: p.Fresh}
		if p.Level != "" {
			level, err := login.ParseLevel(p.Level)
			if err != nil {
				return nil, fmt.Errorf("page %s: %w", p.Path, err)
			}
			rule.Level = level
		}
		rules = append(rules, rule)
	}
	limits, err := limits(cfg.Limits)
	if err != nil {
		return nil, err
	}
	site, err := portalweb.New(portalweb.Config{
		Intake: desk, Sessions: sp, SAML: sp.Handler(), LoginPath: nemlogin.PathLogin, LogoutPath: nemlogin.PathLogout,
		Tenants: cfg.Tenants, FormOrigins: sp.origins, LedgerDir: cfg.LedgerDir, Pages: rules, Limits: limits, Log: a.log,
		About: portalweb.About{Accessibility: cfg.AccessibilityURL, Privacy: cfg.PrivacyURL},
	})
	if err != nil {
		return nil, err
	}
	sp.page = site.LoginFault
	return site, nil
}

// limits are what the configuration says of the doors.
func limits(c config.Doors) (l portalweb.Limits, err error) {
	if l.Proxies.Trusted, err = c.Proxies(); err != nil {
		return l, err
	}
	l.Proxies.Header = c.ProxyHeader
	for _, d := range []struct {
		from config.Door
		to   *portalweb.Door
	}{{c.Login, &l.Login}, {c.Answer, &l.Answer}, {c.Page, &l.Page}} {
		*d.to = portalweb.Door{
			Each: portalweb.Rate{PerMinute: d.from.EachMinute, Burst: d.from.EachBurst},
			All:  portalweb.Rate{PerMinute: d.from.AllMinute, Burst: d.from.AllBurst},
		}
	}
	return l, nil
}

// origins returns scheme://host of each address, without repeats.
func origins(addresses ...string) []string {
	var all []string
	seen := map[string]bool{}
	for _, a := range addresses {
		u, err := url.Parse(a)
		if err != nil || u.Host == "" {
			continue
		}
		if o := u.Scheme + "://" + u.Host; !seen[o] {
			seen[o] = true
			all = append(all, o)
		}
	}
	return all
}

// URL is where citizens reach the portal.
func (a *App) URL() string { return a.url }

// Run serves until ctx ends, drains and closes.
func (a *App) Run(ctx context.Context) error {
	err := daemon.Run(ctx, a.log, a.tasks...)
	return errors.Join(err, a.store.Close())
}
