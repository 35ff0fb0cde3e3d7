package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// strains says what a world has of key stores, references, registers, pages of
// receipts and people in a hurry. It is drawn from luck of its own: a seed without
// it is the world that it always was.
type strains struct {
	vaults
	names
	pages
	hurry
}

// vaults are troubles of the key store, and of whatever else signs and opens.
type vaults struct {
	// keyless is when nothing can be opened or signed any more, and for how long.
	keyless, keylessFor time.Duration
	keyFails            float64 // of one opening, one signature
	keySlow             float64 // of a signature that takes minutes
	// renewed is when the first dispatcher gets a new signing key, and the other soon after.
	renewed time.Duration
}

// names are references that are drawn twice, and where paper goes.
type names struct {
	refs     int     // of how few references half of the new ones are drawn; 0: all are new
	register bool    // a register of addresses is asked
	homeless bool    // letters bear no address of their own
	moves    float64 // of a person who moves house after the register was asked
	townHall float64 // of a letter on paper that comes back to the town hall, not to its carrier
}

// pages are troubles of receipts that are fetched and settled many at a time.
type pages struct {
	torn   float64 // of a page of which the first few are kept, and no more
	paged  bool    // receipts come page by page, oldest first, and one of two carriers forgets page by page
	doubly float64 // of a receipt that stands in its page twice, or in two pages
	again  float64 // of one that comes again when it was forgotten
	locked float64 // of a letter that a group passes over, because somebody writes it
}

// hurry is what senders and people do at the wrong moment.
type hurry struct {
	urgent     float64 // of a letter, or the batch, in the fast lane
	notBefore  float64 // of a letter with a first day
	registered float64 // of a letter by registered post
	withdrawn  float64 // of a process that starts while registered post is offered no more
	meddle     float64 // of a person who cancels, pauses or stops right when an intent is committed
	doubled    float64 // of a decision that is given twice, by two programs
	// rest is until when a channel stays paused, for days after the world has healed.
	rest time.Duration
	only float64 // of a letter that may not go on paper, as an inquiry that is forwarded
}

// strainsSalt leaves the named seeds from before as they were.
const strainsSalt = 3491

func newStrains(seed uint64) strains {
	r := rand.New(rand.NewPCG(seed, strainsSalt))
	var s strains
	if r.IntN(2) == 0 {
		return s
	}
	some := func(of ...float64) float64 {
		if r.IntN(2) == 0 {
			return 0
		}
		return of[r.IntN(len(of))]
	}
	if r.IntN(3) == 0 {
		s.vaults = vaults{keyFails: some(.05, .3), keySlow: some(.1, .5)}
		if r.IntN(2) == 0 {
			s.keyless, s.keylessFor = time.Duration(r.IntN(120))*time.Minute, time.Duration(5+r.IntN(90))*time.Minute
		}
		if r.IntN(2) == 0 {
			s.renewed = time.Duration(1+r.IntN(180)) * time.Minute
		}
	}
	if r.IntN(2) == 0 {
		s.names = names{refs: []int{0, 1, 3}[r.IntN(3)], register: r.IntN(2) == 0, moves: some(.3, 1), townHall: some(.5, 1)}
		if s.register {
			s.homeless, s.moves = r.IntN(2) == 0, max(s.moves, .3)
		}
	}
	if r.IntN(2) == 0 {
		s.pages = pages{torn: some(.1, .5), paged: r.IntN(2) == 0, doubly: some(.3), again: some(.1, .4), locked: some(.1, .5)}
	}
	if r.IntN(2) == 0 {
		s.hurry = hurry{urgent: some(.5), notBefore: some(.5), registered: some(.5), withdrawn: some(.5), meddle: some(.2, .8), doubled: some(.5)}
		if r.IntN(2) == 0 {
			s.rest = time.Duration(1+r.IntN(13)) * 24 * time.Hour
		}
		s.only = some(.5)
	}
	return s
}

var errKeys = errors.New("key store does not answer")

// keysGone reports whether nothing can be opened or signed.
func (w *world) keysGone() bool {
	since := w.now.Sub(start) - w.plan.keyless
	return w.plan.keylessFor > 0 && since >= 0 && since < w.plan.keylessFor
}

// key is one use of the key store, by the thread that runs.
func (w *world) key() error {
	if w.keysGone() {
		w.tried["no key"]++
		return errKeys
	}
	if w.chance(w.plan.keyFails) {
		w.tried["a key fails"]++
		return errKeys
	}
	return nil
}

// pen signs as n does: it may fail, or take so long that a lease runs out.
type pen struct{ n *node }

// slowly is a signature that takes its time; all sorts of things happen meanwhile.
func (p pen) slowly() error {
	w := p.n.w
	if w.chance(w.plan.keySlow) {
		w.tried["a signature takes minutes"]++
		w.point("sign", time.Minute, 6*time.Minute)
	}
	return w.key()
}

// Sign implements [dispatch.Signer].
func (p pen) Sign(m verify.Manifest) ([]byte, error) {
	if err := p.slowly(); err != nil {
		return nil, err
	}
	return signing().each[p.n.key].put(m)
}

// SignRoot implements [dispatch.RootSigner].
func (p pen) SignRoot(r verify.Root) ([]byte, error) {
	if err := p.slowly(); err != nil {
		return nil, err
	}
	signed, err := signing().each[p.n.key].signer.SignRoot(r)
	if err == nil && p.n.w.plan.keySlow > 0 { // signed, and not yet kept
		p.n.w.point("root signed", 0, time.Minute)
	}
	return signed, err
}

// signedOnce wants one signature of a batch, for letters refer to it as soon as it is
// kept.
func (w *world) signedOnce() {
	n := 0
	for _, kind := range w.db.Kinds() {
		if kind == "batch.signed" {
			n++
		}
	}
	if n > 1 {
		w.violate("I8: a batch was signed %d times", n)
	}
}

// unproven is checked at each move: nobody is asked about a letter whose signature
// proves nothing, or whose form is another than was committed, unless its own file
// is lost; nor about one without an address, where a register knows it. No order of
// calls may come to that.
func (w *world) unproven(to post.LetterState, code string, id post.LetterID) {
	odd := code == "not-proven" || code == "form-changed" || code == "no-address" && w.plan.register
	if to == post.LetterNeedsPerson && odd && w.plan.lostFor == 0 && !w.plan.lostFirst {
		w.violate("I8: a person is asked about letter %s, which is %s, and nothing of it was lost", id, code)
	}
}
