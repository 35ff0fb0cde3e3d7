package dispatch

import (
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// mostShared bounds, in multiples of [Config.Poison], the failures of a letter while
// no other gets through either: three hours, and a person is asked all the same.
const mostShared = 3

// passing notes when a letter last got through, apart for what comes before the
// look-up (opening and signing) and after it (checking, rendering, the intent).
type passing struct {
	mu   sync.Mutex
	last [2]time.Time // guarded by mu
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
	a.passing.last[stage(s)] = now
}

// poisoned reports whether the failures of r in a row are r's own. When nothing gets
// through, be it for a disk, a key store or a database, the fault is the house's:
// a person who is asked about every letter of a month-end can do nothing about any
// of them, and each would wait for a decision when the fault is long mended. So a
// letter counts as poison only when another got through since it was last tried.
//
// What is known is this process's alone and begins with it: at worst a letter waits
// for [mostShared].
func (a *Advancer) poisoned(r Record) bool {
	switch {
	case r.Failures < a.Poison:
		return false
	case r.Failures >= mostShared*a.Poison:
		return true
	}
	a.passing.mu.Lock()
	defer a.passing.mu.Unlock()
	return a.passing.last[stage(r.State)].After(a.Now().Add(-a.leastPause(r.Failures - 1)))
}
