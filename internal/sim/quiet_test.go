package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/sim/memstore"
)

// clocks says what rules about time a world has. They are drawn from luck of
// their own: a seed without them is the world that it always was.
type clocks struct {
	presume int      // working days after which a posted letter counts as delivered; 0 is never
	mute    float64  // of a letter on paper of which nothing is heard once it is posted
	arrive  post.Day // the latest day of arrival of every letter; "" is none
	// ahead is how far the clock of the carrier named fast is ahead.
	ahead time.Duration
	fast  string
}

// The latest day leaves no time for paper: whoever is asked is asked at once.
const nearDay = post.Day("2026-06-12")

func newClocks(seed uint64) clocks {
	r := rand.New(rand.NewPCG(seed, 2))
	var c clocks
	if r.IntN(3) == 0 {
		c.presume, c.mute = 8+r.IntN(3), []float64{.3, .8}[r.IntN(2)]
	}
	if r.IntN(3) == 0 {
		c.arrive = nearDay
	}
	if r.IntN(4) == 0 {
		c.ahead, c.fast = 365*24*time.Hour, []string{"digitalpost", "printhouse"}[r.IntN(2)]
	}
	return c
}

// tenants are the municipalities with the rules of this world.
func (w *world) tenants() []post.Tenant {
	ts := slices.Clone(tenants)
	ts[0].Times.Presume = w.plan.presume
	ts[0].Registered = w.plan.registered > 0
	return ts
}

// mute reports whether the carrier says nothing more of a letter that it posted,
// and lets some of those come back weeks later.
func (c *carrier) mute(id string, p *parcel, luck *rand.Rand) bool {
	w := c.w
	if w.plan.mute == 0 || !hit(w, luck, w.plan.mute) {
		return false
	}
	if who := w.owner[p.letter]; who != nil && who.asks.registered { // nobody presumes anything of it: it is proven, or comes back
		return false
	}
	if luck.IntN(3) == 0 {
		p.back = true
		c.tell(id, track.Returned, "moved", time.Duration(15+luck.IntN(15))*24*time.Hour, luck)
	}
	return true
}

// presumed is checked at each move: a letter counts as delivered unheard only by
// its municipality's rule, after it was posted and has rested.
func (w *world) presumed(m memstore.Move) {
	switch m.To {
	case post.LetterReturned:
		w.cameHome[post.DerivedID(m.Letter, m.Channel, m.Generation)] = true
	case post.LetterPosted:
		w.posted[m.Letter] = w.now
	case post.LetterPresumed:
		quiet := calendar.After(w.posted[m.Letter], w.plan.presume)
		switch who := w.owner[m.Letter]; {
		case who != nil && who.asks.registered:
			w.violate("I15: letter %s by registered post counts as delivered, and nothing proves it", m.Letter)
		case w.plan.presume == 0 || m.From != post.LetterPosted || m.Actor != "dispatcher":
			w.violate("I15: letter %s counts as delivered from %s by %s, against its rule", m.Letter, m.From, m.Actor)
		case w.plan.jump == 0 && w.now.Before(quiet): // a clock that is off by a day may be early by a weekend
			w.violate("I15: letter %s counts as delivered at %s, and its quiet time ends at %s", m.Letter, w.now, quiet)
		}
	}
}

// cameBack is checked at the end: a letter that its carrier brought back does not
// count as delivered, however late it said so.
func (w *world) cameBack(r memstore.Row) {
	if r.State != post.LetterPresumed {
		return
	}
	id := post.DerivedID(r.ID, r.Channel, r.Generation)
	if w.cameHome[id] || slices.ContainsFunc(w.paper.said, func(d *word) bool { return d.gone && d.MessageID == id && d.Kind == track.Returned }) {
		w.violate("I15: letter %s counts as delivered, and its carrier brought it back", r.ID)
	}
}

// always plays a world in which much stays unheard.
func always(p *plan) { p.presume, p.mute, p.jump = 8, .8, 0 }

// quietHazards are those of rules about time.
var quietHazards = []hazardCase{
	{"silence is taken for delivery as soon as a letter is posted", "I15", 100, hazard{plan: always, store: bend(func(_ *world, s *store) bent {
		return bent{read: func(ctx context.Context, l queue.Lease) (dispatch.Record, error) {
			r, err := s.LetterForStep(ctx, l)
			if r.State == post.LetterPosted {
				r.Since = r.Since.AddDate(0, -1, 0)
			}
			return r, err
		}}
	})}},
	{"what comes back after the quiet time is noted and forgotten", "I15", 100, hazard{plan: always, store: bend(func(*world, *store) bent {
		return bent{settle: func(in track.Settlement) track.Settlement {
			if in.Standing.State == post.LetterPresumed {
				in.Path, in.Verdict = nil, track.Noted
			}
			return in
		}}
	})}},
	{"a carrier's time is believed, whatever its clock shows", "I16", 100, hazard{store: bend(func(*world, *store) bent {
		return bent{settle: func(in track.Settlement) track.Settlement {
			in.At = in.Receipt.At
			return in
		}}
	}), plan: func(p *plan) { p.ahead, p.fast = 365*24*time.Hour, "digitalpost" }}},
}
