package sqlstore

import (
	"database/sql"
	"sync"
)

// Alone makes s do each call by itself: what a call means, without groups.
func (s *Store) Alone() { s.steps.single = true }

// Gather keeps moves and waits from being written until write is called; then
// those that have come are one group, as far as they may be.
func (s *Store) Gather() (come func() int, write func()) {
	w := &s.steps.writes
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = true // as if a group were on its way
	come = func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.waiting)
	}
	return come, sync.OnceFunc(func() { go w.work(s.writeSteps) })
}

// OnCommit lets f commit groups; nil is the transaction's own way.
func (s *Store) OnCommit(f func(*sql.Tx) error) { s.steps.commit = f }
