package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// trials says what a world has of claims, files and releases that do not go as
// one would like. It is drawn from luck of its own: a seed without it is the world
// that it always was.
type trials struct {
	// passOver is how likely a claim passes over a row that is due, as PostgreSQL does
	// with what somebody else is writing. That is no fault: it goes on when the world
	// has healed.
	passOver float64
	// pieces: a dispatcher releases and stops a batch in commits of their own, and
	// anything may come between two of them.
	pieces bool
	// dark is when nothing sealed can be read any more, and for how long.
	dark, darkFor time.Duration
	// lost is when one file is lost or cut, for all letters that share it, and
	// lostFor how long it takes until a copy is back.
	lost, lostFor time.Duration
	// deaf: each ring is lost, also when the world has healed.
	deaf bool
	// lostFirst: the first file is gone once it was kept.
	lostFirst bool
}

func newTrials(seed uint64) trials {
	r := rand.New(rand.NewPCG(seed, trialsSalt))
	var t trials
	if r.IntN(2) == 0 {
		return t
	}
	if r.IntN(2) == 0 {
		t.passOver = []float64{.05, .2, .5}[r.IntN(3)]
	}
	t.pieces = r.IntN(2) == 0
	if r.IntN(3) == 0 {
		t.dark, t.darkFor = time.Duration(r.IntN(120))*time.Minute, time.Duration(5+r.IntN(90))*time.Minute
	}
	if r.IntN(3) == 0 {
		t.lost, t.lostFor = time.Duration(1+r.IntN(90))*time.Minute, time.Duration(1+r.IntN(24))*time.Hour
	}
	t.deaf = r.IntN(6) == 0
	return t
}

// trialsSalt leaves the named seeds from before as they were.
const trialsSalt = 1605

// tryOut lets the trials of the world begin.
func (w *world) tryOut() {
	p := w.plan.trials
	if p.passOver > 0 {
		w.db.PassOver = func() bool {
			over := w.luck.Float64() < p.passOver
			if over {
				w.tried["passed over"]++
			}
			return over
		}
	}
	if p.lostFor > 0 {
		w.after(p.lost, w.lose)
	}
}

// lose takes or cuts one file, until a copy is back.
func (w *world) lose() {
	var names []string
	for name := range w.sealed {
		names = append(names, name)
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	w.tried["a file is lost"]++
	name := names[w.luck.IntN(len(names))]
	if whole := w.sealed[name]; w.luck.IntN(2) == 0 {
		w.bad[name] = nil
	} else {
		w.bad[name] = whole[:w.luck.IntN(len(whole))]
	}
	w.say("%s is lost, but for %d bytes", name, len(w.bad[name]))
	w.after(w.plan.lostFor, func() {
		delete(w.bad, name)
		w.say("%s is back", name)
	})
}

var errDisk = errors.New("disk does not answer")

// darkNow reports whether nothing sealed can be read.
func (w *world) darkNow() bool {
	since := w.now.Sub(start) - w.plan.dark
	return w.plan.darkFor > 0 && since >= 0 && since < w.plan.darkFor
}

// releaseInPieces is what the database does for [batch] after batch, with
// everything that may come between its commits.
func (s *store) releaseInPieces(ctx context.Context, n int) error {
	all, err := call(ctx, s.n, "batches to go on with", func() (map[post.BatchID]batch.State, error) { return s.real.Unfinished(), nil })
	if err != nil {
		return err
	}
	for id, state := range all { // a world has one batch
		s.n.w.tried["released in pieces"]++
		for before := -1; ; {
			left, err := 0, error(nil)
			if state == batch.Stopping {
				left, err = s.StopBatch(ctx, "", id, "", n)
			} else {
				left, err = s.ApproveBatch(ctx, "", id, "", n)
			}
			if err != nil && !errors.Is(err, post.ErrStale) && !errors.Is(err, post.FaultBatchState) {
				return err
			}
			if err != nil || left == 0 || state == batch.Stopping && left == before {
				break
			}
			before = left
		}
	}
	return nil
}

// calm is a world in which nothing goes wrong but what is named later.
func calm(p *plan) {
	*p = plan{letters: 3, trouble: p.trouble, horizon: p.horizon, lease: 90 * time.Second, resends: 30, budget: 72 * time.Hour, alone: p.alone}
}

// ringOnce is a list of jobs of which each is rung for once.
type ringOnce struct {
	queue.Jobs
	rung map[string]bool
}

func (o ringOnce) Due(ctx context.Context, k queue.Kind, n int, quiet time.Duration) ([]queue.Ring, error) {
	rings, err := o.Jobs.Due(ctx, k, n, quiet)
	return slices.DeleteFunc(rings, func(r queue.Ring) bool {
		again := o.rung[r.ID]
		o.rung[r.ID] = true
		return again
	}), err
}

func ringsOnce(w *world, j queue.Jobs) queue.Jobs {
	if w.rungOnce == nil {
		w.rungOnce = map[string]bool{}
	}
	return ringOnce{j, w.rungOnce}
}

// trialHazards are those of claims and releases.
var trialHazards = []hazardCase{
	{"whoever was rung for is taken for taken, though a claim may pass over what is due", "I2", 40,
		hazard{plan: func(p *plan) { calm(p); p.passOver = .5 }, jobs: ringsOnce}},
	{"what a ring did not take is never looked for", "I2", 40, hazard{plan: func(p *plan) { calm(p); p.deaf = true }, jobs: ringsOnce}},
	{"a release is begun once, and what is left of it waits for whoever approved", "I2", 400, hazard{
		plan: func(p *plan) {
			calm(p)
			p.crash, p.pieces, p.lots = .02, true, lots{lines: 5, policy: post.SignBatch}
		}, releaseOnce: true}},
}

// TestNobodyIsAskedAboutWhatBefallsAll: while the disk is away nothing gets through,
// and no person is asked about any letter. One whose own file is gone comes to a
// person while the others go. The worlds show it: when each failure is taken for the
// letter's own, people are asked.
func TestNobodyIsAskedAboutWhatBefallsAll(t *testing.T) {
	asked := func(hz hazard) (n int) {
		for seed := uint64(1); seed <= 25; seed++ {
			w := play(seed, hz, false)
			for _, b := range w.broken {
				t.Errorf("seed %d: %s", seed, b)
			}
			n += w.alarms["letter needs a person"]
		}
		return n
	}
	away := func(p *plan) { calm(p); p.dark, p.darkFor = time.Minute, time.Hour }
	if n := asked(hazard{plan: away}); n > 0 {
		t.Errorf("people were asked about %d letters while nothing got through", n)
	}
	if n := asked(hazard{plan: away, store: bend(func(_ *world, s *store) bent {
		return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
			r, err := s.LetterForStep(ctx, l)
			if r.Failures >= 7 {
				r.Failures += 16
			}
			return r, err
		}}
	})}); n == 0 {
		t.Error("nobody was asked when each failure is the letter's own: the worlds do not show it")
	}
	for seed := uint64(1); seed <= 10; seed++ { // that letter can have no good end: only whether somebody was told is looked at
		w := play(seed, hazard{plan: func(p *plan) { calm(p); p.lostFirst = true }}, false)
		rows, _ := w.db.Rows()
		told := 0
		for _, r := range rows {
			told += min(1, w.alarms["letter needs a person "+string(r.ID)])
		}
		if told != 1 || len(rows) != 3 {
			t.Errorf("seed %d: a file is gone, and of %d letters %d came to a person", seed, len(rows), told)
		}
	}
}

// TestAllIsDoneWithEachRingLost: a ring is never what a letter depends on, nor a
// claim that finds all that is due.
func TestAllIsDoneWithEachRingLost(t *testing.T) {
	var batches int
	each(40, func(seed uint64) {
		w := play(seed, hazard{plan: func(p *plan) { p.deaf, p.passOver = true, .5 }}, false)
		for _, b := range w.broken {
			t.Errorf("seed %d: %s", seed, b)
		}
		if w.queue.sent > 0 {
			t.Errorf("seed %d: %d rings were heard", seed, w.queue.sent)
		}
	})
	for seed := uint64(1); seed <= 40; seed++ {
		if newLots(seed).lines > 0 {
			batches++
		}
	}
	if batches < 5 {
		t.Errorf("%d of the worlds have a batch", batches)
	}
}

// TestTrialsArePlayed: the worlds have what they are for.
func TestTrialsArePlayed(t *testing.T) {
	found := map[string]int{}
	for seed := uint64(1); seed <= 120; seed++ {
		w := play(seed, hazard{}, false)
		w.tried["nothing could be read"] = int(w.away.Load())
		for what, n := range w.tried {
			found[what] += min(n, 1)
		}
	}
	for what, least := range map[string]int{"passed over": 20, "a file is lost": 10, "nothing could be read": 3, "released in pieces": 3} {
		if found[what] < least {
			t.Errorf("%q in %d of 120 worlds", what, found[what])
		}
	}
}
