package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"sikkerpost.dk/gateway/internal/queue"
)

// guardedStep is [Advancer.step]. A fault in it, of ours (an index out of range, a
// nil pointer) or of a library that gives up by a panic, is a failure of the
// letter: it is counted, and at last a person is asked. What a library said is not
// repeated, for it may quote what it read.
func (a *Advancer) guardedStep(ctx context.Context, l queue.Lease, r Record) (again bool, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			again, err = false, a.panicked(ctx, l, fmt.Errorf("step panicked: %w", p))
		case error, string:
			again, err = false, a.panicked(ctx, l, fmt.Errorf("step panicked with a %T", p))
		default: // not of a fault
			panic(p)
		}
	}()
	return a.step(ctx, l, r)
}

func (a *Advancer) panicked(ctx context.Context, l queue.Lease, err error) error {
	a.Log.ErrorContext(ctx, "step panicked", slog.String("letter", l.ID), slog.String("stack", string(debug.Stack())))
	return err
}
