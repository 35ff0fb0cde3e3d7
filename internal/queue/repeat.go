package queue

import (
	"context"
	"sync"
)

// Repeats runs rings through run, and calls seen for each that has been run to
// its end here before: under its own task id, so its MAC fits. Such a task was put
// back by somebody, or by a queue that forgot; running it again does nothing, but
// it should be known. The last n task ids are remembered, by this process alone.
//
// A ring whose run failed is not remembered: the queue repeats it rightly.
func Repeats(run Runner, n int, seen func(Ring)) Runner {
	m := &memory{last: make([]string, max(n, 1)), known: make(map[string]bool, n)}
	return func(ctx context.Context, r Ring) error {
		if m.has(r.TaskID()) {
			seen(r)
		}
		err := run(ctx, r)
		if err == nil {
			m.keep(r.TaskID())
		}
		return err
	}
}

// memory holds the last task ids, as a ring buffer.
type memory struct {
	mu    sync.Mutex
	last  []string // guarded by mu, as the rest
	next  int
	known map[string]bool
}

func (m *memory) has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[id]
}

func (m *memory) keep(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[id] {
		return
	}
	delete(m.known, m.last[m.next])
	m.last[m.next], m.known[id] = id, true
	m.next = (m.next + 1) % len(m.last)
}
