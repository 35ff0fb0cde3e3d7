package sqlstore

import (
	"context"
	"sync"
)

// mostTogether bounds a group: beyond it a transaction only holds its locks longer.
const mostTogether = 64

// A combiner writes calls that come at the same time as one group. Whoever comes
// while a group is on its way waits for the next one, so groups grow with the
// load and nobody waits for a clock.
//
// A caller is answered only with what became of its own call. One that gives up
// before its call was taken into a group has asked for nothing; afterwards it
// hears the answer, because the change is on its way.
type combiner[Q, A any] struct {
	mu      sync.Mutex
	waiting []*member[Q, A] // guarded by mu
	busy    bool            // guarded by mu; somebody is writing groups
}

// A member is one call of a group.
type member[Q, A any] struct {
	ctx    context.Context //nolint:containedctx // of the caller, for when the call runs alone
	key    string          // two of one key are never in one group: the second is about what the first leaves
	ask    Q
	answer A
	err    error
	done   chan struct{}
}

// end answers the caller.
func (m *member[Q, A]) end(answer A, err error) {
	m.answer, m.err = answer, err
	close(m.done)
}

// do brings ask into a group and returns its answer. write must end every member,
// sooner or later.
func (c *combiner[Q, A]) do(ctx context.Context, key string, ask Q, write func([]*member[Q, A])) (answer A, err error) {
	m := &member[Q, A]{ctx: ctx, key: key, ask: ask, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, m)
	if !c.busy {
		c.busy = true
		go c.work(write)
	}
	c.mu.Unlock()
	select {
	case <-m.done:
	case <-ctx.Done():
		if c.withdraw(m) {
			return answer, ctx.Err()
		}
		<-m.done
	}
	return m.answer, m.err
}

// withdraw takes m back, unless it is in a group already.
func (c *combiner[Q, A]) withdraw(m *member[Q, A]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.waiting {
		if w == m {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// work writes groups until nobody waits.
func (c *combiner[Q, A]) work(write func([]*member[Q, A])) {
	for {
		group := c.next()
		if group == nil {
			return
		}
		write(group)
	}
}

// next takes the next group, in the order of coming.
func (c *combiner[Q, A]) next() (group []*member[Q, A]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.busy = false
		return nil
	}
	taken := make(map[string]bool, min(len(c.waiting), mostTogether))
	var left []*member[Q, A]
	for _, m := range c.waiting {
		if len(group) < mostTogether && !taken[m.key] {
			taken[m.key] = true
			group = append(group, m)
			continue
		}
		left = append(left, m)
	}
	c.waiting = left
	return group
}
