package deskapp

import (
	"math"
	"runtime/debug"
)

const (
	// ballastSize counts as memory in use, so that the collector waits for as
	// much garbage again.
	ballastSize = 16 << 20
	// softLimit is near what desk keeps when as many of the largest documents
	// are in memory as may be.
	softLimit = 160<<20 + ballastSize
)

// ballast is memory that nobody touches: it takes addresses and no pages.
var ballast []byte //nolint:unused // that is what it is for

// Pace tells the collector of this process what desk is like: it keeps some 4 MB
// and makes some hundred KB of garbage for each letter, so that at Go's ordinary
// pace, which is to wait for as much garbage as is kept, it would collect after
// every twentieth letter. It is made to wait for 16 MB more, and for nothing
// beyond that. When large documents and their garbage come near 160 MB, it
// collects sooner: a soft limit, below the 256 MB that desk may have.
//
// What GOGC and GOMEMLIMIT have set holds instead. Only a program that
// is desk and nothing else calls it.
func Pace() {
	const ordinary = 100
	if percent := debug.SetGCPercent(ordinary); percent == ordinary {
		ballast = make([]byte, ballastSize)
	} else {
		debug.SetGCPercent(percent)
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(softLimit)
	}
}
