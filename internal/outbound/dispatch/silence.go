package dispatch

import (
	"cmp"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A Silence says for how long hand-overs of this process to a carrier have brought no
// clear answer: neither taken nor refused.
type Silence struct {
	Carrier  post.Carrier
	Since    time.Time // the first hand-over without; zero: the last one had a clear answer, or nothing was tried lately
	Failures int
}

// Silences returns how each carrier stands that something was handed over to, by name.
func (g *Gate) Silences() []Silence {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Silence
	for name, c := range g.carriers {
		s := Silence{Carrier: name}
		if c.failures > 0 && !c.last.Before(g.Now().Add(-mostQuiet)) {
			s.Since, s.Failures = c.first, c.failures
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Silence) int { return cmp.Compare(a.Carrier, b.Carrier) })
	return all
}
