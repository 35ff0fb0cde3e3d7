// Package dispatcherapp assembles the dispatcher: it opens letters, signs them,
// hands them to Digital Post or to the print house, matches their receipts,
// carries mail to the municipality, integrates the ledger and purges what is
// over.
//
// New opens everything or nothing: on failure it closes what it had opened and
// says which part was wrong. A database that is older than its published ledger is
// refused before anything else. A dead Redis is no failure: the sweeper does the
// work then.
package dispatcherapp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"sikkerpost.dk/gateway/adapters/asynqueue"
	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/pkcs11key"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/forward"
	"sikkerpost.dk/gateway/internal/outbound/sign"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// App is a dispatcher, assembled.
type App struct {
	url   string
	log   *slog.Logger
	store *sqlstore.Store
	queue *asynqueue.Queue
	tasks []daemon.Task

	integrator *ledger.Integrator

	kombiPushURL string
}

var (
	_ daemon.App     = (*App)(nil)
	_ forward.Store  = (*sqlstore.Store)(nil)
	_ dispatch.Store = (*sqlstore.Store)(nil)
)

// New opens everything. cfg has passed its check.
func New(ctx context.Context, cfg config.Dispatcher, log *slog.Logger) (*App, error) {
	store, err := sqlstore.OpenTelling(ctx, cfg.Database, log)
	if err != nil {
		return nil, err
	}
	a := &App{log: log, store: store}
	if err := a.openLedger(ctx, cfg); err != nil {
		return nil, errors.Join(err, a.close())
	}
	if err := a.assemble(cfg); err != nil { //nolint:contextcheck // data keys are opened for as long as the program runs
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// URL is the address of the admin listener: the dispatcher serves nobody else.
func (a *App) URL() string { return a.url }

// Run works until ctx ends, finishes the steps in hand and closes.
func (a *App) Run(ctx context.Context) error {
	return errors.Join(daemon.Run(ctx, a.log, a.tasks...), a.close())
}

func (a *App) close() error {
	err := a.store.Close()
	if a.queue != nil {
		err = errors.Join(err, a.queue.Close())
	}
	return err
}

// keys is what the dispatcher opens and seals with.
type keys struct {
	identity  age.Identity
	recipient age.Recipient
	index     []byte
}

func (a *App) assemble(cfg config.Dispatcher) error {
	cfg.Tenants = cfg.Senders()
	blobs, err := blobstore.Open(cfg.Blobs)
	if err != nil {
		return err
	}
	k, err := a.keys(cfg)
	if err != nil {
		return err
	}
	if err := a.openQueue(cfg); err != nil {
		return err
	}
	by, err := openCarriers(cfg, a.log)
	if err != nil {
		return err
	}
	signer, err := letterSigner(cfg)
	if err != nil {
		return err
	}
	advancer, err := a.advancer(cfg, blobs, k, signer, by)
	if err != nil {
		return err
	}
	batches, signing, releasing, err := a.batchSigner(advancer, signer)
	if err != nil {
		return err
	}
	forwarder, err := forward.New(forward.Config{Store: a.store, Blobs: blobs, Identity: k.identity,
		Dispatcher: k.recipient, IndexKey: k.index, Tenants: cfg.Tenants, Bell: a.queue, Log: a.log})
	if err != nil {
		return err
	}
	run := runner(advancer, forwarder, func() { signing.ring(); releasing.ring() })
	sweeper, err := queue.NewSweeper(queue.SweeperConfig{Jobs: a.store, Doorbell: a.queue, Run: run,
		Together: map[queue.Kind]int{queue.AdvanceLetter: dispatch.Together}, Every: cfg.Sweep, Log: a.log})
	if err != nil {
		return err
	}
	due := newMoved(advancer.AdvanceDue, a.log)
	matcher, err := a.matcher(k, due, by.sources()...)
	if err != nil {
		return err
	}
	every := sweeper.Every
	a.tasks = []daemon.Task{
		{Name: "workers", Run: func(ctx context.Context) error { return a.queue.Work(ctx, asynqueue.Workers{}, a.noticed(run)) }},
		{Name: "sweeper", Run: sweeper.Loop},
		{Name: "batch signer", Run: a.rungLoop(min(every, mostPoll), signing, "batch not signed", func(ctx context.Context, _ bool) error { return batches.Step(ctx) })},
		{Name: "batch releaser", Run: a.rungLoop(min(every, mostPoll), releasing, "batch release failed", a.release(due))},
		{Name: "receipt matcher", Run: func(ctx context.Context) error { matcher.Run(ctx, min(every, mostPoll)); return nil }},
		{Name: "letters moved or released", Run: due.run},
		{Name: "ledger integrator", Run: a.integrator.Run},
	}
	upkeep, err := a.upkeep(advancer, blobs, cfg.Tenants)
	if err != nil {
		return err
	}
	mail, err := a.mail(cfg, blobs, k, by.digital)
	if err != nil {
		return err
	}
	said, err := a.said(cfg, k, by, min(every, mostPoll))
	if err != nil {
		return err
	}
	a.tasks = slices.Concat(a.tasks, upkeep, mail, said)
	if cfg.Admin != "" {
		a.url = "http://" + cfg.Admin
		a.tasks = append(a.tasks, daemon.Admin(cfg.Admin, map[string]func(context.Context) error{
			"database": a.store.Ping, "ledger": a.integrator.Ready,
		}))
	}
	return nil
}

func (a *App) openQueue(cfg config.Dispatcher) error {
	secret, err := config.ReadHexKey(cfg.TaskKeyFile)
	if err != nil {
		return err
	}
	key, err := queue.NewKey(secret)
	if err != nil {
		return err
	}
	a.queue, err = asynqueue.New(cfg.Redis, key, a.log)
	return err
}

// mostPoll bounds how long a carrier's receipt waits to be fetched.
const mostPoll = 5 * time.Second

func (a *App) keys(cfg config.Dispatcher) (keys, error) {
	var k keys
	ids, err := unseal.ReadIdentitiesFile(cfg.IdentityFile)
	if err != nil {
		return k, err
	}
	// Both what is sealed to the dispatcher itself and what is sealed under a
	// data key that is wrapped to it.
	k.identity = either(append(ids, unseal.DataKeys(context.Background(), a.store, ids...)))
	recipients, err := seal.ReadRecipientsFile(cfg.DispatcherRecipientFile)
	if err != nil {
		return k, err
	}
	if len(recipients) == 0 {
		return k, errors.New("dispatcher recipient: the file names none")
	}
	k.recipient = recipients[0]
	k.index, err = config.ReadHexKey(cfg.IndexKeyFile)
	return k, err
}

// either opens with the first identity that fits.
type either []age.Identity

// Unwrap implements age.Identity.
func (e either) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, id := range e {
		key, err := id.Unwrap(stanzas)
		if errors.Is(err, age.ErrIncorrectIdentity) {
			continue
		}
		return key, err
	}
	return nil, age.ErrIncorrectIdentity
}

// letterSigner takes the letters' key from its file or from its token, to which
// the program stays logged in until it ends.
func letterSigner(cfg config.Dispatcher) (*sign.Signer, error) {
	if t := cfg.LetterToken; t.ModuleFile != "" {
		pin, err := config.ReadSecret(t.PINFile)
		if err != nil {
			return nil, err
		}
		cert, err := config.LoadCertificate(cfg.LetterCertFile)
		if err != nil {
			return nil, err
		}
		key, err := pkcs11key.Open(pkcs11key.Key{Module: t.ModuleFile, Token: t.Token, Label: t.Label, PIN: pin})
		if err != nil {
			return nil, err
		}
		return sign.New(key, cert)
	}
	key, cert, err := config.LoadSigner(cfg.LetterCertFile, cfg.LetterKeyFile)
	if err != nil {
		return nil, err
	}
	return sign.New(key, cert)
}

// letterCerts are the certificates that letters under way may be signed with: the
// present one, and those that are named besides.
func letterCerts(cfg config.Dispatcher, signer *sign.Signer) ([]*x509.Certificate, error) {
	certs := []*x509.Certificate{signer.Certificate()}
	if cfg.OtherLetterCertFile == "" {
		return certs, nil
	}
	others, err := config.LoadLetterCertificates(cfg.OtherLetterCertFile)
	return append(certs, others...), err
}

func (a *App) advancer(cfg config.Dispatcher, blobs *blobstore.Store, k keys, signer *sign.Signer, by carriers) (*dispatch.Advancer, error) {
	roads, err := by.roads(cfg)
	if err != nil {
		return nil, err
	}
	gate, err := dispatch.NewGate(dispatch.GateConfig{Paused: a.store.Paused, Log: a.log, Rate: rates(cfg)})
	if err != nil {
		return nil, err
	}
	register, err := addresses(cfg.Addresses, a.log)
	if err != nil {
		return nil, err
	}
	certs, err := letterCerts(cfg, signer)
	if err != nil {
		return nil, err
	}
	return dispatch.New(dispatch.Config{
		Addresses: register, Seal: a.sealer(k),
		Store: a.store, Blobs: blobs, Opener: unseal.Opener{k.identity}, Signer: signer, Roots: a.store, Threads: a.store, Certs: certs,
		Roads: roads, Tenants: cfg.Tenants, LookupBudget: cfg.LookupBudget, Quiet: cfg.Quiet, Log: a.log,
		Leases: a.store, Gate: gate, LeaseTime: cfg.Lease, Backoff: cfg.Backoff,
	})
}

func (a *App) matcher(k keys, m *moved, sources ...track.Source) (*track.Matcher, error) {
	return track.New(track.Config{
		Inbox: a.store, Sources: sources, Log: a.log, Seal: a.sealer(k), Moved: m.tell,
	})
}

// openLedger refuses a database that is older than what was published of it, before
// anything of it is acted on: one that was restored would send and forget what it
// does not know of.
func (a *App) openLedger(ctx context.Context, cfg config.Dispatcher) error {
	signer, _, err := ledger.ReadSigner(cfg.CheckpointKeyFile)
	if err != nil {
		return err
	}
	var earlier []note.Verifier
	if cfg.EarlierCheckpointKeysFile != "" {
		if earlier, err = ledger.ReadEarlier(cfg.EarlierCheckpointKeysFile); err != nil {
			return err
		}
	}
	a.integrator, err = ledger.NewIntegrator(ledger.Config{Store: a.store, Dir: cfg.LedgerDir, Signer: signer, Origin: signer.Name(), Earlier: earlier, Log: a.log})
	if err != nil {
		return err
	}
	if err = a.integrator.Current(ctx); errors.Is(err, post.FaultDatabaseOlder) {
		return fmt.Errorf("%w. %s", err, post.FaultDatabaseOlder.Cure)
	}
	return err
}

// runner does what a ring asks for. At the end of ctx it begins nothing more and
// finishes what it has in hand.
func runner(advancer *dispatch.Advancer, forwarder *forward.Forwarder, released func()) queue.Runner {
	return func(ctx context.Context, r queue.Ring) error {
		switch r.Kind {
		case queue.AdvanceLetter:
			return advancer.AdvanceDue(ctx, post.LetterID(r.ID))
		case queue.ForwardInquiry:
			return forwarder.Forward(context.WithoutCancel(ctx), post.InquiryID(r.ID))
		case queue.ReleaseBatch:
			released()
			return nil
		}
		return fmt.Errorf("%w: kind", queue.ErrForged)
	}
}
