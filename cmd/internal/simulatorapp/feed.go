package simulatorapp

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// keepEvents is how many events and exchanges are remembered, and keepPolls how
// many polls at least: whoever asks many times a second pushes nothing else out.
const (
	keepEvents = 500
	keepPolls  = 250
)

// An Event is one thing that happened: a call that came in, a status that went
// out, a job that moved, a setting that was turned. It holds no query and no
// body, since look-ups carry CPR numbers in theirs.
type Event struct {
	Seq      uint64    `json:"seq"` // grows by one
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`               // call, push, print, available, dial, clock, reset
	Endpoint string    `json:"endpoint,omitempty"` // as the dial names it
	Method   string    `json:"method,omitempty"`
	Path     string    `json:"path,omitempty"`
	Status   int       `json:"status,omitempty"` // 0 with a call: the answer was lost
	TookMS   float64   `json:"took_ms,omitempty"`
	Subject  string    `json:"subject,omitempty"` // message UUID or job id
	Says     string    `json:"says,omitempty"`    // code and sentence of a refusal, or what happened
	Bent     []string  `json:"bent,omitempty"`    // what the dial did
}

// poll tells a call that asked, was answered as usual and changed nothing.
func (e Event) poll() bool {
	return e.Kind == "call" && e.Method == "GET" && e.Status/100 == 2 && len(e.Bent) == 0
}

// feed remembers the last events and wakes whoever follows them.
type feed struct {
	now func() time.Time

	mu      sync.Mutex
	seq     uint64
	events  []Event
	changed chan struct{} // closed and replaced at each event
}

func newFeed(now func() time.Time) *feed {
	return &feed{now: now, changed: make(chan struct{})}
}

func (f *feed) add(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	e.Seq, e.At = f.seq, f.now().UTC()
	if len(f.events) >= 3*keepEvents {
		f.events = newest(f.events, keepPolls, keepEvents)
	}
	f.events = append(f.events, e)
	close(f.changed)
	f.changed = make(chan struct{})
}

// after returns the events that followed seq, oldest first, at most the last
// [keepEvents], and a channel that closes at the next one.
func (f *feed) after(seq uint64) ([]Event, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, found := slices.BinarySearchFunc(f.events, seq, func(e Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	if found {
		from++
	}
	return slices.Clone(f.events[max(from, len(f.events)-keepEvents):]), f.changed
}

// told returns the last events that are no polls, oldest first.
func (f *feed) told(seq uint64) []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := newest(f.events, 0, keepEvents)
	return slices.DeleteFunc(all, func(e Event) bool { return e.Seq <= seq })
}

// newest returns, in their order, the last events: so many polls, so many
// others.
func newest(events []Event, polls, others int) []Event {
	kept := make([]Event, 0, min(len(events), polls+others))
	for _, e := range slices.Backward(events) {
		left := &others
		if e.poll() {
			left = &polls
		}
		if *left > 0 {
			*left--
			kept = append(kept, e)
		}
	}
	slices.Reverse(kept)
	return kept
}

// last returns the number of the newest event.
func (f *feed) last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seq
}

// An exchange is a call that brought a message, as it stood on the wire; the
// body is kept by the carrier.
type exchange struct {
	Line   string   // method, path and query: the UUID of the message
	Header []string // without what lets somebody in
	Status string
	Answer string
}

// exchanges remembers the last call about each message.
type exchanges struct {
	mu    sync.Mutex
	by    map[string]exchange
	order []string
}

func (x *exchanges) put(id string, e exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := x.by[id]; !ok {
		if len(x.order) == keepEvents {
			delete(x.by, x.order[0])
			x.order = x.order[1:]
		}
		x.order = append(x.order, id)
	}
	x.by[id] = e
}

func (x *exchanges) get(id string) (exchange, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e, ok := x.by[id]
	return e, ok
}

func (x *exchanges) clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.by, x.order = map[string]exchange{}, nil
}
