package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// dueStore is a table of due letters whose reading can be held up.
type dueStore struct {
	Store
	mu       sync.Mutex
	due      []string
	asked    []string // preferred, with how many
	read     map[string]int
	inFlight int
	most     int
	entered  chan string         // told of each reading, when not nil
	leave    chan struct{}       // each reading waits for it, when not nil
	what     func(string) Record // nil: somebody else has it
	waits    []Wait
}

func (s *dueStore) LeaseDue(_ context.Context, c queue.Claim) ([]queue.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := c.N
	s.asked = append(s.asked, fmt.Sprint(c.Prefer, n))
	var leases []queue.Lease
	for len(s.due) > 0 && len(leases) < n {
		leases = append(leases, queue.Lease{ID: s.due[0]})
		s.due = s.due[1:]
	}
	s.inFlight += len(leases)
	s.most = max(s.most, s.inFlight)
	return leases, nil
}

func (s *dueStore) LetterForStep(_ context.Context, l queue.Lease) (Record, error) {
	if s.entered != nil {
		s.entered <- l.ID
	}
	if s.leave != nil {
		<-s.leave
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	s.read[l.ID]++
	if s.what != nil {
		return s.what(l.ID), nil
	}
	return Record{}, post.ErrStale
}

func (s *dueStore) WaitLetter(_ context.Context, _ queue.Lease, w Wait) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = append(s.waits, w)
	return nil
}

func newDue(n, slotCount int) (*dueStore, *Advancer) {
	s := &dueStore{read: map[string]int{}}
	for i := range n {
		s.due = append(s.due, fmt.Sprint("letter ", i))
	}
	a := &Advancer{Config: Config{Store: s, LeaseTime: time.Minute, Poison: 8, Backoff: time.Second, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Rand: func(time.Duration) time.Duration { return 0 }}, slots: newSlots(slotCount), grace: time.Minute}
	return s, a
}

func TestOneRingTakesAllThatIsDueAndNoMoreThanFitsInHand(t *testing.T) {
	for _, c := range []struct{ letters, slots, rings int }{{0, 4, 1}, {1, 1, 1}, {200, 64, 1}, {200, 3, 4}, {129, 40, 3}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			s, a := newDue(c.letters, c.slots)
			var all sync.WaitGroup
			for range c.rings {
				all.Go(func() {
					if err := a.AdvanceDue(t.Context(), "x"); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if len(s.read) != c.letters || s.most > c.slots || s.inFlight != 0 {
				t.Errorf("%d letters, at most %d at once, %d left in flight", len(s.read), s.most, s.inFlight)
			}
			for id, n := range s.read {
				if n != 1 {
					t.Errorf("%s was taken %d times", id, n)
				}
			}
			if len(a.slots.free) != c.slots {
				t.Errorf("%d of %d slots are free", len(a.slots.free), c.slots)
			}
		})
	}
}

func TestARingsOwnLetterIsAskedForOnce(t *testing.T) {
	s, a := newDue(70, 64)
	if err := a.AdvanceDue(t.Context(), "mine"); err != nil {
		t.Fatal(err)
	}
	if len(s.asked) < 3 || s.asked[0] != "mine32" || s.asked[1] != "32" {
		t.Errorf("asked %q", s.asked)
	}
}

func TestAnEndBeginsNothingAndFinishesWhatIsInHand(t *testing.T) {
	s, a := newDue(100, 8)
	s.entered, s.leave = make(chan string, 100), make(chan struct{})
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.AdvanceDue(ctx, "") }()
	for range 8 {
		<-s.entered
	}
	end()
	select {
	case <-done:
		t.Fatal("returned with letters in flight")
	case <-time.After(30 * time.Millisecond):
	}
	close(s.leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(s.read) != 8 || len(s.due) != 92 {
		t.Errorf("%d were finished, %d are left", len(s.read), len(s.due))
	}
}

func TestWhatIsInHandIsCutShortAWhileAfterTheEnd(t *testing.T) {
	s, a := newDue(3, 8)
	a.grace = time.Millisecond
	a.Store = endless{s}
	ctx, end := context.WithCancel(t.Context())
	s.entered = make(chan string, 3)
	done := make(chan error, 1)
	go func() { done <- a.AdvanceDue(ctx, "") }()
	for range 3 {
		<-s.entered
	}
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// endless answers a reading when it is broken off.
type endless struct{ *dueStore }

func (s endless) LetterForStep(ctx context.Context, l queue.Lease) (Record, error) {
	s.entered <- l.ID
	<-ctx.Done()
	return Record{}, ctx.Err()
}

func TestASlowLetterHoldsUpNoOther(t *testing.T) {
	s, a := newDue(200, 40)
	slow := make(chan struct{})
	reading := func(id string) {
		if id == "letter 0" {
			<-slow
		}
	}
	a.Store = slowly{s, reading}
	done := make(chan error, 1)
	go func() { done <- a.AdvanceDue(t.Context(), "") }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := len(s.read)
		s.mu.Unlock()
		if n == 199 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of 199 letters went past a slow one", n)
		}
	}
	close(slow)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// slowly holds some readings up.
type slowly struct {
	*dueStore
	reading func(id string)
}

func (s slowly) LetterForStep(ctx context.Context, l queue.Lease) (Record, error) {
	s.reading(l.ID)
	return s.dueStore.LetterForStep(ctx, l)
}

func TestAFaultOfOursInOneLetterIsThatLettersFailure(t *testing.T) {
	s, a := newDue(20, 8)
	s.what = func(id string) Record {
		if id == "letter 7" { // no tenant, no opener: a nil pointer, where it is opened
			return Record{ID: "letter 7", State: post.LetterAwaitingLookup, Released: true, Version: 3}
		}
		return Record{ID: post.LetterID(id), State: post.LetterReady, Version: 1} // its batch is paused
	}
	if err := a.AdvanceDue(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, w := range s.waits {
		if w.Letter == "letter 7" && w.Failures == 1 && w.Code == "step-failed" && w.Version == 3 {
			failed++
		} else if w.Code != batch.CodeHeld {
			t.Errorf("%+v", w)
		}
	}
	if len(s.waits) != 20 || failed != 1 {
		t.Errorf("%d waits, %d failures", len(s.waits), failed)
	}
	a.Store = slowly{s, func(string) { panic("whatever") }}
	s.due = []string{"a", "b"}
	if err := a.AdvanceDue(t.Context(), ""); err != nil || len(a.slots.free) != 8 {
		t.Errorf("%v, %d slots free", err, len(a.slots.free))
	}
}

func TestADatabaseThatDoesNotAnswerGivesTheHandsBack(t *testing.T) {
	_, a := newDue(0, 8)
	away := errors.New("away")
	a.Store = deaf{err: away}
	if err := a.AdvanceDue(t.Context(), "x"); !errors.Is(err, away) || len(a.slots.free) != 8 {
		t.Errorf("%v, %d slots free", err, len(a.slots.free))
	}
}

type deaf struct {
	Store
	err error
}

func (d deaf) LeaseDue(context.Context, queue.Claim) ([]queue.Lease, error) {
	return nil, d.err
}

func TestRunsTogetherKeepNoMoreThanTheProcessMay(t *testing.T) {
	var m memory
	var runs []*run
	kept := 0
	for range 200 {
		k := &run{memory: &m}
		runs = append(runs, k)
		if k.room(mostKept/2) != nil {
			kept++
		}
		if newMeasured(Job{run: k, Documents: []Document{{Size: mostKept / 2}}}).buf != nil {
			kept++
		}
	}
	if used := m.used.Load(); used > mostMemory || used < mostMemory*9/10 || kept == 0 {
		t.Errorf("%d bytes are kept, %d may be", used, mostMemory)
	}
	for _, k := range runs {
		k.end()
	}
	if used := m.used.Load(); used != 0 {
		t.Errorf("%d bytes are never given back", used)
	}
}

// givesUp panics where a letter is moved.
type givesUp struct {
	*dueStore
	with any
}

func (s givesUp) MoveLetter(context.Context, queue.Lease, Move) error { panic(s.with) }

func TestALibraryThatPanicsIsThatLettersFailureAndIsNotQuoted(t *testing.T) {
	for _, with := range []any{"quoted 6503851236", errors.New("quoted 6503851236")} {
		t.Run(fmt.Sprintf("%T", with), func(t *testing.T) {
			s, a := newDue(1, 1)
			var log bytes.Buffer
			a.Log = slog.New(slog.NewTextHandler(&log, nil))
			s.what = func(id string) Record {
				return Record{ID: post.LetterID(id), State: post.LetterHandingOver, Intent: &Intent{MessageID: "m"}, Version: 5}
			}
			a.Store = givesUp{s, with}
			if err := a.AdvanceDue(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if len(s.waits) != 1 || s.waits[0].Failures != 1 {
				t.Errorf("waits %+v", s.waits)
			}
			if strings.Contains(log.String(), "quoted") || !strings.Contains(log.String(), "step panicked") {
				t.Error(log.String())
			}
		})
	}
}
