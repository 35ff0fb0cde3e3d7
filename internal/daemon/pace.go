package daemon

import (
	"math"
	"runtime/debug"
)

// usualPace is Go's: to collect when there is as much garbage as is in use.
const usualPace = 100

// share is the percentage of what is in use that garbage may be besides [Pace.Garbage].
const share = 25

// A Pace says how seldom a program's garbage is collected. At Go's usual pace it is
// when there is as much as is in use. A program that keeps a few MB and makes some
// hundred KB of garbage for each letter then collects after every twentieth; and
// each MB that it keeps more, because a batch is larger, takes two.
type Pace struct {
	// Garbage is how many bytes of it there may be, and a quarter of what is in use more.
	Garbage int
	// Limit is how much there may be of all that Go manages, in bytes, before it
	// collects sooner; 0 is no limit. It is soft: nothing fails beyond it.
	Limit int64
}

// ballast is memory that nobody touches: it takes addresses and no pages. It counts
// as in use, so its share is what there may be of garbage whatever else is in use.
var ballast []byte //nolint:unused // that is what it is for

// Set sets the pace of this process. Whoever has set another pace or a limit (GOGC,
// GOMEMLIMIT) has taken this over: then nothing is changed. Only the main function of
// a program calls it, once.
func (p Pace) Set() {
	percent, limit := debug.SetGCPercent(share), debug.SetMemoryLimit(-1)
	if percent != usualPace || limit != math.MaxInt64 {
		debug.SetGCPercent(percent)
		return
	}
	ballast = make([]byte, p.Garbage*(100/share))
	if p.Limit > 0 {
		debug.SetMemoryLimit(p.Limit + int64(len(ballast))) // which counts the ballast
	}
}
