package sim

import (
	"context"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/sim/memstore"
)

// bentRoots keeps roots in another way.
type bentRoots struct{ dispatch.Roots }

// BatchesToSign gives each who asks a signing time of its own.
func (b bentRoots) BatchesToSign(ctx context.Context, now time.Time) ([]dispatch.Signing, error) {
	all, err := b.Roots.BatchesToSign(ctx, now)
	for i := range all {
		all[i].At = now
	}
	return all, err
}

// forgetful keeps no address with an intent.
func forgetful(_ *world, s *store) bent {
	return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
		r, err := s.LetterForStep(ctx, l)
		if r.Intent != nil {
			r.Intent.Address = ""
		}
		return r, err
	}}
}

// strained plays a calm world with one strain.
func strained(add func(*plan)) func(*plan) {
	return func(p *plan) {
		calm(p)
		add(p)
	}
}

// strainHazards are those of key stores, references, registers, pages and haste.
// Without its strain none is noticed.
var strainHazards = []hazardCase{
	{"each process signs a batch as of its own time", "I8", 200, hazard{
		plan:  strained(func(p *plan) { p.lots, p.keySlow, p.keyFails = lots{lines: 5, policy: post.SignBatch}, .5, .3 }),
		less:  func(p *plan) { p.vaults = vaults{} },
		roots: func(r dispatch.Roots) dispatch.Roots { return bentRoots{r} }}},
	{"a batch that was signed meanwhile is signed once more", "I8", 100, hazard{
		plan: strained(func(p *plan) { p.lots, p.keySlow = lots{lines: 5, policy: post.SignBatch}, .5 }),
		less: func(p *plan) { p.vaults = vaults{} }, store: bend(func(w *world, _ *store) bent {
			w.db.Resign = true
			return bent{}
		})}},
	{"whoever gets a new key no longer proves what the former one signed", "I8", 100, hazard{
		plan: strained(func(p *plan) { p.renewed, p.lostBefore = 10*time.Minute, .8 }), less: func(p *plan) { p.vaults = vaults{} }, ownKey: true}},
	{"a reference is two letters'", "I21", 100, hazard{plan: strained(func(p *plan) { p.refs = 1 }), less: func(p *plan) { p.names = names{} },
		store: bend(func(w *world, _ *store) bent {
			w.db.Twins = true
			return bent{}
		})}},
	{"a caller is told of the reference that was drawn, not of the one that was kept", "I21", 100, hazard{
		plan: strained(func(p *plan) { p.refs = 1 }), less: func(p *plan) { p.names = names{} },
		store: bend(func(_ *world, s *store) bent {
			return bent{accept: func(ctx context.Context, a letter.Accepted) (letter.First, bool, error) {
				f, fresh, err := s.AcceptLetter(ctx, a)
				if fresh {
					f.Reference = a.Reference
				}
				return f, fresh, err
			}}
		})}},
	{"the address that a letter was printed for is not kept", "I8", 100, hazard{
		plan: strained(func(p *plan) { p.register, p.homeless, p.moves, p.lostAfter = true, true, 1, .8 }),
		less: func(p *plan) { p.names = names{} }, store: bend(forgetful)}},
	{"where a letter came back from is not remembered", "I22", 200, hazard{
		plan: strained(func(p *plan) { p.register, p.townHall = true, 1 }), less: func(p *plan) { p.townHall = 0 },
		store: bend(func(_ *world, s *store) bent {
			return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
				r, err := s.LetterForStep(ctx, l)
				r.Former = nil
				return r, err
			}}
		})}},
	{"an envelope at the town hall is kept and moves nothing", "I23", 100, hazard{
		plan: strained(func(p *plan) { p.townHall = 1 }), less: func(p *plan) { p.townHall = 0 }, store: bend(func(w *world, _ *store) bent {
			w.db.Unmoved = "mailroom:clerk"
			return bent{}
		})}},
	{"a page is forgotten, although only the first of it was kept", "I2", 200, hazard{
		plan: strained(func(p *plan) { p.torn, p.paged = .5, true }), less: func(p *plan) { p.torn = 0 }, store: bend(func(w *world, s *store) bent {
			return bent{keep: func(ctx context.Context, rs []track.Receipt) error {
				err := s.KeepReceipts(ctx, rs)
				if err != nil && slices.ContainsFunc(w.db.Kept(), func(k memstore.Kept) bool { return k.EventID == rs[0].EventID }) {
					return nil
				}
				return err
			}}
		})}},
	{"what a group of receipts passed over counts as settled", "I2", 200, hazard{
		plan: strained(func(p *plan) { p.locked, p.paged = .5, true }), less: func(p *plan) { p.locked = 0 }, store: bend(func(_ *world, s *store) bent {
			return bent{settled: func(ctx context.Context, all []track.Settlement) ([]track.Settlement, error) {
				stale, err := s.SettleReceipts(ctx, all)
				for i := range stale {
					stale[i].Path, stale[i].Verdict = nil, track.Noted
				}
				if len(stale) > 0 && err == nil {
					_, err = s.real.SettleReceipts(ctx, stale)
				}
				return nil, err
			}}
		})}},
	{"registered post is forgotten on the way", "I24 I15", 50, hazard{plan: strained(func(p *plan) { p.registered = 1 }), less: func(p *plan) { p.registered = 0 },
		store: bend(func(_ *world, s *store) bent {
			return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
				r, err := s.LetterForStep(ctx, l)
				r.Registered = false
				return r, err
			}}
		})}},
	{"what may not go on paper does", "I24", 50, hazard{plan: strained(func(p *plan) { p.only, p.fade = 1, 1 }), less: func(p *plan) { p.only = 0 },
		store: bend(func(_ *world, s *store) bent {
			return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
				r, err := s.LetterForStep(ctx, l)
				r.DigitalOnly = false
				return r, err
			}}
		})}},
	{"a first day counts only while nobody looks", "I24", 50, hazard{plan: strained(func(p *plan) { p.notBefore = 1 }), less: func(p *plan) { p.notBefore = 0 },
		store: bend(func(_ *world, s *store) bent {
			return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
				r, err := s.LetterForStep(ctx, l)
				r.NotBefore = time.Time{}
				return r, err
			}}
		})}},
	{"a letter is canceled while its bytes go out", "I9", 50, hazard{plan: strained(func(p *plan) { p.meddle = 1 }), less: func(p *plan) { p.meddle = 0 },
		store: bend(func(w *world, _ *store) bent {
			w.db.CancelsAll = true
			return bent{}
		})}},
	{"a decision is obeyed each time it is given", "I9", 100, hazard{
		plan: strained(func(p *plan) { p.returned, p.doubled = 1, 1 }), less: func(p *plan) { p.doubled = 0 },
		store: bend(func(w *world, _ *store) bent {
			w.db.Obeys = true
			return bent{}
		})}},
	{"what waited for days is said to have come in time", "I25", 400, hazard{
		plan: strained(func(p *plan) {
			p.lots, p.rest, p.arrive, p.fast = lots{lines: 1, policy: post.SignEach}, 13*24*time.Hour, nearDay, ""
		}), less: func(p *plan) { p.rest = 0 }, store: bend(func(w *world, _ *store) bent {
			w.early = true
			return bent{}
		})}},
}

// TestStrainHazardsNeedTheirStrain: what the strains find was not found without them.
func TestStrainHazardsNeedTheirStrain(t *testing.T) {
	for _, h := range strainHazards {
		each(min(h.within, 12), func(s uint64) {
			hz := h.hazard
			hz.plan = func(p *plan) {
				h.plan(p)
				h.less(p)
			}
			if w := play(s, hz, false); len(w.broken) > 0 {
				t.Errorf("%s: noticed without it, seed %d: %s", h.name, s, w.broken[0])
			}
		})
	}
}

// TestStrainsArePlayed: the worlds have what they are for.
func TestStrainsArePlayed(t *testing.T) {
	found := map[string]int{}
	for seed := uint64(1); seed <= 300; seed++ {
		if newStrains(seed) == (strains{}) {
			continue
		}
		w := play(seed, hazard{}, false)
		for what, n := range w.tried {
			found[what] += min(n, 1)
		}
	}
	for _, what := range []string{"no key", "a key fails", "a signature takes minutes", "a key was changed", "a reference was taken", "somebody moved house",
		"an envelope came to the town hall", "a page is torn", "a receipt stands in two pages", "a receipt stands in its page twice",
		"a forgotten receipt came again", "a group passes over a letter", "somebody meddles with a hand-over", "a decision is given twice",
		"registered post is offered no more", "a channel rests for days"} {
		if found[what] == 0 {
			t.Errorf("%q in %d of 300 worlds", what, found[what])
		}
	}
	t.Log(found)
}

// TestNobodyIsAskedWhileTheKeyStoreIsAway: while nothing can be opened or signed
// no person is asked about any letter. The worlds show it: when each failure is taken
// for the letter's own, people are asked.
func TestNobodyIsAskedWhileTheKeyStoreIsAway(t *testing.T) {
	away := strained(func(p *plan) { p.keyless, p.keylessFor = time.Minute, time.Hour })
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
	if n := asked(hazard{plan: away}); n > 0 {
		t.Errorf("people were asked about %d letters while nothing could be opened", n)
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
}
