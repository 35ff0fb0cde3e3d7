package kombipost_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/kombipost"
	"sikkerpost.dk/gateway/adapters/kombipost/kombiposttest"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// pulling is a puller at work.
type pulling struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// stop ends it, and waits for it.
func (p pulling) stop() {
	p.cancel()
	<-p.ended
}

// fetching starts a puller of Engdal's queue.
func (w *world) fetching(t *testing.T, r *rabbit, address string) pulling {
	t.Helper()
	p, err := kombipost.NewPuller(kombipost.PullConfig{
		StatusConfig: kombipost.StatusConfig{Inbox: w.inbox, Tenants: w.receiver.Tenants, Log: slog.New(slog.NewTextHandler(w.log, nil))},
		Address:      address, RootCAs: w.ca.pool, Queues: map[post.TenantID]string{w.tenants[0].ID: r.queue}, Prefetch: 3,
	}, w.client)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	at := pulling{cancel, make(chan struct{})}
	go func() {
		defer close(at.ended)
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(at.stop)
	return at
}

func (w *world) keptNow(t *testing.T, n int) []track.Receipt {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all := w.inbox.all()
		if len(all) >= n {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("%d statuses kept, want %d; log:\n%s", len(all), n, w.log)
		}
	}
}

func status(id string) []byte {
	return kombiposttest.Envelope(kombiposttest.Shipment{ID: id}, kombipost.Events[1], kombiposttest.Status{At: time.Now()}, "29000011", post.NewID())
}

func letterID(n int) string { return post.DerivedID("a", post.Digital, n) }

// TestStatusesAreFetchedFromARealRabbitMQ runs the cases one after the other on
// one node, because starting it takes seconds.
func TestStatusesAreFetchedFromARealRabbitMQ(t *testing.T) {
	if !outside.Full() {
		t.Log("LEFT OUT, because starting RabbitMQ takes seconds and SIKKERPOST_FULL is not 1: statuses over AMQP")
		return
	}
	t.Parallel()
	w := newWorld(t, nil)
	r, ok := startRabbit(t, w.ca, w.cert)
	if !ok {
		return
	}
	o := r.other(t, w.cert)
	fresh := func() {
		w.inbox.mu.Lock()
		defer w.inbox.mu.Unlock()
		w.inbox.kept, w.inbox.ids, w.inbox.down = nil, map[string]bool{}, false
	}

	t.Run("statuses are kept and leave the queue, garbage too", func(t *testing.T) {
		fresh()
		o.put([]byte("<<< not a message"), status(letterID(1)), []byte(""), status(letterID(2)), status(letterID(2)))
		at := w.fetching(t, r, r.address)
		all := w.keptNow(t, 5)
		if all[0].Kind != track.Unreadable || all[1].Kind != track.Delivered || all[1].MessageID != letterID(1) || all[4].MessageID != letterID(2) {
			t.Errorf("kept %+v", all)
		}
		at.stop()
		o.left(0)
	})
	t.Run("what is not durable is not acknowledged", func(t *testing.T) {
		fresh()
		w.inbox.mu.Lock()
		w.inbox.down = true
		w.inbox.mu.Unlock()
		o.put(status(letterID(3)))
		at := w.fetching(t, r, r.address)
		for !strings.Contains(w.log.String(), "status not kept") {
			time.Sleep(10 * time.Millisecond)
		}
		at.stop()
		o.left(1)
		fresh()
		at = w.fetching(t, r, r.address)
		if all := w.keptNow(t, 1); all[0].MessageID != letterID(3) {
			t.Errorf("kept %+v", all)
		}
		at.stop()
		o.left(0)
	})
	t.Run("a cut connection is made anew, and what was under way comes again once", func(t *testing.T) {
		fresh()
		c := lay(t, r.address)
		at := w.fetching(t, r, c.listener.Addr().String())
		o.put(status(letterID(4)))
		w.keptNow(t, 1)
		c.cut()
		o.put(status(letterID(5)), status(letterID(6)))
		w.keptNow(t, 3)
		at.stop()
		o.left(0)
		if n := len(w.inbox.all()); n != 3 || c.made < 2 {
			t.Errorf("%d kept over %d connections", n, c.made)
		}
	})
	t.Run("a stop finishes what is in hand and gives the rest back", func(t *testing.T) {
		fresh()
		gate, entered := make(chan struct{}), make(chan struct{}, 10)
		w.inbox.mu.Lock()
		w.inbox.hold = func() { entered <- struct{}{}; <-gate }
		w.inbox.mu.Unlock()
		defer func() { w.inbox.mu.Lock(); w.inbox.hold = nil; w.inbox.mu.Unlock() }()
		o.put(status(letterID(7)), status(letterID(8)), status(letterID(9)))
		at := w.fetching(t, r, r.address)
		<-entered
		at.cancel()
		close(gate)
		<-at.ended
		if n := len(w.inbox.all()); n != 1 {
			t.Errorf("%d kept", n)
		}
		o.left(2)
	})
	t.Run("without an assertion, and with another certificate, it asks again", func(t *testing.T) {
		fresh()
		at := w.fetching(t, r, r.address) // what the case before left
		w.keptNow(t, 2)
		at.stop()
		o.left(0)
		fresh()
		other := newWorld(t, nil) // nobody there has issued what this one shows
		before := strings.Count(other.log.String(), "status queue disconnected")
		at = other.fetching(t, r, r.address)
		for strings.Count(other.log.String(), "status queue disconnected") == before {
			time.Sleep(10 * time.Millisecond)
		}
		at.stop()
		w.sim.SetFaults(kombiposttest.Faults{NoAssertions: 1})
		w.client = w.connect(t, w.config()) // one that has no assertion yet
		at = w.fetching(t, r, r.address)
		o.put(status(letterID(10)))
		w.keptNow(t, 1)
		at.stop()
		o.left(0)
		if !strings.Contains(w.log.String(), "obtain assertion") {
			t.Error("the first assertion was not refused")
		}
	})
	t.Run("nothing of an assertion stands in the log", func(t *testing.T) {
		if log := w.log.String(); strings.Contains(log, "Assertion") || strings.Contains(log, "saml2") {
			t.Error("it does")
		}
	})
}
