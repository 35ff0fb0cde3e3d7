package deskapp_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/asynqueue"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestWhoLetsABatchGoWakesADispatcher: an approval that is refused wakes nobody.
func TestWhoLetsABatchGoWakesADispatcher(t *testing.T) {
	r := newRig(t)
	ctx, cs, approver := t.Context(), r.client("case"), r.client("approver")
	doc := pdf(t, "decision-01")
	sum := sha256.Sum256(doc)
	digest := hex.EncodeToString(sum[:])
	to := wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}
	b, err := cs.OpenBatch(ctx, wire.BatchOpen{Key: "ring", Canary: 1, Lines: []wire.BatchLine{
		{Key: "1", Title: "Afgørelse", Document: "a.pdf", SHA256: digest, Recipient: to},
		{Key: "2", Title: "Afgørelse", Document: "a.pdf", SHA256: digest, Recipient: to},
	}})
	must(t, err)
	must(t, cs.PutDocument(ctx, b.ID, digest, int64(len(doc)), strings.NewReader(string(doc))))
	_, err = cs.CloseBatch(ctx, b.ID)
	must(t, err)

	secret, err := config.ReadHexKey(r.cfg.TaskKeyFile)
	must(t, err)
	key, err := queue.NewKey(secret)
	must(t, err)
	q, err := asynqueue.New(r.cfg.Redis, key, slog.New(slog.DiscardHandler))
	must(t, err)
	defer q.Close()
	heard, ended := make(chan queue.Ring, 10), make(chan error, 1)
	work, stop := context.WithCancel(context.Background())
	go func() {
		ended <- q.Work(work, asynqueue.Workers{Servers: 1, Concurrency: 1}, func(_ context.Context, r queue.Ring) error { heard <- r; return nil })
	}()
	defer func() { stop(); must(t, <-ended) }()

	if _, err := cs.ApproveBatch(ctx, b.ID); err == nil {
		t.Error("approved by who sent it")
	}
	seen := map[int64]bool{}
	for _, step := range []struct {
		name string
		do   func(context.Context, string) (wire.Batch, error)
		ring bool
	}{
		{"approve", approver.ApproveBatch, true}, {"pause", approver.PauseBatch, false},
		{"resume", approver.ResumeBatch, true}, {"continue", approver.ContinueBatch, true},
	} {
		if _, err := step.do(ctx, b.ID); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if !step.ring {
			continue // the next ring that is heard is that of the next step
		}
		select {
		case got := <-heard:
			if got.Kind != queue.ReleaseBatch || got.ID != b.ID || seen[got.Attempt] {
				t.Errorf("%s: %+v", step.name, got)
			}
			seen[got.Attempt] = true
		case <-time.After(time.Minute):
			t.Fatalf("%s woke nobody", step.name)
		}
	}
	if len(heard) > 0 {
		t.Errorf("one more ring: %+v", <-heard)
	}
}
