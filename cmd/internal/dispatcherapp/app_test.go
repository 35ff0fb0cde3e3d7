package dispatcherapp

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// deadPort returns an address of loopback at which nobody listens.
func deadPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func settings(t *testing.T) config.Dispatcher {
	t.Helper()
	dir := t.TempDir()
	set, err := devcerts.Make(filepath.Join(dir, "certs"), devcerts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Dispatcher{
		Common: config.Common{Database: suite.SQLite(t, sqlstore.Open, filepath.Join(dir, "post.db")), Blobs: filepath.Join(dir, "blobs"), Redis: deadPort(t),
			Tenants: persona.Tenants(), IndexKeyFile: set.IndexKey, TaskKeyFile: set.TaskKey, DispatcherRecipientFile: set.Dispatcher.Recipients},
		IdentityFile: set.Dispatcher.Identity, LetterCertFile: set.LetterP256.Cert, LetterKeyFile: set.LetterP256.Key,
		CheckpointKeyFile: set.Checkpoint.Signer, LedgerDir: filepath.Join(dir, "ledger"),
		DigitalPost: config.DigitalPost{BaseURL: "https://" + deadPort(t) + "/apis/v1/", Systems: map[post.TenantID]config.System{},
			TLS: config.TLS{CertFile: set.CarrierClient.Cert, KeyFile: set.CarrierClient.Key, CAFile: set.CarrierCA}},
		PrintHouse: config.PrintHouse{Out: filepath.Join(dir, "out"), Events: filepath.Join(dir, "events"), RecipientFile: set.PrintHouse.Recipients},
		Sweep:      100 * time.Millisecond,
	}
	for _, tenant := range c.Tenants {
		c.DigitalPost.Systems[tenant.ID] = config.System{ID: post.NewID(), TokenFile: token}
	}
	for _, d := range []string{c.Blobs, c.LedgerDir, c.PrintHouse.Out, c.PrintHouse.Events} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// eventually waits until the letter stands in state.
func eventually(t *testing.T, d *letter.Desk, id post.LetterID, state post.LetterState) {
	t.Helper()
	var v letter.View
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var err error
		if v, err = d.Show(t.Context(), "", id); err != nil {
			t.Fatal(err)
		}
		if v.State == state {
			return
		}
	}
	t.Fatalf("letter is %s (%s), want %s", v.State, v.Code, state)
}

func TestAllWorkFinishesWithoutRedisAndWithoutDigitalPost(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	app, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()

	desk := deskBeside(t, cfg)
	r, err := desk.Submit(t.Context(), submission("k1"))
	if err != nil {
		t.Fatal(err)
	}
	// A look-up that cannot be made is unsure: the letter waits, and only a
	// person sends it to paper.
	eventually(t, desk, r.ID, post.LetterAwaitingLookup)
	if _, err := desk.Decide(t.Context(), letter.Decided{Letter: r.ID, Actor: "operator", Decision: letter.Print}); err != nil {
		t.Fatal(err)
	}
	eventually(t, desk, r.ID, post.LetterHandedOver)
	if jobs, err := os.ReadDir(cfg.PrintHouse.Out); err != nil || len(jobs) == 0 {
		t.Errorf("print house got %d files, %v", len(jobs), err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("dispatcher ended with %v", err)
	}
}

// deskBeside is a desk on the database and blobs of the dispatcher that cfg sets up.
func deskBeside(t *testing.T, cfg config.Dispatcher) *letter.Desk {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	blobs, err := blobstore.Open(cfg.Blobs)
	if err != nil {
		t.Fatal(err)
	}
	to, err := seal.ReadRecipientsFile(cfg.DispatcherRecipientFile)
	if err != nil {
		t.Fatal(err)
	}
	index, err := config.ReadHexKey(cfg.IndexKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	desk, err := letter.New(letter.Config{Store: store, Records: store, Blobs: blobs, Dispatcher: to[0], IndexKey: index,
		Tenants: cfg.Tenants, Bell: bell{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return desk
}
