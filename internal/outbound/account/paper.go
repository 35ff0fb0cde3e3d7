package account

import (
	"fmt"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// Paper says where the hand-overs on paper stand. Taken is the sum of the
// others; each envelope is in exactly one place.
type Paper struct {
	Taken    int `json:"taken"`
	Waiting  int `json:"waiting"` // the carrier has the job and says no more
	Printing int `json:"printing"`
	Posted   int `json:"posted"`
	Proven   int `json:"proven"`
	Presumed int `json:"presumed"`
	Returned int `json:"returned"`
	Rejected int `json:"rejected"` // the carrier refused it for good; nothing was printed
	Recalled int `json:"recalled"`
}

// lacks is what Taken lacks to be the sum of the others.
func (p Paper) lacks() int {
	return p.Taken - p.Waiting - p.Printing - p.Posted - p.Proven - p.Presumed - p.Returned - p.Rejected - p.Recalled
}

// onPaper lists the states of an envelope, each after those that it passes.
var onPaper = []post.LetterState{
	post.LetterHandedOver, post.LetterPrinting, post.LetterPosted, post.LetterPresumed, post.LetterProven, post.LetterReturned, post.LetterRecalled,
}

// envelope returns the states that the ledger names for a generation on paper,
// each once and in the order of onPaper.
func envelope(d Dossier, generation int) []post.LetterState {
	place := fmt.Sprintf("%s/%d", post.Physical, generation)
	seen := map[post.LetterState]bool{}
	for _, e := range d.Events {
		if e.Outcome == place || strings.HasPrefix(e.Outcome, place+" ") {
			seen[post.LetterState(strings.TrimPrefix(e.Kind, eventPrefix))] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(onPaper), func(s post.LetterState) bool { return !seen[s] })
}

// paper holds each hand-over on paper against the law that every envelope is in
// one place, and that none is sent again before the former one is back or was
// never printed.
func (k *check) paper(d Dossier) {
	for _, h := range d.HandOvers {
		if h.Channel != post.Physical {
			continue
		}
		states := envelope(d, h.Generation)
		former := h.Generation < d.Generation
		if !h.Taken {
			if len(states) > 0 {
				k.fault("paper", string(d.ID), "generation %d is %s, and no carrier has taken it", h.Generation, states[len(states)-1])
			}
			if former && h.Unsure && !h.refused() {
				k.fault("paper", string(d.ID), "generation %d may be on its way, and generation %d was begun", h.Generation, d.Generation)
			}
			continue
		}
		k.envelope(d, h, states, former)
	}
}

// envelope counts one that a carrier has taken.
func (k *check) envelope(d Dossier, h HandOver, states []post.LetterState, former bool) {
	p := &k.r.Paper
	p.Taken++
	if h.refused() {
		p.Rejected++
		if late := slices.IndexFunc(states, func(s post.LetterState) bool { return s != post.LetterHandedOver && s != post.LetterPrinting }); late >= 0 {
			k.fault("paper", string(d.ID), "generation %d was rejected and is %s", h.Generation, states[late])
		}
		return
	}
	if len(states) == 0 { // whole counts it as missing
		k.fault("paper", string(d.ID), "generation %d was taken, and nothing says where it is", h.Generation)
		return
	}
	last := states[len(states)-1]
	*map[post.LetterState]*int{
		post.LetterHandedOver: &p.Waiting, post.LetterPrinting: &p.Printing, post.LetterPosted: &p.Posted, post.LetterPresumed: &p.Presumed,
		post.LetterProven: &p.Proven, post.LetterReturned: &p.Returned, post.LetterRecalled: &p.Recalled,
	}[last]++
	if last == post.LetterReturned && slices.Contains(states, post.LetterProven) {
		k.fault("paper", string(d.ID), "generation %d is proven delivered and returned", h.Generation)
	}
	switch {
	case former && last != post.LetterReturned:
		k.fault("paper", string(d.ID), "generation %d is %s, and generation %d was begun", h.Generation, last, d.Generation)
	case !former && d.Channel == post.Physical && slices.Contains(onPaper, d.State) && d.State != last:
		k.fault("paper", string(d.ID), "it is %s, and its envelope of generation %d is %s", d.State, h.Generation, last)
	}
}
