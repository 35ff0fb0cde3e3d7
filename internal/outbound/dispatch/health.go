package dispatch

import (
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// mostShared bounds, in multiples of [Config.Poison], the failures of a letter while
// no other gets through either: three hours, and a person is asked all the same.
const mostShared = 3

// A work is a kind of work whose failures are counted apart.
type work int

// The kinds of work. Each letter passes the first two; the third is done for batches.
const (
	workSigning  work = iota // before the look-up: opening and signing
	workHandover             // after it: checking, rendering, the intent
	workBatches              // what [BatchSigner] does
	workKinds
)

// workNames are what [Failing.Work] calls them.
var workNames = [workKinds]string{workSigning: "signing", workHandover: "handover", workBatches: "batches"}

// health notes for each kind of work when a letter last got through it, and for how
// long it has failed.
type health struct {
	mu      sync.Mutex
	last    [workKinds]time.Time // guarded by mu; of batches it is not noted
	failing [workKinds]Failing   // guarded by mu
}

// Failing says for how long steps of one kind of work have failed in this process
// while no letter got through it. Failures that are a letter's own beyond doubt are not
// among them. Of batches that are signed as a whole it says for how long one of them
// could not be, whosever fault it is: none of its letters has a step, and so nobody is
// asked about any.
type Failing struct {
	Work     string    // "signing", what comes before the look-up; "handover", what comes after it; "batches"
	Since    time.Time // the first failure; zero: none, or a letter got through after the last
	Failures int
	last     time.Time
}

// mostQuiet is for how long nothing may fail before a failure is past: a letter that
// fails is tried again sooner.
const mostQuiet = mostPause + mostPause/3

// Failing returns how each kind of work stands.
func (a *Advancer) Failing() []Failing {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	all := make([]Failing, 0, workKinds)
	for w, name := range workNames {
		f := a.health.failing[w]
		if f.last.Before(a.Now().Add(-mostQuiet)) {
			f = Failing{}
		}
		f.Work = name
		all = append(all, f)
	}
	return all
}

// noteFailed notes that the work that is done in state s did not succeed. What is a
// letter's own fault is not noted.
func (a *Advancer) noteFailed(s post.LetterState, cause error) {
	if !incurable(cause) {
		a.countFailure(workIn(s))
	}
}

// countFailure counts a failure of w; one long after the last begins anew.
func (a *Advancer) countFailure(w work) {
	now := a.Now()
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	f := &a.health.failing[w]
	if f.last.Before(now.Add(-mostQuiet)) {
		*f = Failing{Since: now}
	}
	f.Failures++
	f.last = now
}

// workIn is the kind of work that is done in state s.
func workIn(s post.LetterState) work {
	switch s {
	case post.LetterAccepted, post.LetterHeld, post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup:
		return workSigning
	default:
		return workHandover
	}
}

// notePassed notes that a letter got through the work that is done in state s.
func (a *Advancer) notePassed(s post.LetterState) {
	now := a.Now()
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	w := workIn(s)
	a.health.last[w], a.health.failing[w] = now, Failing{}
}

// noteBatches notes how a step of [BatchSigner] went: err is nil when every batch
// that waited was signed.
func (a *Advancer) noteBatches(err error) {
	if err != nil {
		a.countFailure(workBatches)
		return
	}
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	a.health.failing[workBatches] = Failing{}
}

// poisoned reports whether the failures of r in a row are r's own. When nothing gets
// through, be it for a disk, a key store or a database, the fault is the house's:
// a person who is asked about every letter of a month-end can do nothing about any
// of them, and each would wait for a decision when the fault is long mended. So a
// letter counts as poison only when another got through since it was last tried.
//
// What is known is this process's alone and begins with it: at worst a letter waits
// for [mostShared]. That others get through says nothing of a certificate that this
// process does not know: theirs is another.
func (a *Advancer) poisoned(r Record, cause error) bool {
	switch {
	case r.Failures < a.Poison:
		return false
	case r.Failures >= mostShared*a.Poison:
		return true
	case verify.SignerUnknown(cause):
		return false
	}
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	return a.health.last[workIn(r.State)].After(a.Now().Add(-a.leastPause(r.Failures - 1)))
}
