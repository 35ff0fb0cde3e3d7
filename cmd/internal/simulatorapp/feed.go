package simulatorapp

import (
	"slices"
	"sync"
	"time"
)

// keepEvents is how many events and exchanges are remembered.
const keepEvents = 500

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
	if len(f.events) >= 2*keepEvents {
		f.events = append(f.events[:0:0], f.events[len(f.events)-keepEvents:]...)
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
	from := max(0, len(f.events)-keepEvents)
	if len(f.events) > 0 {
		if first := f.events[0].Seq; seq >= first {
			from = max(from, int(min(seq-first+1, uint64(len(f.events))))) //nolint:gosec // at most the number of events kept
		}
	}
	return slices.Clone(f.events[from:]), f.changed
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
