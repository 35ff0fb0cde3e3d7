package dispatcherapp

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/cmd/internal/devcerts"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
)

// TestTheDispatcherTakesWhatDigitalPostPushes starts the program with its push
// listener and pushes a message and a receipt, as Digital Post does.
func TestTheDispatcherTakesWhatDigitalPostPushes(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	set, err := devcerts.Make(filepath.Dir(filepath.Dir(cfg.IdentityFile)), devcerts.Options{}) // those that are there
	if err != nil {
		t.Fatal(err)
	}
	peer, err := devcerts.Fingerprint(set.CarrierClient.Cert)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Inboxes = []config.Inbox{{ID: cfg.Tenants[0].Inbox, Name: "DPO", RecipientsFile: set.DPO.Recipients}}
	cfg.DigitalPost.Mail.Push = config.Push{Listen: deadPort(t), Peers: []string{peer},
		TLS: config.TLS{CertFile: set.CarrierServer.Cert, KeyFile: set.CarrierServer.Key, CAFile: set.CarrierCA}}
	app, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	push := pusher(t, set, "https://"+cfg.DigitalPost.Mail.Push.Listen+"/digitalpost/"+string(cfg.Tenants[0].ID))
	const id = "0b1e2f3a-0000-4000-8000-000000000001"
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	part, err := parts.CreateFormFile("file", id+".xml")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, "<hello/>")
	_ = parts.Close()
	push("/memos", parts.FormDataContentType(), form.Bytes())
	push("/receipts", "application/json", []byte(`{"transmissionId":"`+id+`","messageUUID":"`+id+`","timeStamp":"2026-11-22T09:00:00.000Z","receiptStatus":"COMPLETED"}`))

	store, err := sqlstore.Open(t.Context(), cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if a, err := store.KnownMail(t.Context(), "digitalpost", cfg.Tenants[0].ID, id); err != nil || a.MessageID != id {
		t.Errorf("the message was answered and is not kept: %v", err)
	}
	// It is no letter: a person gets it.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		n, _, err := store.ParkedMail(t.Context(), false)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d parked, %v", n, err)
		}
		if n == 1 {
			break
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// pusher posts with Digital Post's certificate, and wants 200. It waits for the
// listener to come up.
func pusher(t *testing.T, set *devcerts.Set, base string) func(path, kind string, body []byte) {
	t.Helper()
	conf, err := config.ClientTLS(config.TLS{CertFile: set.CarrierClient.Cert, KeyFile: set.CarrierClient.Key, CAFile: set.CarrierCA})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(transport.CloseIdleConnections)
	strangers := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: conf.RootCAs}}
	t.Cleanup(strangers.CloseIdleConnections)
	return func(path, kind string, body []byte) {
		t.Helper()
		if r, err := (&http.Client{Transport: strangers}).Post(base+path, kind, bytes.NewReader(body)); err == nil {
			r.Body.Close()
			t.Errorf("somebody without a certificate was answered %s", r.Status)
		}
		r, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Post(base+path, kind, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAMessageWithoutEndIsCutParkedAndLeftWithTheCarrier(t *testing.T) {
	m := newMailHouse(t)
	uuid := m.write(t, nil)
	if err := m.room.Take(t.Context(), "digitalpost", m.tenants[0].ID, uuid, zeros{}); err != nil {
		t.Fatal(err)
	}
	m.round(t)
	m.round(t)
	if got := m.parked(t); len(got) != 1 || got[0] != "too-large" || len(m.entries(t)) != 0 {
		t.Errorf("parked %v", got)
	}
	var size int64
	if err := m.raw.QueryRow(`SELECT blob_size FROM mail`).Scan(&size); err != nil || size > mailroom.MaxMessage*11/10 {
		t.Errorf("%d bytes are kept, %v", size, err)
	}
	if m.sim.Stats().Answered != 0 || m.sim.Undelivered("system-"+string(m.tenants[0].ID)) != 1 {
		t.Error("the carrier was told that we have it")
	}
	if _, _, err := m.store.ParkedMail(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := m.parked(t); len(got) != 1 {
		t.Error("half a message was tried again")
	}
	if !strings.Contains(m.log.String(), "too-large") {
		t.Error("nobody was told")
	}
}
