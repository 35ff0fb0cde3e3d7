package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

// tear lets the database keep the first few receipts of a page and no more. Its
// contract forbids that; whoever keeps them must come to no harm all the same.
func (w *world) tear() {
	p := w.plan.pages
	if p.torn > 0 {
		w.db.Tear = func(n int) int {
			if !w.chance(p.torn) {
				return n
			}
			w.tried["a page is torn"]++
			return w.luck.IntN(n)
		}
	}
	if p.locked > 0 {
		w.db.Locked = func() bool {
			locked := w.luck.Float64() < p.locked // not a fault: it goes on when the world has healed
			if locked {
				w.tried["a group passes over a letter"]++
			}
			return locked
		}
	}
}

// page is what waits at a carrier that gives receipts page by page, the oldest first:
// now and then one stands in it twice, or was in the page before.
func (m mailbox) page() (rs []track.Receipt) {
	w := m.w
	if w.chance(w.plan.doubly) {
		for _, d := range slices.Backward(m.said) {
			if d.gone {
				w.tried["a receipt stands in two pages"]++
				rs = append(rs, d.Receipt)
				break
			}
		}
	}
	for _, d := range m.said {
		if !d.gone && !d.from.After(w.now) && len(rs) < 4 {
			rs = append(rs, d.Receipt)
		}
	}
	if len(rs) > 0 && w.chance(w.plan.doubly) {
		w.tried["a receipt stands in its page twice"]++
		rs = append(rs, rs[w.luck.IntN(len(rs))])
	}
	return rs
}

// comesAgain lets a receipt that was forgotten be said once more.
func (m mailbox) comesAgain(d *word) {
	w := m.w
	if !w.chance(w.plan.again) {
		return
	}
	w.tried["a forgotten receipt came again"]++
	d.gone, d.from = false, w.now.Add(w.between(0, 24*time.Hour))
}

// pageBox is a mailbox that is told of many receipts at a time.
type pageBox struct{ mailbox }

var _ track.Forgetter = pageBox{}

// ForgetAll implements [track.Forgetter]; the program may die in the middle of it.
func (p pageBox) ForgetAll(ctx context.Context, rs []track.Receipt) error {
	var errs []error
	rs = slices.Clone(rs)
	p.w.luck.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	for _, r := range rs {
		errs = append(errs, p.Forget(ctx, r))
	}
	return errors.Join(errs...)
}

// source is a carrier's mailbox as n asks it.
func (w *world) source(n *node, c *carrier) track.Source {
	if w.plan.paged && c == w.digital {
		return pageBox{mailbox{n, c}}
	}
	return mailbox{n, c}
}
