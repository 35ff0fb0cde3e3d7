package sim

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/sim/memstore"
)

// start is when every world begins: a Tuesday in summer time.
var start = time.Date(2026, 6, 2, 8, 0, 0, 0, time.UTC)

// A world is everything that one seed brings about.
type world struct {
	seed      uint64
	plan      plan
	luck      *rand.Rand // of the schedule and the faults of the house
	now       time.Time
	healed    bool // no more faults: what is due must come about
	events    schedule
	seq       int
	calls     int // to the database
	steps     int // points passed: before and after each call out of the code
	running   *actor
	nodes     []*node
	queue     *redis
	db        *memstore.DB
	sealed    map[string][]byte // blobs
	openMu    sync.Mutex
	opened    map[string][]byte // guarded by openMu: forms are rendered in threads of their own
	shelfMu   sync.Mutex
	shelf     map[string][]byte // guarded by shelfMu; kept by a hazard only
	digital   *carrier
	paper     *carrier
	people    []*person
	lot       *mailing // nil: there is no batch
	viewed    map[*actor]map[post.LetterID]bool
	owner     map[post.LetterID]*person
	posted    map[post.LetterID]time.Time // when it came to be so
	lastLease map[string]queue.Lease      // kept by a hazard only
	alarms    map[string]int              // warnings and errors that were logged, by event
	retried   int                         // parked receipts that an operator let be tried again
	broken    []string
	verbose   bool
	trail     []string
	hazard    hazard
	bad       map[string][]byte // files that are lost or cut, and what is left of them
	tried     map[string]int    // trials that came to pass
	away      atomic.Int64      // reads of sealed bytes that found no disk
	rungOnce  map[string]bool   // kept by a hazard only
	early     bool              // kept by a hazard only
	envelopes int               // that lie at the town hall, or are on their way there
	cameHome  map[string]bool   // hand-overs on paper that count as returned
	released  bool              // a release was begun; kept by a hazard only
	peer      *sender           // plays instead of the house; nil in all but the comparison
	sum       uint64            // of everything that happened, to compare two runs
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type schedule []event

func (s schedule) Len() int { return len(s) }
func (s schedule) Less(i, j int) bool {
	return s[i].at.Before(s[j].at) || s[i].at.Equal(s[j].at) && s[i].seq < s[j].seq
}
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)   { *s = append(*s, x.(event)) }
func (s *schedule) Pop() any {
	old := *s
	e := old[len(old)-1]
	*s = old[:len(old)-1]
	return e
}

// after lets do happen in d, in whole microseconds, as the database keeps them.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now.Add(d.Truncate(time.Microsecond)), w.seq, do})
}

// say notes what happens, for replay and to compare two runs of a seed.
func (w *world) say(format string, args ...any) {
	if w.verbose {
		w.trail = append(w.trail, fmt.Sprintf("%-14s ", w.now.Sub(start).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

func (w *world) mix(s string) {
	for i := range len(s) {
		w.sum = (w.sum ^ uint64(s[i])) * 1099511628211
	}
	w.sum = (w.sum ^ uint64(w.now.UnixNano())) * 1099511628211
}

// violate reports a broken invariant.
func (w *world) violate(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	w.say("BROKEN %s", s)
	w.broken = append(w.broken, s)
}

func (w *world) story() string { return strings.Join(w.trail, "\n") }

// chance draws a fault that the plan allows; none once the world has healed.
func (w *world) chance(p float64) bool { return p > 0 && !w.healed && w.luck.Float64() < p }

// between draws a duration.
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.luck.Int64N(int64(b-a)+1))
}

// A node is one process. Its clock is its own.
type node struct {
	*house
	w      *world
	name   string
	up     bool
	life   int // counts starts
	offset time.Duration
	key    int  // which it signs with
	shared fate // of the group that is being written
	actors map[*actor]bool
	order  []*actor
}

func (n *node) now() time.Time { return n.w.now.Add(n.offset) }

// An actor is one thread of a node. It runs until it calls out of the code,
// then it is another's turn.
type actor struct {
	node   *node
	yield  func(time.Duration) bool
	next   func() (time.Duration, bool)
	stop   func()
	cancel context.CancelFunc
	done   func(whole bool) // whole: it was not cut off by a crash
}

type crashed struct{}

// spawn starts f on n. done is told how it ended; may be nil.
func (w *world) spawn(n *node, f func(ctx context.Context), done func(whole bool)) {
	if !n.up {
		if done != nil {
			done(false)
		}
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &actor{node: n, cancel: cancel, done: done}
	a.next, a.stop = iter.Pull(func(yield func(time.Duration) bool) {
		a.yield = yield
		defer func() {
			if p := recover(); p != nil {
				if _, ok := p.(crashed); !ok {
					panic(p)
				}
			}
		}()
		f(ctx)
	})
	n.actors[a] = true
	n.order = append(n.order, a)
	w.step(a)
}

// step lets a run to its next call out of the code.
func (w *world) step(a *actor) {
	if !a.node.actors[a] {
		return
	}
	w.running = a
	d, more := a.next()
	w.running = nil
	if more {
		w.after(d, func() { w.step(a) })
		return
	}
	if a.node.actors[a] {
		a.node.drop(a)
		a.end(a.node.up)
	}
	if !a.node.up {
		a.node.bury()
	}
}

func (a *actor) end(whole bool) {
	a.cancel()
	if a.done != nil {
		a.done(whole)
	}
}

func (n *node) drop(a *actor) {
	delete(n.actors, a)
	for i, other := range n.order {
		if other == a {
			n.order = append(n.order[:i], n.order[i+1:]...)
			return
		}
	}
}

// bury ends the threads that a crash has left.
func (n *node) bury() {
	for len(n.order) > 0 {
		a := n.order[0]
		n.drop(a)
		a.stop()
		a.end(false)
	}
}

// crash ends n between two instructions. It comes back after a while.
func (w *world) crash(n *node) {
	w.say("%s CRASHES", n.name)
	n.up = false
	w.after(w.between(time.Second, 5*time.Minute), func() { w.boot(n) })
}

func (w *world) boot(n *node) {
	n.life++
	n.up = true
	n.house = w.build(n)
	w.say("%s starts", n.name)
}

// point is a place where time passes, others run, and the node may die.
func (w *world) point(what string, least, most time.Duration) {
	a := w.running
	w.steps++
	here := w.steps
	w.mix(what)
	d := w.between(least, most)
	if w.chance(w.plan.stall) {
		d += w.between(time.Minute, 10*time.Minute)
	}
	if !a.yield(d) {
		panic(crashed{})
	}
	if w.chance(w.plan.shutdown) {
		w.say("%s: time is up for %s", a.node.name, what)
		a.cancel()
	}
	if w.chance(w.plan.crash) || here == w.plan.dies {
		w.say("%s dies at %s", a.node.name, what)
		w.crash(a.node)
		panic(crashed{})
	}
}

// call is a call to the database: it may fail before, or commit and lose its
// answer, and the node may die on either side of it.
func call[T any](ctx context.Context, n *node, what string, f func() (T, error)) (T, error) {
	var none T
	n.w.point(what, time.Millisecond, 40*time.Millisecond)
	if err := ctx.Err(); err != nil {
		return none, err
	}
	n.w.calls++
	fate := n.fate()
	if n.w.calls == n.w.plan.undone {
		fate.down = true
	}
	if n.w.calls == n.w.plan.answerLost {
		fate.lost = true
	}
	if fate.down {
		n.w.say("%s %s: no answer, not done", n.name, what)
		return none, errStore
	}
	v, err := f()
	n.w.say("%s %s = %v", n.name, what, err)
	n.w.point(what+" done", 0, 5*time.Millisecond)
	if fate.lost {
		n.w.say("%s %s: done, answer lost", n.name, what)
		return none, errStore
	}
	return v, err
}

// A fate is what befalls a transaction: its members share it.
type fate struct {
	until      time.Time
	down, lost bool
}

// groupTime is how long calls of one process share a fate, where groups are played.
const groupTime = 20 * time.Millisecond

// fate is that of a call which n makes now.
func (n *node) fate() fate {
	w := n.w
	if w.plan.alone == 1 || !w.now.Before(n.shared.until) {
		n.shared = fate{w.now.Add(groupTime), w.chance(w.plan.storeDown), w.chance(w.plan.lostAnswer)}
	}
	if w.healed {
		return fate{}
	}
	return n.shared
}

// run lets the world go until nothing is left to happen or its time is over.
func (w *world) run() {
	w.after(w.plan.trouble, w.heal)
	for len(w.events) > 0 && len(w.broken) == 0 {
		e := heap.Pop(&w.events).(event)
		if e.at.Sub(start) > w.plan.horizon {
			break
		}
		w.now = e.at
		e.do()
	}
	for _, n := range w.nodes {
		n.bury()
	}
}

// heal ends all faults: clocks are right, nodes come back, the queue is empty
// but works.
func (w *world) heal() {
	w.say("the world heals")
	w.healed = true
	for _, n := range w.nodes {
		n.offset = 0
	}
	w.queue.wipe()
}

// ticks lets n look after its duties, ever more seldom as the world ages.
func (w *world) ticks(n *node, duty func(n *node)) {
	age := w.now.Sub(start)
	more := time.Duration(5)
	if w.plan.passOver > 0 || w.plan.deaf || w.plan.lostFirst { // a look may find nothing: there must be many
		more = 12
	}
	if w.plan.rest > 0 { // much begins when the world is old
		more *= 3
	}
	w.after(max(20*time.Second, age/more)+w.between(0, 10*time.Second), func() {
		if w.healed && w.quiet() {
			return
		}
		if n.up {
			duty(n)
		}
		w.ticks(n, duty)
	})
}

// quiet reports whether every letter has come to its end and no receipt waits.
func (w *world) quiet() bool {
	if w.peer != nil {
		return w.digital.silent() && w.paper.silent() && !slices.ContainsFunc(w.peer.slips, (*slip).open)
	}
	rows, _ := w.db.Rows()
	if len(rows) < len(w.people) || w.envelopes > 0 || !w.lotQuiet() {
		return false
	}
	for _, r := range rows {
		if !r.State.Final() {
			return false
		}
	}
	waits := func(k memstore.Kept) bool { return k.Verdict == track.Waiting }
	return w.digital.silent() && w.paper.silent() && !slices.ContainsFunc(w.db.Kept(), waits)
}

// advance runs a ring on a node, as a worker does: that letter alone, or with it
// all that is due, each in a thread of its own. done is told when the last has
// ended.
func (w *world) advance(n *node, r queue.Ring, done func(whole bool)) {
	if w.luck.Float64() < w.plan.alone {
		w.spawn(n, func(ctx context.Context) {
			if err := n.advancer.Advance(ctx, post.LetterID(r.ID)); err != nil {
				w.say("%s advance: %v", n.name, err)
			}
		}, done)
		return
	}
	var leases []queue.Lease
	w.spawn(n, func(ctx context.Context) {
		var err error
		if leases, err = n.advancer.TakeDue(ctx, post.LetterID(r.ID), 1+w.luck.IntN(dispatch.Together)); err != nil {
			w.say("%s take due: %v", n.name, err)
		}
	}, func(whole bool) {
		left := len(leases)
		if !whole || left == 0 {
			if done != nil {
				done(whole)
			}
			return
		}
		all := true
		for _, l := range leases {
			w.after(w.between(0, time.Millisecond), func() {
				w.goOn(n, l, func(whole bool) {
					all = all && whole
					if left--; left == 0 && done != nil {
						done(all)
					}
				})
			})
		}
	})
}

// goOn advances one of many letters that were leased together.
func (w *world) goOn(n *node, l queue.Lease, done func(whole bool)) {
	life := n.life
	w.spawn(n, func(ctx context.Context) {
		if n.life != life {
			return // that process is gone, and its leases with it
		}
		if err := n.advancer.AdvanceLeased(ctx, l); err != nil {
			w.say("%s advance: %v", n.name, err)
		}
	}, done)
}
