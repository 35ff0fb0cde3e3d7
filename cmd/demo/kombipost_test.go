package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// noBell leaves it to the sweeper to find what is due.
type noBell struct{}

func (noBell) Ring(context.Context, queue.Ring) error { return nil }

// letters is a second hand on the letters of a house.
func letters(t *testing.T, h *house) *letter.Desk {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), h.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err1 := blobstore.Open(h.blobs)
	to, err2 := seal.ReadRecipientsFile(h.certs.Dispatcher.Recipients)
	key, err3 := config.ReadHexKey(h.certs.IndexKey)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	desk, err := letter.New(letter.Config{Store: db, Records: db, Blobs: blobs, Dispatcher: to[0], IndexKey: key,
		Tenants: persona.Tenants(), Bell: noBell{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return desk
}

// TestOneMunicipalitySendsByKombiPost sends a letter of each road by the house
// that the demo builds, and hears of both what became of them.
func TestOneMunicipalitySendsByKombiPost(t *testing.T) {
	t.Parallel()
	h, err := build(t.Context(), options{dir: stateDir(t), host: "127.0.0.1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-h.ready
	desk := letters(t, h)
	content, err := pdf("decision-01.pdf")
	if err != nil {
		t.Fatal(err)
	}
	send := func(tenant post.TenantID, to string) post.LetterID {
		p, _ := persona.By(to)
		r, err := desk.Submit(t.Context(), letter.Submission{Tenant: tenant, Client: "case", BusinessKey: to, Title: "Afgørelse",
			Recipient: &post.PartyRecord{IDType: "CPR", ID: p.CPR, Name: p.Name, Address: p.Address},
			Documents: []letter.Document{{Filename: "afgoerelse.pdf", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}}})
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	digital, paper, usual := send(byKombiPost, "tove"), send(byKombiPost, "poul"), send("engdal", "nancy")
	for id, want := range map[post.LetterID]post.LetterState{digital: post.LetterDelivered, paper: post.LetterPosted, usual: post.LetterDelivered} {
		for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			v, err := desk.Show(t.Context(), "", id)
			if err != nil {
				t.Fatal(err)
			}
			if v.State == want {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("the letter is %s on %s (%s), want %s", v.State, v.Channel, v.Code, want)
			}
		}
	}
	taken := map[string]bool{}
	for _, s := range h.sim.Kombi().Shipments() {
		taken[s.ID] = s.Copies == 1
	}
	want := map[string]bool{post.DerivedID(digital, post.Digital, 1): true, post.DerivedID(paper, post.Physical, 1): true}
	if len(taken) != 2 || !taken[post.DerivedID(digital, post.Digital, 1)] || !taken[post.DerivedID(paper, post.Physical, 1)] {
		t.Errorf("KombiPost took %v, want %v", taken, want)
	}
	if n := len(h.sim.Paper().Jobs()); n != 0 {
		t.Errorf("the print house of the others printed %d", n)
	}
}
