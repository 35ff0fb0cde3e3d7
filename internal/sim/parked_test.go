package sim

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

// newRetry says how often an operator lets parked receipts be tried again. It is
// drawn from luck of its own: a seed without it is the world that it always was.
func newRetry(seed uint64) float64 {
	r := rand.New(rand.NewPCG(seed, 18))
	if r.IntN(3) > 0 {
		return 0
	}
	return []float64{.05, .5}[r.IntN(2)]
}

// lookIntoDrawer lets an operator look at what is parked, in trouble and after it.
func (w *world) lookIntoDrawer() {
	if w.plan.retry > 0 && w.luck.Float64() < w.plan.retry {
		w.retryParked(w.nodes[w.luck.IntN(2)], 1+w.luck.IntN(5))
	}
}

// retryParked is an operator who lets up to n parked receipts be tried again, in any
// order; the program may die at each of them.
func (w *world) retryParked(n *node, most int) {
	hands := track.Hands{Drawer: drawer{n}, Log: slog.New(alarms{w})}
	w.spawn(n, func(ctx context.Context) {
		page, err := hands.List(ctx, track.ParkedPage{Limit: most})
		w.luck.Shuffle(len(page), func(i, j int) { page[i], page[j] = page[j], page[i] })
		for _, k := range page {
			var now track.Kept
			if now, err = hands.Retry(ctx, "operator", k.ID); err == nil {
				w.retried++
			}
			w.say("%s an operator retries %s, parked as %s: %s %v", n.name, k.ID, k.Word(), now.Verdict, err)
		}
		if err != nil {
			w.say("%s parked receipts: %v", n.name, err)
		}
	}, nil)
}

// retryAll lets every parked receipt be tried again when all is over: what they say
// is judged against letters that have ended, and nothing may come of it.
func (w *world) retryAll() {
	before := len(w.digital.order) + len(w.paper.order)
	ends := w.ends()
	w.plan.horizon += 24 * time.Hour
	w.retryParked(w.nodes[0], track.MaxParked)
	for _, d := range []time.Duration{time.Minute, time.Hour} {
		w.after(d, func() { w.duties(w.nodes[1]) })
	}
	w.run()
	if len(w.broken) > 0 {
		return
	}
	if after := len(w.digital.order) + len(w.paper.order); after != before {
		w.violate("I17: after parked receipts were tried again, %d more hand-overs", after-before)
	}
	for id, end := range w.ends() {
		if ends[id] != end {
			w.violate("I17: letter %s ended as %s, and as %s after parked receipts were tried again", id, ends[id], end)
		}
	}
	w.settled()
}

func (w *world) ends() map[string]string {
	rows, _ := w.db.Rows()
	all := make(map[string]string, len(rows))
	for _, r := range rows {
		all[string(r.ID)] = string(r.State)
	}
	return all
}

// drawer is where parked receipts lie, as n reaches it.
type drawer struct{ n *node }

func (d drawer) real() track.Drawer { return d.n.w.db.Node(d.n.now) }

func (d drawer) ListParkedReceipts(ctx context.Context, p track.ParkedPage) ([]track.Kept, error) {
	return call(ctx, d.n, "list parked", func() ([]track.Kept, error) { return d.real().ListParkedReceipts(ctx, p) })
}

func (d drawer) FindReceipt(ctx context.Context, id track.ReceiptID) (track.Kept, error) {
	return call(ctx, d.n, "find receipt", func() (track.Kept, error) { return d.real().FindReceipt(ctx, id) })
}

func (d drawer) SettleParked(ctx context.Context, all []track.HandSettled) (int, error) {
	return call(ctx, d.n, "retry parked", func() (int, error) { return d.real().SettleParked(ctx, all) })
}
