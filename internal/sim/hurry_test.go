package sim

import (
	"context"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/sim/memstore"
)

// wish is what a sender asks for besides a letter.
type wish struct {
	urgent, registered, only bool
	notBefore                time.Time
}

// wishes draws what the sender of one letter asks for.
func (w *world) wishes() (asks wish) {
	h := w.plan.hurry
	asks.urgent = h.urgent > 0 && w.luck.Float64() < h.urgent
	asks.registered = h.registered > 0 && w.luck.Float64() < h.registered
	if h.notBefore > 0 && w.luck.Float64() < h.notBefore {
		asks.notBefore = start.Add(w.between(0, 40*time.Hour)).Truncate(time.Second)
	}
	asks.only = h.only > 0 && w.luck.Float64() < h.only
	return asks
}

// onto adds the wishes to a submission.
func (a wish) onto(s letter.Submission) letter.Submission {
	s.Urgent, s.Registered, s.NotBefore = a.urgent, a.registered, a.notBefore
	return s
}

// asked is checked at each hand-over: what its sender asked for.
func (w *world) asked(j dispatch.Job, who *person) {
	if j.Registered != who.asks.registered {
		w.violate("I24: letter %s goes out, registered %v, and its sender asked for %v", j.Letter, j.Registered, who.asks.registered)
	}
	if who.asks.only && j.Channel != post.Digital {
		w.violate("I24: letter %s goes on paper, and may not", j.Letter)
	}
	if w.plan.jump == 0 && w.now.Before(who.asks.notBefore) {
		w.violate("I24: letter %s goes out at %s, and not before %s", j.Letter, w.now, who.asks.notBefore)
	}
}

// withdraw lets a dispatcher that starts know of no registered post any more, while
// the letters that ask for it were taken in.
func (w *world) withdraw(ts []post.Tenant) []post.Tenant {
	if w.plan.registered > 0 && w.chance(w.plan.withdrawn) {
		w.tried["registered post is offered no more"]++
		ts[0].Registered = false
	}
	return ts
}

// meddled lets a person act right when the intent of a letter was committed: the
// bytes are about to go out, are going, or have gone.
func (w *world) meddled(m memstore.Move) {
	if m.To != post.LetterHandingOver || m.Actor != "dispatcher" || !w.chance(w.plan.meddle) {
		return
	}
	w.tried["somebody meddles with a hand-over"]++
	n := w.nodes[w.luck.IntN(2)]
	ours := w.plays() && slices.Contains(w.lot.lines, w.owner[m.Letter])
	order := []string{"pause", "resume", "stop"}[w.luck.IntN(3)]
	what := letter.Cancel
	if w.luck.IntN(4) == 0 {
		what = letter.Print
	}
	w.after(w.between(0, 5*time.Second), func() {
		switch {
		case !ours:
			w.decideOne(n, m.Letter, what)
		case order != "stop" && w.plan.steer > 0, order == "stop" && w.plan.stop > 0 && !w.lot.stopped:
			w.give(order, func() {})
		}
	})
}

// restless is an operator who pauses a channel in time and lets it be for days, while
// latest days pass.
func (w *world) restless() {
	if w.plan.rest > 0 && w.plays() {
		w.after(w.between(0, 40*time.Minute), func() {
			if !w.lot.paused {
				w.tried["a channel rests for days"]++
				w.shut()
			}
		})
	}
}

// resting reports whether a channel that is paused stays so.
func (w *world) resting() bool { return w.now.Sub(start) < w.plan.rest }

// punctual is checked at the end: a letter with a latest day says truly whether it
// came in time, however long it lay halted.
func (w *world) punctual(r memstore.Row, p *parcel) {
	day, ok := letter.BudgetOf(w.plan.arrive, post.LetterTimes{})
	if !ok || p == nil || r.State != post.LetterDelivered || w.plan.fast != "" || r.Batch != "" {
		return
	}
	v, err := w.nodes[0].desk.Show(context.Background(), "", r.ID)
	late := !p.arrived.Before(day.End)
	if err != nil || late != (v.Timing == letter.TimingBehind) {
		w.violate("I25: letter %s arrived at %s, counts as %q, and was to arrive by %s: %v", r.ID, p.arrived, v.Timing, w.plan.arrive, err)
	}
	if late {
		w.tried["a letter came too late"]++
	}
}

// hasten is what the sender of a batch asks for besides.
func (w *world) hasten(o batch.Options) batch.Options {
	o.Urgent = w.plan.urgent > 0 && w.seed%2 == 0
	return o
}
