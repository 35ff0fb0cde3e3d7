// Package chaosdial decides, call by call, what goes wrong at the named
// endpoints of a simulator: another answer, a lost answer, a late one, news that
// comes twice or in the wrong order.
//
// What it draws is a function of seed, endpoint and the number of the call
// there: the same seed bends the same calls again, however the endpoints take
// turns. Turning the dial starts the count of every endpoint anew.
//
// It refuses a setting that contradicts itself or names an unknown endpoint,
// and then changes nothing. Nobody who serves real letters links this package.
package chaosdial

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ErrSetting says that the dial has no such setting; the text names each fault.
var ErrSetting = errors.New("the dial cannot be turned like this")

// maxDelay bounds how long a call may be held back.
const maxDelay = 10 * time.Minute

// An Endpoint is a place where something can go wrong.
type Endpoint struct {
	Name  string `json:"name"`  // "ngdp.memos"
	About string `json:"about"` // what is called there, for people
	// Answers says that Status means something here; News that Duplicate and
	// Reorder do.
	Answers bool `json:"answers"`
	News    bool `json:"news"`
}

// A Setting is where the dial stands for one endpoint. The zero value bends
// nothing.
type Setting struct {
	// Percent is the chance that a call is bent, 0 to 100.
	Percent int `json:"percent"`
	// Times is how many calls are bent at most; 0 sets no bound.
	Times int `json:"times,omitempty"`
	// Status, 400 to 599, is answered in place of serving the call: nothing is
	// taken.
	Status int `json:"status,omitempty"`
	// Drop serves the call whole and then loses the answer.
	Drop bool `json:"drop,omitempty"`
	// DelayMillis holds the call back before it is served.
	DelayMillis int `json:"delay_ms,omitempty"`
	// Duplicate gives news twice, Reorder gives it newest first.
	Duplicate bool `json:"duplicate,omitempty"`
	Reorder   bool `json:"reorder,omitempty"`
}

// State is where the whole dial stands.
type State struct {
	Seed      uint64             `json:"seed"`
	Endpoints map[string]Setting `json:"endpoints"`
}

// Fate is what happens to one call. The zero value is nothing.
type Fate struct {
	Status             int
	Drop               bool
	Delay              time.Duration
	Duplicate, Reorder bool
}

// View is one endpoint with its setting and what came of it.
type View struct {
	Endpoint
	Setting
	Calls int `json:"calls"` // since the dial was turned
	Bent  int `json:"bent"`
}

// Dial is safe for several goroutines.
type Dial struct {
	mu    sync.Mutex
	first uint64 // the seed of Reset
	seed  uint64
	names []Endpoint
	dials map[string]*counted
}

type counted struct {
	Endpoint
	Setting
	calls, bent int
}

// New returns a dial that bends nothing yet.
func New(seed uint64, endpoints ...Endpoint) *Dial {
	d := &Dial{first: seed, seed: seed, names: endpoints, dials: map[string]*counted{}}
	for _, e := range endpoints {
		d.dials[e.Name] = &counted{Endpoint: e}
	}
	return d
}

// Set turns the dial. An endpoint that s does not name bends nothing.
func (d *Dial) Set(s State) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var faults []error
	for name, to := range s.Endpoints {
		at, ok := d.dials[name]
		if !ok {
			faults = append(faults, fmt.Errorf("%w: there is no endpoint %q", ErrSetting, name))
			continue
		}
		if err := at.check(to); err != nil {
			faults = append(faults, fmt.Errorf("%w: %s: %w", ErrSetting, name, err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	d.seed = s.Seed
	for name, at := range d.dials {
		*at = counted{Endpoint: at.Endpoint, Setting: s.Endpoints[name]}
	}
	return nil
}

// Check says what is wrong with a setting of e, or nil.
func (e Endpoint) check(s Setting) error {
	switch {
	case s.Percent < 0 || s.Percent > 100:
		return errors.New("percent is 0 to 100")
	case s.Times < 0:
		return errors.New("times is not negative")
	case s.Status != 0 && (s.Status < 400 || s.Status > 599):
		return errors.New("status is 400 to 599")
	case s.Status != 0 && s.Drop:
		return errors.New("status takes nothing and drop takes all: one of them")
	case s.DelayMillis < 0 || time.Duration(s.DelayMillis)*time.Millisecond > maxDelay:
		return fmt.Errorf("delay_ms is 0 to %d", maxDelay.Milliseconds())
	case s.Status != 0 && !e.Answers:
		return errors.New("nobody is answered here: it has no status")
	case (s.Duplicate || s.Reorder) && !e.News:
		return errors.New("no news comes from here to duplicate or reorder")
	case s.Percent == 0 && s != Setting{}:
		return errors.New("percent is 0, so the rest would do nothing")
	case s.Percent > 0 && s == Setting{Percent: s.Percent, Times: s.Times}:
		return errors.New("percent of what? give status, drop, delay_ms, duplicate or reorder")
	}
	return nil
}

// Reset turns everything back, the seed included.
func (d *Dial) Reset() {
	if err := d.Set(State{Seed: d.first}); err != nil { // an empty state names nothing that could be wrong
		panic(err)
	}
}

// State returns where the dial stands, without the endpoints that bend nothing.
func (d *Dial) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := State{Seed: d.seed, Endpoints: map[string]Setting{}}
	for name, at := range d.dials {
		if at.Percent > 0 {
			s.Endpoints[name] = at.Setting
		}
	}
	return s
}

// Views returns every endpoint in the order of [New].
func (d *Dial) Views() []View {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]View, 0, len(d.names))
	for _, e := range d.names {
		at := d.dials[e.Name]
		all = append(all, View{e, at.Setting, at.calls, at.bent})
	}
	return all
}

// Draw says what happens to the next call at an endpoint. An unknown endpoint
// is never bent.
func (d *Dial) Draw(name string) Fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.dials[name]
	if !ok {
		return Fate{}
	}
	n := at.calls
	at.calls++
	if at.Percent == 0 || at.Times > 0 && at.bent >= at.Times || chance(d.seed, name, n) >= at.Percent {
		return Fate{}
	}
	at.bent++
	return Fate{
		Status: at.Status, Drop: at.Drop, Delay: time.Duration(at.DelayMillis) * time.Millisecond,
		Duplicate: at.Duplicate, Reorder: at.Reorder,
	}
}

// chance returns a number from 0 to 99 for the n-th call of an endpoint.
func chance(seed uint64, name string, n int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))                                      // a hash does not fail
	return rand.New(rand.NewPCG(seed^h.Sum64(), uint64(n))).IntN(100) //nolint:gosec // chance, not a secret; n is a count
}

// Bent reports whether f changes anything.
func (f Fate) Bent() bool { return f != Fate{} }

// Words lists what f does, for people and logs.
func (f Fate) Words() []string {
	var all []string
	add := func(ok bool, word string) {
		if ok {
			all = append(all, word)
		}
	}
	add(f.Delay > 0, "delayed "+f.Delay.String())
	add(f.Status > 0, fmt.Sprintf("answered %d", f.Status))
	add(f.Drop, "answer dropped")
	add(f.Duplicate, "duplicated")
	add(f.Reorder, "reordered")
	return slices.Clip(all)
}
