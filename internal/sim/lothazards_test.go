package sim

import (
	"context"
	"slices"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// bentLots is a store of batches with one of its verbs replaced.
type bentLots struct {
	*store
	pause   func(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, pause bool) error
	approve func(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error)
	stop    func(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error)
}

func (b bentLots) PauseBatch(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, pause bool) error {
	if b.pause != nil {
		return b.pause(ctx, t, id, by, pause)
	}
	return b.store.PauseBatch(ctx, t, id, by, pause)
}

func (b bentLots) ApproveBatch(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error) {
	if b.approve != nil {
		return b.approve(ctx, t, id, by, n)
	}
	return b.store.ApproveBatch(ctx, t, id, by, n)
}

func (b bentLots) StopBatch(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error) {
	if b.stop != nil {
		return b.stop(ctx, t, id, by, n)
	}
	return b.store.StopBatch(ctx, t, id, by, n)
}

func bendLots(f func(w *world, s *store) bentLots) func(*world, *store) batch.Store {
	return func(w *world, s *store) batch.Store {
		b := f(w, s)
		b.store = s
		return b
	}
}

// mailed plays worlds with a batch whose operators do much.
func mailed(also func(*plan)) func(*plan) {
	return func(p *plan) {
		p.lots = lots{lines: 5, policy: post.SignEach, steer: .8, breaks: true}
		if also != nil {
			also(p)
		}
	}
}

// blind lets intents be committed whatever is halted.
func blind(w *world, s *store) bent {
	w.db.Blind = true
	return bent{}
}

// lotHazards are those of batches.
var lotHazards = []hazardCase{
	{"a pause of a batch is looked at when a letter is read, not when its intent is committed", "I18", 200,
		hazard{plan: mailed(func(p *plan) { p.stall = .03 }), store: bend(blind)}},
	{"a stop is looked at when a letter is read, not when its intent is committed", "I18", 400,
		hazard{plan: mailed(func(p *plan) { p.stall, p.steer, p.stop = .03, 0, .5 }), store: bend(blind)}},
	{"a pause of a channel is looked at when a letter is read, not when its intent is committed", "I18", 200,
		hazard{plan: mailed(func(p *plan) { p.stall, p.steer, p.road = .03, 0, .8 }), store: bend(blind)}},
	{"a letter is put off by a pause of its channel that was lifted since it was read", "I26", 400,
		hazard{plan: mailed(func(p *plan) { p.stall, p.jump, p.steer, p.road = .03, 0, 0, .8 }), store: deafen}},
	{"a letter is put off by a pause of its batch that was lifted since it was read", "I26", 400,
		hazard{plan: mailed(func(p *plan) { p.stall, p.jump = .1, 0 }), store: deafen}},
	{"what is unclear is sent again while its batch is halted", "I18", 200,
		hazard{plan: mailed(func(p *plan) { p.lostAfter, p.steer, p.stop = .8, 0, .5 }), store: bend(func(w *world, s *store) bent {
			w.db.Blind = true
			return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
				r, err := s.LetterForStep(ctx, l)
				r.Released = r.Released || r.State == post.LetterOutcomeUnknown
				return r, err
			}}
		})}},
	{"a canary that is not counted", "I19", 20, hazard{plan: mailed(func(p *plan) { p.canary = 2 }), steering: bendLots(func(_ *world, s *store) bentLots {
		return bentLots{approve: func(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error) {
			left, err := s.ApproveBatch(ctx, t, id, by, n)
			if err == nil {
				_ = s.real.ContinueBatch(ctx, t, id, by)
				left, err = s.ApproveBatch(ctx, t, id, by, n)
			}
			return left, err
		}}
	})}},
	{"a resumed batch begins again with its letters", "I9 I5 I3", 100, hazard{plan: mailed(nil), steering: bendLots(func(w *world, s *store) bentLots {
		return bentLots{pause: func(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, pause bool) error {
			err := s.PauseBatch(ctx, t, id, by, pause)
			if err == nil && !pause {
				w.db.Rewind(id)
			}
			return err
		}}
	})}},
	{"a stop is answered before it is kept", "I18", 100, hazard{plan: mailed(func(p *plan) { p.stop, p.storeDown = .5, .2 }), steering: bendLots(func(_ *world, s *store) bentLots {
		return bentLots{stop: func(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error) {
			left, err := s.StopBatch(ctx, t, id, by, n)
			if err != nil {
				return 0, nil
			}
			return left, nil
		}}
	})}},
	{"a stopped batch is held like a paused one, and nobody ends what is left of it", "I2", 400, hazard{
		plan: mailed(func(p *plan) { p.stop, p.lostAfter, p.resends = .3, .8, 1 }), store: bend(func(_ *world, s *store) bent {
			return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
				r, err := s.LetterForStep(ctx, l)
				r.Stopped = false
				return r, err
			}}
		})}},
	{"a stop cancels what a carrier may have", "I2", 400, hazard{plan: mailed(func(p *plan) { p.stop, p.lostAfter, p.resends = .3, .8, 1 }), store: bend(func(_ *world, s *store) bent {
		return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
			r, err := s.LetterForStep(ctx, l)
			if r.Stopped && r.State == post.LetterRouted {
				r.Intent = nil // and doubt is forgotten
			}
			return r, err
		}}
	})}},
}

// TestOurOwnEndsUseUpNoResends breaks off hand-over after hand-over by shutting
// down: the letter goes in the end, and no person is asked. When they are counted,
// one is.
func TestOurOwnEndsUseUpNoResends(t *testing.T) {
	calm := func(p *plan) {
		*p = plan{letters: 1, trouble: p.trouble, horizon: p.horizon, lease: p.lease, resends: 2, budget: p.budget, lots: lots{breaks: true}, alone: p.alone}
		p.breaksOff = 6
	}
	asked := func(hz hazard) (n int) {
		if hz.plan == nil {
			hz.plan = calm
		}
		for seed := uint64(1); seed <= 20; seed++ {
			w := play(seed, hz, false)
			for _, b := range w.broken {
				t.Errorf("seed %d: %s", seed, b)
			}
			n += w.alarms["letter needs a person"]
		}
		return n
	}
	if n := asked(hazard{}); n > 0 {
		t.Errorf("a person was asked %d times", n)
	}
	if n := asked(hazard{store: bend(func(_ *world, s *store) bent {
		return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
			r, err := s.LetterForStep(ctx, l)
			if r.Intent != nil {
				r.Intent.Spared = 0
			}
			return r, err
		}}
	})}); n == 0 {
		t.Error("nobody was asked when they are counted: the worlds do not show it")
	}
	// A letter that no process lives long enough for may be why they end.
	if n := asked(hazard{plan: func(p *plan) { calm(p); p.breaksOff = 30 }}); n == 0 {
		t.Error("nobody was asked about a letter whose hand-over is broken off for ever")
	}
}

// TestBatchesAreSteered: the worlds with a batch do what they are for.
func TestBatchesAreSteered(t *testing.T) {
	var played, halted, stopped, signed, canaries int
	for seed := uint64(1); seed <= 120; seed++ {
		w := play(seed, hazard{}, false)
		for _, b := range w.broken {
			t.Errorf("seed %d: %s", seed, b)
		}
		if !w.plays() {
			continue
		}
		played++
		kinds := w.db.Kinds()
		for what, n := range map[string]*int{"batch.paused": &halted, "batch.stopped": &stopped, "batch.signed": &signed, "batch.continued": &canaries} {
			if slices.Contains(kinds, what) {
				*n++
			}
		}
	}
	if played < 20 || halted < 5 || stopped < 5 || signed < 5 || canaries < 2 {
		t.Errorf("of 120 worlds %d have a batch, %d paused, %d stopped, %d signed as one, %d with a canary that was found good", played, halted, stopped, signed, canaries)
	}
}
