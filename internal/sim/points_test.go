package sim

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// one is a single fault at a place that is chosen, in a world that has no other.
type one struct {
	dies       int // the point at which its process dies; 0 is none
	answerLost int // the call to the database that is done, and its answer lost
	undone     int // the call that is not done
}

// lives are what may happen to letters, each in a calm world.
var lives = map[string]func(*plan){
	"digital":                    func(*plan) {},
	"refused, and then on paper": func(p *plan) { p.fade = 1 },
	"unclear":                    func(p *plan) { p.lostAfter, p.busy = .5, .3 },
	"comes back, is issued anew": func(p *plan) { p.returned, p.register = 1, true },
	"comes to the town hall":     func(p *plan) { p.townHall = 1 },
	"presumed":                   func(p *plan) { p.presume, p.mute = 8, 1 },
	"a batch, signed as one":     func(p *plan) { p.lots = lots{lines: 3, canary: 1, policy: post.SignBatch}; p.keySlow = .5 },
	"a batch, halted":            func(p *plan) { p.lots = lots{lines: 3, policy: post.SignEach, steer: .8} },
	"a batch, stopped":           func(p *plan) { p.lots = lots{lines: 4, policy: post.SignEach, stop: .5}; p.pieces = true },
	"pages":                      func(p *plan) { p.paged, p.twice, p.late = true, .9, .3 },
	"canceled":                   func(p *plan) { p.cancel, p.meddle = .5, .5 },
}

// TestSeedsAtEachPoint lets a process die at each point of a life, one world for
// each, and loses the answer of each call to the database, and each call itself:
// what random faults would meet now and then. Without -seeds 10000 some of the places are tried.
func TestSeedsAtEachPoint(t *testing.T) {
	if *seed != 0 {
		return // another test's
	}
	stride := 41
	if *seeds >= 10000 {
		stride = 1
	}
	var worlds atomic.Int64
	for name, life := range lives {
		with := func(o one) hazard {
			return hazard{plan: func(p *plan) {
				calm(p)
				p.letters, p.trouble = 1, 3*time.Hour
				life(p)
				p.one = o
			}}
		}
		const seed = 7
		whole := play(seed, with(one{}), false)
		try := func(what string, places int, fault func(n int) one) {
			each(places/stride, func(n uint64) {
				o := fault(1 + (int(n)*stride+places)%places)
				w := play(seed, with(o), false)
				worlds.Add(1)
				if len(w.broken) > 0 {
					t.Errorf("%s, %s: %s", name, fmt.Sprintf(what, o), w.broken[0])
				}
				if w.steps < 20 {
					t.Errorf("%s: the world has %d points", name, w.steps)
				}
			})
		}
		try("dies at a point %+v", whole.steps, func(n int) one { return one{dies: n} })
		try("an answer is lost %+v", whole.calls, func(n int) one { return one{answerLost: n} })
		try("a call is not done %+v", whole.calls, func(n int) one { return one{undone: n} })
	}
	t.Logf("%d worlds", worlds.Load())
}

// TestAPointBites: a fault that random luck meets now and then is met at its point of
// a life, and at no other.
func TestAPointBites(t *testing.T) {
	var at int
	forgets := bend(func(w *world, s *store) bent { // a receipt is given before the commit
		return bent{accept: func(ctx context.Context, a letter.Accepted) (letter.First, bool, error) {
			before := w.calls
			first, fresh, err := s.AcceptLetter(ctx, a)
			if err != nil {
				return letter.First{ID: a.ID, Reference: a.Reference, State: post.LetterAccepted, Digest: a.Digest}, true, nil //nolint:nilerr // that is the hazard
			}
			if at == 0 {
				at = before + 1
			}
			return first, fresh, nil
		}}
	})
	broken := func(o one) bool {
		return len(play(7, hazard{store: forgets, plan: func(p *plan) {
			calm(p)
			p.letters, p.trouble, p.one, p.alone = 1, 3*time.Hour, o, 1
		}}, false).broken) > 0
	}
	if broken(one{}) {
		t.Error("a receipt before the commit does harm in a world without a fault")
	}
	for n := max(at-5, 1); n <= at+5; n++ {
		if got := broken(one{undone: n}); got != (n == at) {
			t.Errorf("call %d of those around the acceptance, which is %d: harm %v", n, at, got)
		}
	}
}
