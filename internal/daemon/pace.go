package daemon

import (
	"math"
	"runtime/debug"
)

// usualPace is Go's: to collect when there is as much garbage as is in use.
const usualPace = 100

// A Pace says how seldom a program's garbage is collected. At Go's usual pace a
// program that keeps a few MB and makes some hundred KB of garbage for each letter
// collects after every twentieth. A higher GOGC would multiply what large
// documents take too, and a limit alone lets garbage grow up to it.
type Pace struct {
	// Garbage is how many bytes more than usual there may be, whatever is in use.
	Garbage int
	// Limit is how much there may be of all that Go manages, in bytes, before it
	// collects sooner; 0 is no limit. It is soft: nothing fails beyond it.
	Limit int64
}

// ballast is memory that nobody touches: it takes addresses and no pages. It
// counts as in use, so that there may be as much more garbage.
var ballast []byte //nolint:unused // that is what it is for

// Set sets the pace of this process. Whoever has set another pace or a limit (GOGC,
// GOMEMLIMIT) has taken this over: then nothing is changed. Only the main function of
// a program calls it, once.
func (p Pace) Set() {
	percent, limit := debug.SetGCPercent(usualPace), debug.SetMemoryLimit(-1)
	if percent != usualPace || limit != math.MaxInt64 {
		debug.SetGCPercent(percent)
		return
	}
	ballast = make([]byte, p.Garbage)
	if p.Limit > 0 {
		debug.SetMemoryLimit(p.Limit + int64(p.Garbage)) // which counts the ballast
	}
}
