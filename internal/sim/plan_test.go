package sim

import (
	"math/rand/v2"
	"time"
)

// A plan says which faults a world has, and how often. Each seed turns some off
// and some up, so that rare meetings of two faults are not drowned by others.
type plan struct {
	clocks
	lots
	trials
	strains
	one
	letters int
	trouble time.Duration // after which the world heals
	horizon time.Duration // after which a letter that has not ended is stranded
	lease   time.Duration

	crash, storeDown, lostAnswer, stall, shutdown    float64
	ringLost, ringTwice, ringForged, queueDown, wipe float64

	// Of each carrier's answers:
	busy, lostBefore, lostAfter, refuseContent float64
	// Of receipts:
	twice, late, contradict, never, sourceDown float64
	returned                                   float64

	jump   float64 // of a clock, each minute of trouble
	flip   float64 // of a person's enrollment, each minute of trouble
	unsure float64 // of a look-up
	fade   float64 // of a person who opts out after the look-up
	cancel float64 // of a caller who takes the letter back
	retry  float64 // of an operator who lets parked receipts be tried again, each time that a person decides
	alone  float64 // of a ring that moves its letter only, not all that are due
	// strict: the carrier judges the recipient before it looks whether it has
	// the message already.
	strict bool
	// How soon a person is asked: after how many unclear hand-overs, and how
	// long a look-up may stay unsure.
	resends int
	budget  time.Duration
	// breaksOff is how many hand-overs the first processes break off by ending.
	breaksOff int
}

func newPlan(r *rand.Rand) plan {
	some := func(of ...float64) float64 {
		if r.IntN(2) == 0 {
			return 0
		}
		return of[r.IntN(len(of))]
	}
	p := plan{
		letters: 1 + r.IntN(3), trouble: time.Duration(20+r.IntN(160)) * time.Minute, horizon: 45 * 24 * time.Hour,
		lease: []time.Duration{8 * time.Second, 90 * time.Second}[r.IntN(2)],
		crash: some(.004, .02, .06), storeDown: some(.01, .05, .2), lostAnswer: some(.01, .05, .2), stall: some(.005, .03), shutdown: some(.01, .05),
		ringLost: some(.1, .5, 1), ringTwice: some(.2, .8), ringForged: some(.1), queueDown: some(.3, 1), wipe: some(.05, .3),
		busy: some(.1, .5), lostBefore: some(.1, .3), lostAfter: some(.1, .3, .8), refuseContent: some(.05, .2),
		twice: some(.3, .9), late: some(.3, .9), contradict: some(.3, 1), never: some(.1), sourceDown: some(.1, .4), returned: some(.3, .8),
		jump: some(.02, .1), flip: some(.02, .2), unsure: some(.2, .7), fade: some(.1, .4), cancel: some(.2), strict: r.IntN(2) == 0,
		resends: 30, budget: 72 * time.Hour, alone: []float64{0, .3, 1}[r.IntN(3)],
	}
	if r.Uint64()%3 == 0 {
		p.resends, p.budget = 2, time.Hour
	}
	return p
}
