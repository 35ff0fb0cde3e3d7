// Package deskapp assembles desk: database, blob store, inboxes, letters,
// batches and the API over mutual TLS, with an admin listener beside.
//
// New opens everything or nothing: on failure it closes what it had opened and
// says which part was wrong. Desk holds no key that opens an inquiry in tool
// custody and none that signs; it seals letters under data keys that only the
// dispatcher can open later. When the queue is down desk goes on taking
// letters: the sweeper finds them.
package deskapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/asynqueue"
	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/deskapi"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/cmd/internal/papercheck"
	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/inbound/inbox"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/outbound/trace"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// App is desk, listening.
type App struct {
	url   string
	log   *slog.Logger
	store *sqlstore.Store
	bell  *asynqueue.Queue
	tasks []daemon.Task
}

var (
	_ daemon.App      = (*App)(nil)
	_ deskapi.Answers = (*sqlstore.Store)(nil)
	_ inbox.Blobs     = (*blobstore.Store)(nil)
	_ batch.Blobs     = (*blobstore.Store)(nil)
)

// New opens everything that desk needs and listens.
func New(ctx context.Context, cfg config.Desk, log *slog.Logger) (*App, error) {
	store, err := sqlstore.OpenTelling(ctx, cfg.Database, log)
	if err != nil {
		return nil, err
	}
	a := &App{log: log, store: store}
	if err := a.assemble(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("assemble desk: %w", err), a.close())
	}
	return a, nil
}

func (a *App) assemble(ctx context.Context, cfg config.Desk) error {
	api, err := a.api(ctx, cfg)
	if err != nil {
		return err
	}
	own, err := config.LoadPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		return err
	}
	secure := deskapi.TLS(own)
	if err := certwatch.Serve(secure, certwatch.Config{Name: "desk", CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, Load: config.LoadPair, Log: a.log}); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	https, err := daemon.Serve(daemon.Server{
		Name: "desk https", Listener: listener, Handler: api, TLS: secure, Log: a.log,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	a.url = "https://" + listener.Addr().String()
	a.tasks = []daemon.Task{https}
	if cfg.Admin != "" {
		a.tasks = append(a.tasks, daemon.Admin(cfg.Admin, map[string]func(context.Context) error{"database": a.store.Ping}))
	}
	return nil
}

func (a *App) api(ctx context.Context, cfg config.Desk) (*deskapi.Server, error) {
	cfg.Tenants = cfg.Senders()
	blobs, err := blobstore.Open(cfg.Blobs)
	if err != nil {
		return nil, err
	}
	to, err := dispatcher(cfg.DispatcherRecipientFile)
	if err != nil {
		return nil, err
	}
	index, err := config.ReadHexKey(cfg.IndexKeyFile)
	if err != nil {
		return nil, err
	}
	bell, err := newBell(cfg, a.log)
	if err != nil {
		return nil, err
	}
	a.bell = bell
	issuers, err := config.ReadPool(cfg.TLS.CAFile)
	if err != nil {
		return nil, err
	}
	in, err := inbox.New(inbox.Config{Lister: a.store, Store: a.store, Blobs: blobs, Log: a.log})
	if err != nil {
		return nil, err
	}
	look, err := papercheck.New(cfg.Paper)
	if err != nil {
		return nil, err
	}
	papercheck.Say(ctx, a.log, cfg.Paper, cfg.Tenants)
	letters, err := letter.New(letter.Config{
		Store: a.store, Records: a.store, Holds: a.store, Blobs: blobs, Dispatcher: to, IndexKey: index, Tenants: cfg.Tenants, Bell: bell, Log: a.log,
		Preflight: look,
	})
	if err != nil {
		return nil, err
	}
	batches, err := batch.New(batch.Config{
		Store: a.store, PutDataKey: a.store.PutDataKey, Blobs: blobs, Dispatcher: to, IndexKey: index, Tenants: cfg.Tenants, Log: a.log,
		Preflight: look,
	})
	if err != nil {
		return nil, err
	}
	return deskapi.New(deskapi.Config{
		Inbox: in, Letters: letters, Batches: batches, Answers: a.store, Pauses: a.store,
		Mailroom:  &track.Mailroom{Store: a.store, Log: a.log},
		Receipts:  &track.Hands{Drawer: a.store, Log: a.log},
		Traces:    &trace.Desk{Questions: a.store, Letters: a.store},
		LookUps:   &lookup.Desk{Drawer: a.store},
		Mail:      &mailroom.Hands{Drawer: a.store, Tenants: cfg.Tenants, Log: a.log},
		Preflight: look, Released: a.released,
		Clients: cfg.Clients, Tenants: cfg.Tenants, Issuers: issuers, Log: a.log,
	})
}

// dispatcher reads the one recipient that data keys are wrapped to.
func dispatcher(path string) (age.Recipient, error) {
	all, err := seal.ReadRecipientsFile(path)
	if err != nil {
		return nil, fmt.Errorf("dispatcher recipient: %w", err)
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("dispatcher recipient: %d recipients in the file, want one", len(all))
	}
	return all[0], nil
}

// URL is where clients reach desk.
func (a *App) URL() string { return a.url }

// Run serves until ctx ends, then drains and closes.
func (a *App) Run(ctx context.Context) error {
	return errors.Join(daemon.Run(ctx, a.log, a.tasks...), a.close())
}

func (a *App) close() error {
	var errs []error
	if a.bell != nil {
		errs = append(errs, a.bell.Close())
	}
	return errors.Join(append(errs, a.store.Close())...)
}
