package account

import (
	"fmt"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// A Rest says what it rests on that a carrier has our letters.
type Rest struct {
	Carrier post.Carrier `json:"carrier"`
	Taken   int          `json:"taken"` // hand-overs that it took and has not refused
	Heard   int          `json:"heard"` // of these, it has said more of so many than that it took them
	// Compared: what it holds was compared with what it took.
	Compared bool   `json:"compared"`
	Says     string `json:"says"`
}

// askable says what each carrier can be asked. None lists what it holds.
var askable = map[post.Carrier]string{
	post.DigitalPost: "Digital Post can be asked about one letter at a time only (postctl letter trace)",
	post.KombiPost:   "KombiPost cannot be asked: it answers no question about a letter",
	post.PrintHouse:  "the print house cannot be asked: it only reports",
}

var carrierNames = map[post.Carrier]string{post.DigitalPost: "Digital Post", post.KombiPost: "KombiPost", post.PrintHouse: "the print house"}

// heard are the states that only a carrier's further word brings about.
var heard = []post.LetterState{post.LetterDelivered, post.LetterPrinting, post.LetterPosted, post.LetterProven, post.LetterReturned}

// rests counts a hand-over that a carrier took and may deliver.
func (k *check) rests(d Dossier, h HandOver) {
	by := h.Carrier
	if by == "" {
		by = post.UsualCarrier(h.Channel)
	}
	r := k.rest[by]
	if r == nil {
		r = &Rest{Carrier: by}
		k.rest[by] = r
	}
	r.Taken++
	place := fmt.Sprintf("%s/%d", h.Channel, h.Generation)
	if slices.ContainsFunc(d.Events, func(e event) bool {
		return at(e, place) && slices.Contains(heard, post.LetterState(strings.TrimPrefix(e.Kind, eventPrefix)))
	}) {
		r.Heard++
	}
	if _, known := k.held[h.Channel]; known && !h.elsewhere() {
		r.Compared = true
	}
}

// say puts the rests into words.
func (k *check) say() {
	for _, by := range []post.Carrier{post.DigitalPost, post.KombiPost, post.PrintHouse} {
		r := k.rest[by]
		if r == nil {
			continue
		}
		rest := fmt.Sprintf("%s on its receipts alone, and of %d it has said nothing since it took them", restOn(r.Taken), r.Taken-r.Heard)
		if r.Compared {
			r.Says = fmt.Sprintf("what %s holds was compared with the %s that it took", carrierNames[by], letters(r.Taken))
		} else {
			r.Says = askable[by] + "; " + rest
		}
		k.r.Rests = append(k.r.Rests, *r)
	}
}

func letters(n int) string {
	if n == 1 {
		return "1 letter"
	}
	return fmt.Sprintf("%d letters", n)
}

func restOn(n int) string {
	if n == 1 {
		return "1 letter rests"
	}
	return letters(n) + " rest"
}
