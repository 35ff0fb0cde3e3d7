package asynqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

func open(t *testing.T, address string) *Queue {
	t.Helper()
	k, err := queue.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	q, err := New(address, k, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// ring rings until it was heard: a second is little on a busy machine, and the same
// ring is run once however often it is rung.
func ring(t *testing.T, q *Queue, r queue.Ring) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err = q.Ring(t.Context(), r); !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// seen remembers which rings were run.
type seen struct {
	mu    sync.Mutex
	rings map[queue.Ring]int
	all   chan struct{}
	want  int
}

func newSeen(want int) *seen {
	return &seen{rings: map[queue.Ring]int{}, all: make(chan struct{}), want: want}
}

func (s *seen) run(_ context.Context, r queue.Ring) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rings[r]++
	if len(s.rings) == s.want && s.rings[r] == 1 {
		close(s.all)
	}
	return nil
}

func (s *seen) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.all:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d rings were run", len(s.rings), s.want)
	}
}

// work runs workers until the test ends.
func work(t *testing.T, q *Queue, run queue.Runner) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Work(ctx, Workers{Servers: 2, Concurrency: 2, Restart: 20 * time.Millisecond}, run) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func ringsAreRunOnce(t *testing.T, address string) {
	q, s := open(t, address), newSeen(20)
	work(t, q, s.run)
	for range 10 {
		for _, kind := range []queue.Kind{queue.AdvanceLetter, queue.ForwardInquiry} {
			r := queue.Ring{Kind: kind, ID: post.NewID(), Attempt: 1}
			for range 3 { // the same ring again is a success
				ring(t, q, r)
			}
		}
	}
	s.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, n := range s.rings {
		if n != 1 {
			t.Errorf("%v was run %d times", r, n)
		}
	}
}

func TestRingsAreRunOnce(t *testing.T) {
	ringsAreRunOnce(t, miniredis.RunT(t).Addr())
}

func TestRingsAreRunOnceOnRealRedis(t *testing.T) {
	tool, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("SIKKERPOST_FULL") == "1" {
			t.Fatal("redis-server is not installed")
		}
		t.Log("LEFT OUT: redis-server is not installed; only the embedded one was tried")
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := strings.Cut(address, ":")
	ctx, stop := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, tool, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = server.Wait() })
	q := open(t, address)
	for deadline := time.Now().Add(time.Minute); q.Ping(t.Context()) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("redis-server did not start")
		}
	}
	ringsAreRunOnce(t, address)
}

// alarms is a log that workers write while it is read.
type alarms struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (a *alarms) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.b.Write(p)
}

func (a *alarms) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.b.String()
}

func TestForgedTasksAreDroppedAndCounted(t *testing.T) {
	m := miniredis.RunT(t)
	q, s := open(t, m.Addr()), newSeen(1)
	var log alarms
	q.log = slog.New(slog.NewTextHandler(&log, nil))
	before := testutil.ToFloat64(refused.WithLabelValues(queueName))
	genuine := queue.Ring{Kind: queue.AdvanceLetter, ID: post.NewID()}
	good, err := q.key.Encode(genuine)
	if err != nil {
		t.Fatal(err)
	}
	for i, payload := range [][]byte{[]byte(`{"v":1,"kind":"letter.advance","id":"x","attempt":1}`), []byte("rm -rf"), nil} {
		if _, err := q.client.Enqueue(asynq.NewTask(string(queue.AdvanceLetter), payload), asynq.Queue(queueName), asynq.TaskID(fmt.Sprint("forged", i))); err != nil {
			t.Fatal(err)
		}
	}
	// A genuine payload under another type is no task of ours either.
	if _, err := q.client.Enqueue(asynq.NewTask("inquiry.forward", good), asynq.Queue(queueName), asynq.TaskID(genuine.TaskID())); err != nil {
		t.Fatal(err)
	}
	last := queue.Ring{Kind: queue.AdvanceLetter, ID: post.NewID()}
	work(t, q, s.run)
	ring(t, q, last)
	s.wait(t)
	for deadline := time.Now().Add(time.Minute); testutil.ToFloat64(refused.WithLabelValues(queueName)) < before+4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("refused = %v, want 4 more than %v", testutil.ToFloat64(refused.WithLabelValues(queueName)), before)
		}
	}
	if said := log.String(); strings.Count(said, `level=ERROR msg="task refused"`) != 4 || strings.Contains(said, "rm -rf") {
		t.Errorf("the log says %q", said)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rings) != 1 || s.rings[last] != 1 {
		t.Errorf("run = %v", s.rings)
	}
}

func TestDeadRedisCostsLittleTimeAndIsWaitedFor(t *testing.T) {
	m := miniredis.RunT(t)
	address := m.Addr()
	m.Close()
	q, s := open(t, address), newSeen(1)
	work(t, q, s.run)
	r := queue.Ring{Kind: queue.AdvanceLetter, ID: post.NewID()}
	start := time.Now()
	if err := q.Ring(t.Context(), r); err == nil {
		t.Fatal("a dead Redis took a ring")
	}
	if took := time.Since(start); took > 10*ringTimeout {
		t.Errorf("a ring at a dead Redis took %s", took)
	}
	if err := m.StartAddr(address); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); q.Ring(t.Context(), r) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Redis came back and no ring got through")
		}
	}
	s.wait(t)
}

func TestTasksHoldNamesOnly(t *testing.T) {
	m := miniredis.RunT(t)
	q := open(t, m.Addr())
	ring(t, q, queue.Ring{Kind: queue.AdvanceLetter, ID: post.NewID(), Attempt: 7})
	if dump := m.Dump(); len(dump) > 2000 {
		t.Errorf("one ring left %d bytes in Redis:\n%s", len(dump), dump)
	}
}
