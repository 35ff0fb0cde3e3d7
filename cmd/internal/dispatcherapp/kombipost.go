package dispatcherapp

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// kombiClient opens the Postkomponent as the user systems of the tenants. Their
// certificates renew themselves; a file that several name is watched once.
func kombiClient(all config.Dispatcher, log *slog.Logger) (*kombipost.Client, error) {
	cfg := all.KombiPost
	roots, err := poolOf(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	watched := map[string]*certwatch.Pair{}
	systems := map[post.TenantID]kombipost.System{}
	for _, tenant := range all.Tenants {
		s, ok := cfg.Systems[tenant.ID]
		if !ok {
			continue
		}
		files := s.CertFile + "\x00" + s.KeyFile
		if watched[files] == nil {
			watched[files], err = certwatch.Open(certwatch.Config{Name: "kombipost " + string(tenant.ID), CertFile: s.CertFile, KeyFile: s.KeyFile,
				Load: config.LoadPair, Log: log})
			if err != nil {
				return nil, err
			}
		}
		pair := watched[files]
		systems[tenant.ID] = kombipost.System{CVR: tenant.CVR, Renewed: pair.Current, Paper: kombipost.Paper(s.Paper)}
	}
	return kombipost.New(kombipost.Config{TokenURL: cfg.TokenURL, ServiceURL: cfg.ServiceURL, RootCAs: roots, Systems: systems,
		HTTP2: cfg.HTTP2, RequestID: cfg.RequestID, BusyTookNothing: cfg.BusyTookNothing, MemoVersion: cfg.MemoVersion, PaperLimit: cfg.PaperLimit, Codes: meanings(cfg.Codes), Log: log})
}

// poolOf reads whom to trust; nil is the machine's authorities.
func poolOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // TLS takes nil for the system's
	}
	return config.ReadPool(file)
}

func meanings(codes map[string]string) map[string]kombipost.Meaning {
	all := map[string]kombipost.Meaning{}
	for code, m := range codes {
		all[code] = kombipost.Meaning(m)
	}
	return all
}

// sealer seals what carriers send to the dispatcher, under a data key of its own.
func (a *App) sealer(k keys) func(context.Context, []byte) ([]byte, error) {
	dataKeys := letter.NewKeys(k.recipient, a.store.PutDataKey)
	return func(ctx context.Context, raw []byte) ([]byte, error) {
		key, err := dataKeys.Current(ctx)
		if err != nil {
			return nil, err
		}
		return seal.Small(raw, key)
	}
}

// statuses returns the tasks that take in what Beskedfordeler has to say: by a
// listener of its own, by asking, or both.
func (a *App) statuses(cfg config.Dispatcher, k keys, client *kombipost.Client) ([]daemon.Task, error) {
	if client == nil {
		return nil, nil
	}
	return a.statusTasks(cfg, client, kombipost.InboxOf(a.store, a.sealer(k)))
}

// statusConfig says how statuses are read.
func (a *App) statusConfig(cfg config.Dispatcher, client *kombipost.Client, inbox kombipost.Inbox) kombipost.StatusConfig {
	c := cfg.KombiPost
	read := kombipost.StatusConfig{
		Inbox: inbox, Tenants: map[post.CVR]post.TenantID{}, Codes: meanings(c.Codes),
		Updates: map[string]track.Kind{}, Senders: map[string]kombipost.Sender{}, Log: a.log,
	}
	for _, t := range cfg.Tenants {
		if client.Serves(t.ID) {
			read.Tenants[t.CVR] = t.ID
		}
	}
	for kind, means := range c.Updates {
		read.Updates[kind] = track.Kind(means)
	}
	for _, s := range c.Senders {
		read.Senders[s.ID] = kombipost.SenderOn(s.Name, s.Channel)
	}
	return read
}

// statusTasks brings what comes into inbox.
func (a *App) statusTasks(cfg config.Dispatcher, client *kombipost.Client, inbox kombipost.Inbox) ([]daemon.Task, error) {
	c, read := cfg.KombiPost, a.statusConfig(cfg, client, inbox)
	var tasks []daemon.Task
	if c.Push.Listen != "" {
		task, err := a.statusPush(c, read)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, task)
	}
	if c.Pull.Address != "" {
		roots, err := poolOf(cmp.Or(c.Pull.CAFile, c.CAFile))
		if err != nil {
			return nil, err
		}
		puller, err := kombipost.NewPuller(kombipost.PullConfig{StatusConfig: read, Address: c.Pull.Address, VirtualHost: c.Pull.VirtualHost,
			RootCAs: roots, Queues: c.Pull.Queues, Prefetch: c.Pull.Prefetch}, client)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, daemon.Task{Name: "kombipost pull", Run: puller.Run})
	}
	return tasks, nil
}

// statusPush is the listener to which Beskedfordeler pushes. It asks every caller
// for a certificate, and believes those that are named only.
func (a *App) statusPush(c config.KombiPost, read kombipost.StatusConfig) (daemon.Task, error) {
	receiver, err := kombipost.NewReceiver(kombipost.PushConfig{
		StatusConfig: read, Peer: certwatch.Peers(c.Push.Peers...), RefuseUnreadable: c.RefuseUnreadable})
	if err != nil {
		return daemon.Task{}, err
	}
	secure, err := config.ServerTLS(c.Push.TLS)
	if err != nil {
		return daemon.Task{}, err
	}
	pair, err := certwatch.Open(certwatch.Config{Name: "kombipost push", CertFile: c.Push.TLS.CertFile, KeyFile: c.Push.TLS.KeyFile, Load: config.LoadPair, Log: a.log})
	if err != nil {
		return daemon.Task{}, err
	}
	pair.Server(secure)
	listener, err := net.Listen("tcp", c.Push.Listen) //nolint:noctx // it listens until the program ends
	if err != nil {
		return daemon.Task{}, fmt.Errorf("listen for statuses: %w", err)
	}
	a.kombiPushURL = "https://" + listener.Addr().String()
	task, err := daemon.Serve(daemon.Server{Name: "kombipost push", Listener: listener, Handler: receiver, TLS: secure, Log: a.log})
	if err != nil {
		return task, errors.Join(err, listener.Close())
	}
	return task, nil
}

// KombiPushURL is where Beskedfordeler pushes to; "" when nothing listens there.
func (a *App) KombiPushURL() string { return a.kombiPushURL }
