package dispatcherapp

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/clamd"
	"sikkerpost.dk/gateway/adapters/digitalpost"
	"sikkerpost.dk/gateway/internal/certwatch"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// mailEvery is how often messages are fetched.
const mailEvery = 15 * time.Second

// digitalClient opens Digital Post as the sender systems of the tenants. Its
// certificate renews itself.
func digitalClient(cfg config.DigitalPost, log *slog.Logger) (*digitalpost.Client, error) {
	var client *digitalpost.Client
	pair, err := certwatch.Open(certwatch.Config{Name: "digital post", CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile,
		Load: config.LoadPair, Log: log, Changed: func() { _ = client.Close() }})
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool // nil: those of the system
	if cfg.TLS.CAFile != "" {
		if roots, err = config.ReadPool(cfg.TLS.CAFile); err != nil {
			return nil, err
		}
	}
	systems, err := readSystems(cfg.Systems)
	if err != nil {
		return nil, err
	}
	client, err = digitalpost.New(digitalpost.Config{BaseURL: cfg.BaseURL, Renewed: pair.Client, RootCAs: roots, Systems: systems,
		ReceiptsSingly: cfg.ReceiptsSingly, OriginatorAsSender: cfg.OriginatorAsSender, HTTP2: cfg.HTTP2,
		MemoVersion: cfg.MemoVersion, BulkText: cfg.BulkText, BareVersions: cfg.BareVersions, RecipientCodes: cfg.RecipientCodes, Log: log})
	return client, err
}

func readSystems(all map[post.TenantID]config.System) (map[post.TenantID]digitalpost.System, error) {
	systems := map[post.TenantID]digitalpost.System{}
	for tenant, s := range all {
		token, err := config.ReadSecret(s.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("digital post system of %s: %w", tenant, err)
		}
		systems[tenant] = digitalpost.System{ID: s.ID, Token: token}
	}
	return systems, nil
}

// mail returns the tasks that take in what is written to the tenants by Digital
// Post, and what is pushed; none when neither is configured.
func (a *App) mail(cfg config.Dispatcher, blobs *blobstore.Store, k keys, digital *digitalpost.Client) ([]daemon.Task, error) {
	m := cfg.DigitalPost.Mail
	if len(m.Systems) == 0 && m.Push.Listen == "" {
		return nil, nil
	}
	systems, err := readSystems(m.Systems)
	if err != nil {
		return nil, err
	}
	var pushed map[post.TenantID]digitalpost.System
	if m.Push.Listen != "" { // what is pushed is answered by the tenant's own system
		if pushed, err = readSystems(cfg.DigitalPost.Systems); err != nil {
			return nil, err
		}
	}
	box := digital.Mailbox(systems, pushed)
	room, err := a.mailroom(cfg, blobs, k, box)
	if err != nil {
		return nil, err
	}
	tasks := []daemon.Task{
		{Name: "mail room", Run: func(ctx context.Context) error { return room.Run(ctx, cmp.Or(m.Every, mailEvery)) }},
		{Name: "contact points", Run: func(ctx context.Context) error { a.checkPoints(ctx, cfg, digital, box); <-ctx.Done(); return nil }},
	}
	if m.Push.Listen == "" {
		return tasks, nil
	}
	push, err := a.push(cfg, k, room)
	return append(tasks, push), err
}

// checkPoints reports the contact points of ours at which nobody could write: a
// mistake in Digital Post's administration shows nowhere else.
func (a *App) checkPoints(ctx context.Context, cfg config.Dispatcher, digital *digitalpost.Client, box *digitalpost.Mailbox) {
	for _, t := range cfg.Tenants {
		if !box.Serves(t.ID) {
			continue
		}
		all, err := digital.ContactPoints(ctx, t.ID)
		if err != nil {
			if ctx.Err() == nil {
				a.log.WarnContext(ctx, "contact points not checked", slog.String("tenant", string(t.ID)), slog.Any("error", err))
			}
			continue
		}
		if box.Owns(digitalpost.SystemBehind(all, t.ContactPoint)) {
			a.log.ErrorContext(ctx, "contact point leads back to us", slog.String("tenant", string(t.ID)), slog.String("contact_point", t.ContactPoint),
				slog.Any("error", post.FaultContactPointLoops))
		}
		ours := []string{t.DPOContactPoint}
		for _, p := range cfg.DigitalPost.Mail.ContactPoints {
			if p.Tenant == t.ID {
				ours = append(ours, p.ID)
			}
		}
		for _, id := range ours {
			if why := digitalpost.Wanting(all, id); why != "" {
				a.log.ErrorContext(ctx, "contact point takes no mail", slog.String("tenant", string(t.ID)), slog.String("contact_point", id), slog.String("why", why))
			}
		}
	}
}

func (a *App) mailroom(cfg config.Dispatcher, blobs *blobstore.Store, k keys, box *digitalpost.Mailbox) (*mailroom.Room, error) {
	inboxes := map[post.InboxID][]age.Recipient{}
	for _, i := range cfg.Inboxes {
		r, err := seal.ReadRecipientsFile(i.RecipientsFile)
		if err != nil {
			return nil, fmt.Errorf("inbox %s: %w", i.ID, err)
		}
		inboxes[i.ID] = r
	}
	points := mailroom.Points(cfg.Tenants)
	for _, p := range cfg.DigitalPost.Mail.ContactPoints {
		points[p.ID] = mailroom.Point{Tenant: p.Tenant, Inbox: p.Inbox, Kind: p.Kind}
	}
	checkpoint, _, err := ledger.ReadSigner(cfg.CheckpointKeyFile)
	if err != nil {
		return nil, err
	}
	sign, err := mailroom.Signer(checkpoint, time.Now())
	if err != nil {
		return nil, err
	}
	var scanner intake.Scanner = intake.NoScanner{}
	if address := cfg.DigitalPost.Mail.Clamd; address != "" {
		if scanner, err = clamd.New(address); err != nil {
			return nil, err
		}
	} else {
		a.log.Warn("malware scanner not configured; files that come by mail are not scanned")
	}
	return mailroom.New(mailroom.Config{
		Shelf: a.store, Desk: a.store, Sources: []mailroom.Source{box}, Reader: box, Blobs: blobs, Opener: unseal.Opener{k.identity},
		Dispatcher: k.recipient, Tenants: cfg.Tenants, Points: points, Inboxes: inboxes, IndexKey: k.index,
		Sign: sign, Scanner: scanner, Log: a.log,
	})
}

// push is the listener to which Digital Post pushes messages and receipts.
func (a *App) push(cfg config.Dispatcher, k keys, room *mailroom.Room) (daemon.Task, error) {
	var tenants []post.TenantID
	for _, t := range cfg.Tenants {
		tenants = append(tenants, t.ID)
	}
	dataKeys := letter.NewKeys(k.recipient, a.store.PutDataKey)
	c := cfg.DigitalPost.Mail.Push
	receiver, err := digitalpost.NewReceiver(digitalpost.PushConfig{
		Tenants: tenants, Peer: certwatch.Peers(c.Peers...), Log: a.log, Owner: a.store.HandOverOwner,
		RecipientCodes: cfg.DigitalPost.RecipientCodes,
		Memos:          room.Push("digitalpost"),
		Receipts: func(ctx context.Context, r track.Receipt) error {
			key, err := dataKeys.Current(ctx)
			if err != nil {
				return err
			}
			if r.Raw, err = seal.Small(r.Raw, key); err != nil {
				return fmt.Errorf("seal receipt: %w", err)
			}
			if err := a.store.KeepReceipts(ctx, []track.Receipt{r}); err != nil {
				return err
			}
			return room.Heard(ctx, r.Carrier, r.Tenant)
		},
	})
	if err != nil {
		return daemon.Task{}, err
	}
	secure, err := config.ServerTLS(c.TLS)
	if err != nil {
		return daemon.Task{}, err
	}
	if err := certwatch.Serve(secure, certwatch.Config{Name: "digital post push", CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, Load: config.LoadPair, Log: a.log}); err != nil {
		return daemon.Task{}, err
	}
	listener, err := net.Listen("tcp", c.Listen) //nolint:noctx // it listens until the program ends
	if err != nil {
		return daemon.Task{}, fmt.Errorf("listen: %w", err)
	}
	task, err := daemon.Serve(daemon.Server{Name: "digital post push", Listener: listener, Handler: receiver, TLS: secure, Log: a.log})
	if err != nil {
		return task, errors.Join(err, listener.Close())
	}
	return task, nil
}
