package deskapp_test

import (
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outside"
)

// A full disk is 503 for the documents of many, of one, and for a letter; no
// id is given, and nothing is left that anybody must clean up.
func TestAFullDiskIsToldBeforeAnythingIsTaken(t *testing.T) {
	r := newRig(t)
	one := document(pdf(t, "decision-01"))
	b := r.announce("full", one)
	cs := r.client("case")
	before := dropAnswers(drop(r.snapshot(), "data_key"))
	// A disk of two pages is put over the blobs.
	if err := syscall.Mount("tmpfs", r.path("blobs"), "tmpfs", 0, "size=8k"); err != nil {
		if outside.Full() {
			t.Fatalf("a small disk cannot be mounted, and SIKKERPOST_FULL=1 asks for every check: %v", err)
		}
		t.Logf("LEFT OUT, because a small disk cannot be mounted here (%v): what a full disk does", err)
		return
	}
	mounted := true
	t.Cleanup(func() {
		if mounted {
			must(t, syscall.Unmount(r.path("blobs"), syscall.MNT_DETACH))
		}
	})
	_, err := blobstore.Open(r.path("blobs")) // makes its directories
	must(t, err)
	for name, do := range map[string]func(ctx context.Context) error{
		"many": func(ctx context.Context) error {
			_, err := cs.PutDocuments(ctx, b.ID, []client.Document{one})
			return err
		},
		"one": func(ctx context.Context) error {
			return cs.PutDocument(ctx, b.ID, one.SHA256, one.Size, bytes.NewReader(pdf(t, "decision-01")))
		},
		"letter": func(ctx context.Context) error {
			_, err := cs.SubmitLetter(ctx, wire.Letter{Key: "k", Title: "T", Documents: []wire.Document{{Filename: "a.pdf"}},
				Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}, files(t, "decision-01"))
			return err
		},
	} {
		var p *client.Problem
		if err := do(t.Context()); !asProblem(err, &p) || p.Status != http.StatusServiceUnavailable || p.Code != "POST-0503" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if dropAnswers(drop(r.snapshot(), "data_key")) != before {
		t.Error("the database changed")
	}
	must(t, filepath.WalkDir(r.path("blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s is left", path)
		}
		return err
	}))
	must(t, syscall.Unmount(r.path("blobs"), 0))
	mounted = false
	if out, err := cs.PutDocuments(t.Context(), b.ID, []client.Document{one}); err != nil || out.Stored != 1 {
		t.Errorf("with room again: %+v, %v", out, err)
	}
}
