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

// passing notes when a letter last got through, apart for what comes before the
// look-up (opening and signing) and after it (checking, rendering, the intent).
type passing struct {
	mu      sync.Mutex
	last    [2]time.Time // guarded by mu
	failing [3]Failing   // guarded by mu; of each of works
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
	a.passing.mu.Lock()
	defer a.passing.mu.Unlock()
	all := make([]Failing, 0, len(works))
	for i, work := range works {
		f := a.passing.failing[i]
		if f.last.Before(a.Now().Add(-mostQuiet)) {
			f = Failing{}
		}
		f.Work = work
		all = append(all, f)
	}
	return all
}

// works names the stages, and what [BatchSigner] does.
var works = [3]string{"signing", "handover", "batches"}

const signsBatches = 2

// failed notes that the work that is done in state s did not succeed. What is a
// letter's own fault is not noted.
func (a *Advancer) failed(s post.LetterState, cause error) {
	if !incurable(cause) {
		a.failedAt(stage(s))
	}
}

func (a *Advancer) failedAt(work int) {
	now := a.Now()
	a.passing.mu.Lock()
	defer a.passing.mu.Unlock()
	f := &a.passing.failing[work]
	if f.last.Before(now.Add(-mostQuiet)) {
		*f = Failing{Since: now}
	}
	f.Failures++
	f.last = now
}

func stage(s post.LetterState) int {
	switch s {
	case post.LetterAccepted, post.LetterHeld, post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup:
		return 0
	default:
		return 1
	}
}

// passed notes that a letter got through the work that is done in state s.
func (a *Advancer) passed(s post.LetterState) {
	now := a.Now()
	a.passing.mu.Lock()
	defer a.passing.mu.Unlock()
	a.passing.last[stage(s)], a.passing.failing[stage(s)] = now, Failing{}
}

// signedBatches notes how a step of [BatchSigner] went.
func (a *Advancer) signedBatches(all bool) {
	if !all {
		a.failedAt(signsBatches)
		return
	}
	a.passing.mu.Lock()
	defer a.passing.mu.Unlock()
	a.passing.failing[signsBatches] = Failing{}
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
	a.passing.mu.Lock()
	defer a.passing.mu.Unlock()
	return a.passing.last[stage(r.State)].After(a.Now().Add(-a.leastPause(r.Failures - 1)))
}
