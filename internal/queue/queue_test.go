package queue_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

func key(t testing.TB, b byte) queue.Key {
	t.Helper()
	k, err := queue.NewKey(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ring() queue.Ring {
	return queue.Ring{Kind: queue.AdvanceLetter, ID: "01a202a6-2581-79e9-ac81-13baff3376b1", Attempt: 3}
}

func TestTaskReadsBack(t *testing.T) {
	k := key(t, 1)
	for _, kind := range []queue.Kind{queue.AdvanceLetter, queue.ForwardInquiry, queue.ReleaseBatch} {
		want := ring()
		want.Kind = kind
		b, err := k.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := k.Decode(b); err != nil || r != want {
			t.Errorf("got %+v, %v", r, err)
		}
	}
}

func TestForgedTasksAreRefused(t *testing.T) {
	k := key(t, 1)
	b, err := k.Encode(ring())
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	other, err := key(t, 2).Encode(ring())
	if err != nil {
		t.Fatal(err)
	}
	for name, task := range map[string]string{
		"another key":      string(other),
		"another id":       strings.Replace(good, "01a202a6", "01a202a7", 1),
		"another attempt":  strings.Replace(good, `"attempt":3`, `"attempt":4`, 1),
		"another kind":     strings.Replace(good, "letter.advance", "inquiry.forward", 1),
		"unknown kind":     strings.Replace(good, "letter.advance", "letter.send", 1),
		"unknown version":  strings.Replace(good, `"v":1`, `"v":2`, 1),
		"unknown member":   strings.Replace(good, `{"v":1`, `{"extra":1,"v":1`, 1),
		"trailing bytes":   good + "{}",
		"no mac":           `{"v":1,"kind":"letter.advance","id":"01a202a6-2581-79e9-ac81-13baff3376b1","attempt":3}`,
		"nothing":          "",
		"too long":         good + strings.Repeat(" ", 600),
		"negative attempt": strings.Replace(good, `"attempt":3`, `"attempt":-3`, 1),
	} {
		if task == good {
			t.Fatalf("%s: the task was not changed", name)
		}
		if _, err := k.Decode([]byte(task)); !errors.Is(err, queue.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	k := key(f, 1)
	b, err := k.Encode(ring())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := k.Decode(b)
		if err == nil && r != ring() {
			t.Errorf("a task was made without the key: %+v", r)
		}
	})
}

// jobs is a small honest table of jobs.
type jobs struct {
	mu   sync.Mutex
	due  map[string]int64
	runs map[string]int
}

func (j *jobs) Backlog(_ context.Context, kind queue.Kind, most int) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if kind != queue.AdvanceLetter {
		return 0, nil
	}
	return min(most, len(j.due)), nil
}

func (j *jobs) Due(_ context.Context, kind queue.Kind, n int, _ time.Duration) ([]queue.Ring, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []queue.Ring
	if kind != queue.AdvanceLetter {
		return nil, nil
	}
	for id, attempt := range j.due {
		if attempt == 0 && len(out) < n { // rung once in this test's time
			j.due[id] = 1
			out = append(out, queue.Ring{Kind: queue.AdvanceLetter, ID: id, Attempt: 1})
		}
	}
	return out, nil
}

func (j *jobs) run(_ context.Context, r queue.Ring) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.runs[r.ID]++
	return nil
}

type doorbell func(queue.Ring) error

func (d doorbell) Ring(_ context.Context, r queue.Ring) error { return d(r) }

func sweep(t *testing.T, j *jobs, d doorbell) {
	t.Helper()
	s, err := queue.NewSweeper(queue.SweeperConfig{Jobs: j, Doorbell: d, Run: j.run, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSweeperDoesAllWorkWithADeadQueue(t *testing.T) {
	j := &jobs{due: map[string]int64{}, runs: map[string]int{}}
	for range 250 {
		j.due[post.NewID()] = 0
	}
	tried := 0
	sweep(t, j, func(queue.Ring) error { tried++; return errors.New("connection refused") })
	if len(j.runs) != 250 {
		t.Errorf("%d of 250 jobs were run", len(j.runs))
	}
	for id, n := range j.runs {
		if n != 1 {
			t.Errorf("job %s was run %d times", id, n)
		}
	}
	if tried > 3 {
		t.Errorf("a dead queue was tried %d times", tried)
	}
}

func TestSweeperOnlyRingsWhileTheQueueAnswers(t *testing.T) {
	j := &jobs{due: map[string]int64{post.NewID(): 0, post.NewID(): 0}, runs: map[string]int{}}
	rung := 0
	sweep(t, j, func(queue.Ring) error { rung++; return nil })
	if rung != 2 || len(j.runs) != 0 {
		t.Errorf("rung %d, run %d", rung, len(j.runs))
	}
}

// backlog is a table of due letters that anybody may take together.
type backlog struct {
	mu       sync.Mutex
	due      []queue.Ring // oldest first
	ran      []queue.Ring
	drained  int
	attempts map[string]int64
}

func newBacklog(n int) *backlog {
	b := &backlog{attempts: map[string]int64{}}
	for range n {
		b.due = append(b.due, queue.Ring{Kind: queue.AdvanceLetter, ID: post.NewID()})
	}
	return b
}

func (b *backlog) Backlog(_ context.Context, kind queue.Kind, most int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kind != queue.AdvanceLetter {
		return 0, nil
	}
	return min(most, len(b.due)), nil
}

func (b *backlog) Due(_ context.Context, kind queue.Kind, n int, _ time.Duration) ([]queue.Ring, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kind != queue.AdvanceLetter {
		return nil, nil
	}
	var rings []queue.Ring
	for _, r := range b.due[:min(n, len(b.due))] {
		b.attempts[r.ID]++
		r.Attempt = b.attempts[r.ID]
		rings = append(rings, r)
	}
	return rings, nil
}

// run does what a worker does: one ring, all that is due.
func (b *backlog) run(_ context.Context, r queue.Ring) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ran = append(b.ran, r)
	b.drained += len(b.due)
	b.due = nil
	return nil
}

func (b *backlog) sweeper(t *testing.T, d doorbell) *queue.Sweeper {
	t.Helper()
	s, err := queue.NewSweeper(queue.SweeperConfig{Jobs: b, Doorbell: d, Run: b.run, Log: slog.New(slog.DiscardHandler),
		Together: map[queue.Kind]int{queue.AdvanceLetter: 32}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASweepRingsOnceForManyAndNeverMoreThanAFewTimes(t *testing.T) {
	for due, want := range map[int]int{0: 0, 1: 1, 32: 1, 33: 2, 200: 7, 100_000: 16} {
		b, rung := newBacklog(due), map[string]bool{}
		s := b.sweeper(t, func(r queue.Ring) error { rung[r.TaskID()] = true; return nil })
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(rung) != want || len(b.ran) != 0 {
			t.Errorf("%d due: %d rings, %d run here; want %d rings", due, len(rung), len(b.ran), want)
		}
	}
}

func TestAQueueThatTakesRingsAndBringsNobodyStopsNothing(t *testing.T) {
	b, rung := newBacklog(500), 0
	s := b.sweeper(t, func(queue.Ring) error { rung++; return nil }) // paused, orphaned, or eaten
	for range 2 {
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b.drained != 500 || rung != 16 {
		t.Errorf("%d of 500 jobs were done after two sweeps; %d rings", b.drained, rung)
	}
}

func TestADeadQueueIsDoneWithoutInGroupsToo(t *testing.T) {
	b, tried := newBacklog(500), 0
	s := b.sweeper(t, func(queue.Ring) error { tried++; return errors.New("connection refused") })
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.drained != 500 || tried != 1 {
		t.Errorf("%d of 500 jobs were done; the dead queue was tried %d times", b.drained, tried)
	}
}
