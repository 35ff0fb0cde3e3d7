package chaosapp

import (
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// notBegun are the states of letters of which no hand-over has begun, or of which
// the last one certainly brought nothing to the carrier.
var notBegun = map[post.LetterState]bool{
	post.LetterAccepted: true, post.LetterHeld: true, post.LetterReady: true, post.LetterSigned: true, post.LetterAwaitingLookup: true,
	post.LetterRouted: true, post.LetterNotTaken: true, post.LetterRefused: true, post.LetterCancelled: true,
}

// A halt is a pause or a stop that was answered, and what went in spite of it. The
// times are of the one clock that all processes of the run have.
type halt struct {
	what    string
	batch   string // of which it looked at every letter
	whole   bool   // it halts all that go on channel, not this batch alone
	channel post.Channel
	// Between these no hand-over may begin, and none may be repeated. They are drawn
	// close: after the first answer, before the first word that lifts it; zero is never.
	answered, lifted time.Time
	begun            map[string]bool // by letter of the batch, as the answer found them
	most             int             // how many of them, by the answer's own counts

	wrong  map[string]bool // letters that went in spite of it
	excess int             // what the carriers have of the batch beyond most
}

// keptBack is how many letters of the batch had not begun.
func (h *halt) keptBack() int { return max(len(h.begun)-h.most, 0) }

// count is how many letters went in spite of it.
func (h *halt) count() int {
	return max(len(h.wrong), h.excess)
}

func (h *halt) went(id string) {
	if h.wrong == nil {
		h.wrong = map[string]bool{}
	}
	h.wrong[id] = true
}

// atCarriers looks at what the carriers have before it is lifted: of the batch, on the
// channel that is halted, nothing that had not begun and no more than the answer said.
func (h *halt) atCarriers(digital, paper map[string]bool) {
	has := 0
	for id, begun := range h.begun {
		if h.channel != post.Physical && holds(digital, id, post.Digital) || h.channel != post.Digital && holds(paper, id, post.Physical) {
			has++
			if !begun {
				h.went(id)
			}
		}
	}
	h.excess = max(has-h.most, 0)
}

// inBooks looks at when the house's own books say that hand-overs were begun or
// repeated.
func (h *halt) inBooks(all []account.Dossier) {
	for _, d := range all {
		if !h.whole && string(d.Batch) != h.batch {
			continue
		}
		for _, e := range d.Events {
			if h.forbids(e) {
				h.went(string(d.ID))
			}
		}
	}
}

// forbids reports whether e begins a hand-over that the halt forbids.
func (h *halt) forbids(e ledger.Event) bool {
	return e.Kind == "letter."+string(post.LetterHandingOver) &&
		strings.HasPrefix(e.Outcome, string(h.channel)) &&
		e.At.After(h.answered) && (h.lifted.IsZero() || e.At.Before(h.lifted))
}

func holds(held map[string]bool, id string, c post.Channel) bool {
	return held[post.DerivedID(post.LetterID(id), c, 1)]
}
