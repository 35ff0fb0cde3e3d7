package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// oneLetter is a store of one letter that notes what is asked of it.
type oneLetter struct {
	Store
	is    Record
	moves []Move
	waits []Wait
	reads int
	fails error // what the next move is answered, once
}

func (s *oneLetter) LetterForStep(context.Context, queue.Lease) (Record, error) {
	s.reads++
	return s.is, nil
}

func (s *oneLetter) MoveLetter(_ context.Context, _ queue.Lease, m Move) error {
	if err := s.fails; err != nil {
		s.fails = nil
		return err
	}
	if m.From != s.is.State || m.Version != s.is.Version {
		return post.ErrStale
	}
	s.moves = append(s.moves, m)
	s.is.State, s.is.Version, s.is.Channel, s.is.Generation = m.To, m.Version+int64(len(m.Through))+1, m.Channel, m.Generation
	return nil
}

func (s *oneLetter) WaitLetter(_ context.Context, _ queue.Lease, w Wait) error {
	if w.Version != s.is.Version {
		return post.ErrStale
	}
	s.waits = append(s.waits, w)
	return nil
}

// aheadOf returns an advancer of a letter to a contact point, which needs no
// look-up, before a gate that is shut.
func aheadOf(t *testing.T, st post.LetterState) (*oneLetter, *Advancer) {
	t.Helper()
	s := &oneLetter{is: Record{ID: "a", Tenant: "t", State: st, Version: 3, DigitalOnly: true, Released: true}}
	gate, err := NewGate(GateConfig{Log: slog.New(slog.DiscardHandler), Paused: func(context.Context) ([]letter.Pause, error) { return []letter.Pause{{}}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s, &Advancer{Config: Config{Store: s, Roads: Straight(map[post.Channel]Channel{post.Digital: struct{ Channel }{}}), Gate: gate, LeaseTime: time.Minute, Poison: 8, Backoff: time.Second,
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: func(time.Duration) time.Duration { return 0 }}}
}

func TestWhatChangesNothingOutsideIsCommittedOnceAndBeforeALetterWaits(t *testing.T) {
	s, a := aheadOf(t, post.LetterSigned)
	if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if s.reads != 1 || len(s.moves) != 1 || len(s.waits) != 1 {
		t.Fatalf("%d reads, moves %+v, waits %+v", s.reads, s.moves, s.waits)
	}
	m, w := s.moves[0], s.waits[0]
	if m.From != post.LetterSigned || m.Version != 3 || !reflect.DeepEqual(m.Through, []Passage{{State: post.LetterAwaitingLookup}}) ||
		m.To != post.LetterRouted || m.Channel != post.Digital || m.Generation != 1 || m.Free || m.Due.IsZero() {
		t.Errorf("moved %+v", m)
	}
	if w.Version != 5 || w.Code != codePaused {
		t.Errorf("waits %+v", w)
	}
}

func TestALetterReadTooLongAgoIsCommittedAndReadAnew(t *testing.T) {
	s, a := aheadOf(t, post.LetterAwaitingLookup)
	now := time.Now()
	a.Now = func() time.Time { // once it was read, all is slow, and meanwhile the batch is paused
		if s.reads > 0 {
			now, s.is.Released = now.Add(mostStale), false
		}
		return now
	}
	if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if s.reads != 2 || len(s.moves) != 1 || s.moves[0].To != post.LetterRouted || len(s.waits) != 1 || s.waits[0].Code != batch.CodeHeld {
		t.Errorf("%d reads, moves %+v, waits %+v", s.reads, s.moves, s.waits)
	}
}

func TestALetterMovedBySomebodyElseIsReadAnewAndNothingOfTheRunCounts(t *testing.T) {
	s, a := aheadOf(t, post.LetterSigned)
	a.Gate.Paused = func(context.Context) ([]letter.Pause, error) {
		s.is = Record{ID: "a", Tenant: "t", State: post.LetterCancelled, Version: 9} // a person's decision
		return []letter.Pause{{}}, nil
	}
	if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if len(s.moves) != 0 || len(s.waits) != 1 || s.waits[0].Version != 9 || s.reads != 2 {
		t.Errorf("%d reads, moves %+v, waits %+v", s.reads, s.moves, s.waits)
	}
}

func TestAFailureKeepsWhatWasDoneBeforeIt(t *testing.T) {
	s, a := aheadOf(t, post.LetterSigned)
	s.fails = errors.New("the database did not answer")
	if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if len(s.moves) != 1 || s.moves[0].To != post.LetterRouted || len(s.moves[0].Through) != 1 || len(s.waits) != 1 || s.waits[0].Failures != 1 || s.waits[0].Version != 5 {
		t.Errorf("moves %+v, waits %+v", s.moves, s.waits)
	}
}

func TestARunGoesNowhereThatTheTableForbids(t *testing.T) {
	k := &run{}
	r := Record{State: post.LetterReady, run: k}
	if err := k.goOn(r, Move{To: post.LetterRouted}, time.Now()); !errors.Is(err, post.ErrPermanent) || k.ahead != nil {
		t.Errorf("%v, %+v", err, k.ahead)
	}
}
