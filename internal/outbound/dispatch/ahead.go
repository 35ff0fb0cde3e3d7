package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// A Passage is a state that a letter enters on the way to another, in the same
// commit, and how it stood there.
type Passage struct {
	State      post.LetterState
	Channel    post.Channel
	Generation int
	Code       string
}

// mostStale is how old what was read of a letter may be when a step begins. What
// is older is committed as far as it has come and read anew, so that a batch that
// was paused meanwhile is noticed as soon as a halted channel is ([pauseAsk]).
const mostStale = pauseAsk

// ahead is how far a run has brought a letter beyond what is committed: releasing,
// signing and routing it change nothing outside, so they share the commit of what
// comes next, which is the intent when all goes well. Whatever ends the run
// earlier (a wait, a failure, a person's turn) commits them first.
//
// Crash: the letter is where the run found it, and nothing of it has left.
type ahead struct {
	record  Record // how the letter will stand
	from    post.LetterState
	version int64 // with from: what is committed
	path    []Passage
	signed  []byte // the manifest, when it was signed on the way
}

// goOn takes r through the states of m.Through to m.To, in memory. Channel and
// generation stay unless m sets them.
func (k *run) goOn(r Record, m Move, now time.Time) error {
	if m.Channel == "" {
		m.Channel, m.Generation = r.Channel, r.Generation
	}
	h := k.ahead
	if h == nil {
		h = &ahead{from: r.State, version: r.Version}
	}
	for _, p := range append(slices.Clip(m.Through), Passage{State: m.To, Channel: m.Channel, Generation: m.Generation, Code: m.Code}) {
		if p.Channel == "" {
			p.Channel, p.Generation = m.Channel, m.Generation
		}
		if !r.State.May(p.State, p.Channel) {
			return forbidden(r.State, p.State)
		}
		h.path = append(h.path, p)
		if p.Channel != r.Channel || p.Generation != r.Generation {
			r.Intent = nil // that of another hand-over
		}
		r.State, r.Channel, r.Generation, r.Code, r.Failures, r.Since = p.State, p.Channel, p.Generation, p.Code, 0, now
		r.Version++
		r.Looks = 0
	}
	if m.Manifest != nil {
		r.Manifest, h.signed = m.Manifest, m.Manifest
	}
	h.record, k.ahead = r, h
	return nil
}

func forbidden(from, to post.LetterState) error {
	return fmt.Errorf("%w: letter may not go from %s to %s", post.ErrPermanent, from, to)
}

// next returns the letter as its next step finds it: as far as the run has come,
// or as it is read.
func (a *Advancer) next(ctx context.Context, l queue.Lease, k *run) (Record, error) {
	if k.ahead != nil {
		r := k.ahead.record
		if a.Now().Sub(k.read) <= mostStale {
			return r, nil
		}
		if err := a.commitAhead(ctx, l, r); err != nil && !errors.Is(err, post.ErrStale) {
			return r, err
		}
	}
	k.ahead, k.read = nil, a.Now()
	r, err := a.Store.LetterForStep(ctx, l)
	r.run = k
	return r, err
}

// commitAhead commits how far the run has come with r, and nothing else.
func (a *Advancer) commitAhead(ctx context.Context, l queue.Lease, r Record) error {
	if r.run == nil || r.run.ahead == nil {
		return nil
	}
	path := r.run.ahead.path
	last := path[len(path)-1]
	r.run.ahead.path = path[:len(path)-1]
	err := a.commit(ctx, l, r, Move{To: last.State, Channel: last.Channel, Generation: last.Generation, Code: last.Code, Due: a.Now()})
	if err != nil && r.run.ahead != nil {
		r.run.ahead.path = path
	}
	return err
}

// commit commits m with all that the run has done before it. r is how the letter
// stands in the run.
func (a *Advancer) commit(ctx context.Context, l queue.Lease, r Record, m Move) error {
	m.Letter, m.Tenant, m.Batch, m.From, m.Version = r.ID, r.Tenant, r.Batch, r.State, r.Version
	if r.run != nil && r.run.ahead != nil {
		h := r.run.ahead
		m.From, m.Version, m.Through = h.from, h.version, append(slices.Clone(h.path), m.Through...)
		if m.Manifest == nil {
			m.Manifest = h.signed
		}
	}
	if err := a.Store.MoveLetter(ctx, l, m); err != nil {
		return err
	}
	if r.run != nil {
		r.run.ahead = nil
	}
	return nil
}
