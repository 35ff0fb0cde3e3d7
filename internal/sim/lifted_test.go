package sim

import (
	"context"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/queue"
)

// lifted is checked whenever a letter was put off: none sleeps by a halt that was
// lifted. In worlds whose clocks jump nobody could say whether a letter is due.
func (w *world) lifted() {
	if !w.plays() || w.plan.jump > 0 {
		return
	}
	if late := w.db.Asleep(w.now); len(late) > 0 {
		w.violate("I26: letter %s is put off by a halt that was lifted", late[0])
	}
}

// deaf is a store in which letters are put off by a halt that was read, whether it still
// stands or not.
type deaf struct{ *store }

func (d deaf) WaitLetter(ctx context.Context, l queue.Lease, wait dispatch.Wait) error {
	wait.While = dispatch.Halt{}
	return d.store.WaitLetter(ctx, l, wait)
}

func deafen(_ *world, _ *node, s *store) outerStore { return deaf{s} }
