package kombipost

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// ledgerOf is an Acknowledger that notes what was said of each delivery.
type ledgerOf struct {
	mu   sync.Mutex
	said map[uint64]string
	err  error
}

func (l *ledgerOf) note(tag uint64, word string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said[tag] != "" {
		word = l.said[tag] + "+" + word
	}
	l.said[tag] = word
	return l.err
}

func (l *ledgerOf) Ack(tag uint64, _ bool) error { return l.note(tag, "ack") }
func (l *ledgerOf) Nack(tag uint64, _, requeue bool) error {
	if !requeue {
		return l.note(tag, "dropped")
	}
	return l.note(tag, "again")
}
func (l *ledgerOf) Reject(tag uint64, requeue bool) error { return l.Nack(tag, false, requeue) }

// shelf is an Inbox that may refuse one body, and tells when it keeps.
type shelf struct {
	mu     sync.Mutex
	kept   []string
	refuse string
	before func(raw string)
}

func (s *shelf) Keep(_ context.Context, r track.Receipt) error {
	if s.before != nil {
		s.before(string(r.Raw))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != "" && string(r.Raw) == s.refuse {
		return errors.New("store is down")
	}
	s.kept = append(s.kept, string(r.Raw))
	return nil
}

func (s *shelf) Owner(context.Context, string) (post.TenantID, error) { return "", post.ErrNotFound }

func consuming(t *testing.T, s *shelf) *Puller {
	t.Helper()
	p, err := NewPuller(PullConfig{
		StatusConfig: StatusConfig{Inbox: s, Tenants: map[post.CVR]post.TenantID{"29000011": "engdal"}, Log: slog.New(slog.DiscardHandler)},
		Address:      "127.0.0.1:5671", Queues: map[post.TenantID]string{"engdal": "q"}, rest: time.Microsecond,
	}, &Client{systems: map[post.TenantID]System{"engdal": {}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func deliver(l *ledgerOf, bodies ...string) <-chan amqp.Delivery {
	ch := make(chan amqp.Delivery, len(bodies))
	for i, b := range bodies {
		ch <- amqp.Delivery{Acknowledger: l, DeliveryTag: uint64(i + 1), Body: []byte(b)} //nolint:gosec // small
	}
	close(ch)
	return ch
}

func TestADeliveryIsAcknowledgedAfterItIsKept(t *testing.T) {
	l := &ledgerOf{said: map[uint64]string{}}
	s := &shelf{}
	s.before = func(raw string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.said[uint64(len(s.kept)+1)] != "" {
			t.Errorf("%s was acknowledged before it was kept", raw)
		}
	}
	kept, err := consuming(t, s).consume(t.Context(), deliver(l, "garbage", "<a/>", ""))
	if err != nil || kept != 3 || strings.Join(s.kept, "|") != "garbage|<a/>|" {
		t.Fatalf("kept %d (%v), %v", kept, s.kept, err)
	}
	for tag := uint64(1); tag <= 3; tag++ {
		if l.said[tag] != "ack" {
			t.Errorf("delivery %d: %q", tag, l.said[tag])
		}
	}
}

func TestWhatCannotBeKeptGoesBackAndHoldsUpNothing(t *testing.T) {
	l := &ledgerOf{said: map[uint64]string{}}
	s := &shelf{refuse: "b"}
	kept, err := consuming(t, s).consume(t.Context(), deliver(l, "a", "b", "c"))
	if err != nil || kept != 2 || l.said[1] != "ack" || l.said[2] != "again" || l.said[3] != "ack" {
		t.Errorf("kept %d, %v, said %v", kept, err, l.said)
	}
}

func TestABrokenAcknowledgementEndsTheSession(t *testing.T) {
	l := &ledgerOf{said: map[uint64]string{}, err: errors.New("connection is gone")}
	s := &shelf{}
	if kept, err := consuming(t, s).consume(t.Context(), deliver(l, "a", "b")); err == nil || kept != 0 || len(s.kept) != 1 {
		t.Errorf("kept %d (%v), %v", kept, s.kept, err)
	}
}

func TestAStopKeepsWhatIsInHandAndLeavesTheRest(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	l := &ledgerOf{said: map[uint64]string{}}
	s := &shelf{before: func(string) { stop() }} // stopped while the first is being kept
	kept, err := consuming(t, s).consume(ctx, deliver(l, "a", "b"))
	if err != nil || kept != 1 || l.said[1] != "ack" || l.said[2] != "" || len(s.kept) != 1 {
		t.Errorf("kept %d (%v), %v, said %v", kept, s.kept, err, l.said)
	}
}

func TestPullerNamesEveryGap(t *testing.T) {
	_, err := NewPuller(PullConfig{Address: "bfo"}, nil)
	for _, gap := range []string{"Inbox", "Tenants", "Log", "Address", "Queues"} {
		if err == nil || !strings.Contains(err.Error(), gap) {
			t.Errorf("%s is not named in %v", gap, err)
		}
	}
	_, err = NewPuller(PullConfig{Queues: map[post.TenantID]string{"odense": "q"}}, &Client{})
	if err == nil || !strings.Contains(err.Error(), "tenant odense needs") {
		t.Errorf("a queue without its system: %v", err)
	}
}
