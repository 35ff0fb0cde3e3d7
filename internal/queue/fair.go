package queue

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// A Share is the due work of one tenant in one lane that waits for one road.
type Share struct {
	Lane   Lane
	Road   string // what its jobs were last kept back by; "" is nothing
	Tenant string
	Jobs   int // how many are due; or how many are to be taken
}

// A Claim asks for leases of due jobs.
type Claim struct {
	Kind Kind
	// Prefer is a job that is taken whatever its place, when it is due; "" is none.
	// Its place is kept for it when it is not.
	Prefer string
	N      int           // at most so many, Prefer among them
	For    time.Duration // how long a lease lasts
	// Shut reports whether the jobs of a share cannot go on now, so that they come
	// behind all others; nil: all can.
	Shut func(Share) bool
}

const (
	// ordinaryPart is one place in so many that the ordinary lane has before the
	// urgent one: whatever fills the urgent lane, letters of the other go on.
	ordinaryPart = 8
	// shutPart is one place in so many that goes to what is shut: that is how it is
	// found out that a road is open again, and it is all that a shut one costs.
	shutPart = 16
)

// Turns deals out the places of claims: urgent work first but for a part, the
// tenants of a lane one after the other, and of what is shut a trickle. It
// remembers whose turn it was. The zero value is ready; it is safe for concurrent
// use.
type Turns struct {
	mu    sync.Mutex
	dealt int         // guarded by mu, as the rest; places so far
	last  [rows]Share // that had the last place; their jobs are not counted
}

// The rows in which shares stand.
const (
	urgentRow = iota
	ordinaryRow
	shutRow
	rows
)

// Deal returns how many jobs of each share a claim of n places takes, none with no
// jobs. As long as something is due it takes at least one, and all n unless what
// is left is shut.
func (t *Turns) Deal(n int, due []Share, shut func(Share) bool) []Share {
	t.mu.Lock()
	defer t.mu.Unlock()
	var standing [rows][]Share
	for _, s := range due {
		row := ordinaryRow
		switch {
		case s.Jobs <= 0:
			continue
		case shut != nil && shut(s):
			row = shutRow
		case s.Lane == Urgent:
			row = urgentRow
		}
		standing[row] = append(standing[row], s)
	}
	var rs [rows]round
	for i := range rs {
		rs[i] = newRound(standing[i], t.last[i])
	}
	open := rs[urgentRow].left+rs[ordinaryRow].left > 0
	for place := range n {
		t.dealt++
		order := [...]int{urgentRow, ordinaryRow, -1}
		if t.dealt%ordinaryPart == 0 {
			order = [...]int{ordinaryRow, urgentRow, -1}
		}
		if t.dealt%shutPart == 1 || !open && place == 0 {
			order = [...]int{shutRow, order[0], order[1]}
		}
		for _, row := range order {
			if row >= 0 && rs[row].take() {
				t.last[row] = rs[row].last
				break
			}
		}
	}
	var taken []Share
	for _, r := range rs {
		for i, s := range r.shares {
			if s.Jobs = r.taken[i]; s.Jobs > 0 {
				taken = append(taken, s)
			}
		}
	}
	slices.SortFunc(taken, func(a, b Share) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Road, b.Road))
	})
	return taken
}

// A round goes through shares, one job of each in turn.
type round struct {
	shares []Share
	taken  []int
	at     int // whose turn it is
	left   int // jobs not taken
	last   Share
}

// newRound begins with the share behind last.
func newRound(shares []Share, last Share) round {
	slices.SortFunc(shares, func(a, b Share) int { return compare(a, b) })
	r := round{shares: shares, taken: make([]int, len(shares)), last: last}
	for i, s := range shares {
		r.left += s.Jobs
		if compare(s, last) <= 0 {
			r.at = i + 1
		}
	}
	return r
}

// take takes the next job, and reports false when none is left.
func (r *round) take() bool {
	if r.left == 0 {
		return false
	}
	for ; ; r.at++ {
		r.at %= len(r.shares)
		if r.taken[r.at] < r.shares[r.at].Jobs {
			break
		}
	}
	r.taken[r.at]++
	r.left--
	r.last = r.shares[r.at]
	r.at++
	return true
}

// compare orders shares by tenant, so that each has its turn.
func compare(a, b Share) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Road, b.Road), cmp.Compare(a.Lane, b.Lane))
}
