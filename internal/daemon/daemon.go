// Package daemon runs a program until it is told to stop, and lets it finish
// what it has begun.
//
// A program is a handful of tasks that live and end together: listeners,
// workers, loops. All run at once; the first that fails, or the end of the
// caller's context, stops them all, and each drains what it has in hand. A
// task that ends although nobody told it to has failed, even without an error:
// a loop that is silently gone is worse than a restart.
//
// It refuses to wait for ever: what has not drained within [Drain] is named in
// the error and left behind. A panic is not caught here; the process ends and
// whoever supervises it starts it again.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Drain is how long tasks may take to finish after the stop: below the 30 s
// after which Kubernetes and systemd by common setting kill.
const Drain = 25 * time.Second

// A Task is one thing that a program does for as long as it lives.
type Task struct {
	Name string // for logs and errors: "portal https", "sweeper"
	// Run does it until ctx ends, then finishes what it has in hand and
	// returns. An error that wraps [context.Canceled] after the stop counts as
	// none.
	Run func(ctx context.Context) error
}

// errEnded says that a task returned before it was told to.
var errEnded = errors.New("ended although nobody stopped it")

// Run runs tasks until ctx ends or one of them fails, then stops them all and
// waits for them. It returns nil when ctx ended and all drained without error,
// else what failed, named by task.
func Run(ctx context.Context, log *slog.Logger, tasks ...Task) error {
	return run(ctx, log, Drain, tasks)
}

type ending struct {
	task int
	err  error
}

func run(ctx context.Context, log *slog.Logger, drain time.Duration, tasks []Task) error {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan ending, len(tasks)) // buffered, so that a late task does not hang for ever
	alive := map[int]bool{}
	for i, t := range tasks {
		alive[i] = true
		go func() { ended <- ending{i, t.Run(inner)} }()
	}
	log.Info("program started", slog.Int("tasks", len(tasks)))

	var failed []error
	stopping := ctx.Done()
	var deadline <-chan time.Time
	halt := func(why string) {
		if deadline != nil {
			return
		}
		stop()
		stopping = nil
		log.Info("program stopping", slog.String("why", why))
		deadline = time.After(drain)
	}
	for len(alive) > 0 {
		select {
		case <-stopping:
			halt("told to")
		case e := <-ended:
			delete(alive, e.task)
			name := tasks[e.task].Name
			switch {
			case deadline == nil && e.err == nil && ctx.Err() == nil:
				e.err = errEnded
			case inner.Err() != nil && errors.Is(e.err, context.Canceled):
				e.err = nil
			}
			if e.err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", name, e.err))
				halt(name)
			}
		case <-deadline:
			names := left(alive, tasks)
			return errors.Join(append(failed, fmt.Errorf("not drained within %s: %s", drain, names))...)
		}
	}
	log.Info("program stopped")
	return errors.Join(failed...)
}

func left(alive map[int]bool, tasks []Task) string {
	var names []string
	for i := range alive {
		names = append(names, tasks[i].Name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
