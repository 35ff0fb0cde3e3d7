package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// clock is time that only passes when told.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newGate(t *testing.T, c GateConfig) (*Gate, *clock) {
	t.Helper()
	k := &clock{at: time.Unix(1_800_000_000, 0)}
	c.Now, c.Log = k.now, slog.New(slog.DiscardHandler)
	g, err := NewGate(c)
	if err != nil {
		t.Fatal(err)
	}
	return g, k
}

func enter(t *testing.T, g *Gate, ch post.Channel) (time.Duration, string) {
	t.Helper()
	return g.Enter(t.Context(), "engdal", ch, post.UsualCarrier(ch))
}

func TestACarrierThatDoesNotAnswerIsLeftAloneAndTriedOnceAtATime(t *testing.T) {
	g, k := newGate(t, GateConfig{Trip: 3, Rest: 8 * time.Second})
	fail := func() {
		t.Helper()
		if wait, code := enter(t, g, post.Digital); wait != 0 {
			t.Fatalf("kept back: %s", code)
		}
		g.Leave(post.DigitalPost, Unknown)
	}
	for range 3 {
		fail()
	}
	if wait, code := enter(t, g, post.Digital); wait < 4*time.Second || code != codeResting {
		t.Fatalf("%s %s", wait, code)
	}
	if wait, _ := enter(t, g, post.Physical); wait != 0 {
		t.Error("the other carrier is left alone too")
	}
	k.at = k.at.Add(8 * time.Second)
	if wait, _ := enter(t, g, post.Digital); wait != 0 {
		t.Fatal("no trial after the rest")
	}
	if wait, code := enter(t, g, post.Digital); wait == 0 || code != codeResting {
		t.Error("two trials at once")
	}
	g.Leave(post.DigitalPost, NotTaken)
	k.at = k.at.Add(7 * time.Second) // the second rest is twice as long
	if wait, _ := enter(t, g, post.Digital); wait == 0 {
		t.Error("the rest does not grow")
	}
	k.at = k.at.Add(9 * time.Second)
	if wait, _ := enter(t, g, post.Digital); wait != 0 {
		t.Fatal("no second trial")
	}
	g.Leave(post.DigitalPost, "") // never begun: the trial is free again
	if wait, _ := enter(t, g, post.Digital); wait != 0 {
		t.Fatal("a trial that was never begun blocks the next")
	}
	g.Leave(post.DigitalPost, RefusedContent) // a clear answer, whatever it says
	fail()
	fail()
	if wait, _ := enter(t, g, post.Digital); wait != 0 {
		t.Error("earlier failures count after the carrier was back")
	}
}

func TestACarrierGetsNoMoreThanItsRate(t *testing.T) {
	g, k := newGate(t, GateConfig{Rate: map[post.Carrier]float64{post.DigitalPost: 10}})
	let := 0
	for range 200 { // two seconds in steps of 10 ms
		if wait, code := enter(t, g, post.Digital); wait == 0 {
			let++
			g.Leave(post.DigitalPost, Taken)
		} else if code != codeRate || wait > time.Minute {
			t.Fatalf("%s %s", wait, code)
		}
		k.at = k.at.Add(10 * time.Millisecond)
	}
	if let < 28 || let > 31 { // ten at once and twenty in two seconds
		t.Errorf("%d hand-overs", let)
	}
}

func TestWhatIsHaltedWaits(t *testing.T) {
	var pauses []letter.Pause
	var broken error
	g, k := newGate(t, GateConfig{Paused: func(context.Context) ([]letter.Pause, error) { return pauses, broken }})
	for _, c := range []struct {
		pause letter.Pause
		waits bool
	}{
		{letter.Pause{}, true},
		{letter.Pause{Tenant: "engdal"}, true},
		{letter.Pause{Tenant: "engdal", Channel: post.Digital}, true},
		{letter.Pause{Channel: post.Physical}, false},
		{letter.Pause{Tenant: "fjordby"}, false},
	} {
		pauses = []letter.Pause{c.pause}
		k.at = k.at.Add(time.Minute)
		wait, code := enter(t, g, post.Digital)
		if (wait > 0) != c.waits || c.waits && code != codePaused {
			t.Errorf("%+v: %s %s", c.pause, wait, code)
		}
		if wait == 0 {
			g.Leave(post.DigitalPost, "")
		}
	}
	pauses, broken = []letter.Pause{{}}, nil
	k.at = k.at.Add(time.Minute)
	enter(t, g, post.Digital)
	broken = errors.New("no database")
	k.at = k.at.Add(time.Minute)
	if wait, _ := enter(t, g, post.Digital); wait == 0 {
		t.Error("a pause was forgotten because the database did not answer")
	}
	fresh, _ := newGate(t, GateConfig{Paused: func(context.Context) ([]letter.Pause, error) { return nil, broken }})
	if wait, _ := enter(t, fresh, post.Digital); wait == 0 {
		t.Error("something left before it was known whether it may")
	}
}

// TestWhatFailsTogetherIsOneFailure: a whole process's hand-overs that break off at one
// moment are no reason to leave a carrier alone for longer than the first time.
func TestWhatFailsTogetherIsOneFailure(t *testing.T) {
	g, k := newGate(t, GateConfig{Trip: 5, Rest: 8 * time.Second})
	const inHand = 64
	for range inHand {
		if wait, code := enter(t, g, post.Digital); wait != 0 {
			t.Fatalf("kept back: %s", code)
		}
	}
	for range inHand {
		k.at = k.at.Add(time.Millisecond)
		g.Leave(post.DigitalPost, Unknown)
	}
	k.at = k.at.Add(8 * time.Second)
	if wait, code := enter(t, g, post.Digital); wait != 0 {
		t.Fatalf("no trial after the first rest: %s %s", wait, code)
	}
	g.Leave(post.DigitalPost, Unknown) // the trial fails: half of twice as long, or more
	k.at = k.at.Add(8*time.Second - time.Millisecond)
	if wait, _ := enter(t, g, post.Digital); wait == 0 {
		t.Error("the rest did not grow after a trial")
	}
	k.at = k.at.Add(8*time.Second + time.Millisecond)
	if wait, _ := enter(t, g, post.Digital); wait != 0 {
		t.Errorf("the rest grew to more than twice the first: %s", wait)
	}
}
