package deskapp

import (
	"math"
	"runtime/debug"
)

const (
	// usualPace is Go's: to collect when there is as much garbage as is in use.
	usualPace = 100
	// ballastSize counts as in use, so that there may be as much more garbage.
	ballastSize = 16 << 20
	// softLimit is near what desk keeps when as many of the largest documents
	// are in memory as may be.
	softLimit = 160<<20 + ballastSize
)

// ballast is memory that nobody touches: it takes addresses and no pages.
var ballast []byte //nolint:unused // that is what it is for

// Pace tells the collector of this process what desk is like: it keeps some 4 MB
// and makes some hundred KB of garbage for each letter, so that at Go's usual pace
// it would collect after every twentieth letter. It is made to wait for 16 MB more,
// whatever is in use: a higher GOGC multiplies what large documents take too, and a
// limit alone lets garbage grow up to it. When large documents and their garbage
// come near 160 MB, it collects sooner: a soft limit, below the 256 MB that desk may
// have.
//
// Whoever has set another pace or a limit (GOGC, GOMEMLIMIT) has taken this over:
// then nothing is changed. Only a program that is desk and nothing else calls it.
func Pace() {
	percent, limit := debug.SetGCPercent(usualPace), debug.SetMemoryLimit(-1)
	if percent != usualPace || limit != math.MaxInt64 {
		debug.SetGCPercent(percent)
		return
	}
	ballast = make([]byte, ballastSize)
	debug.SetMemoryLimit(softLimit)
}
