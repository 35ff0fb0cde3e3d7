package deskapp

import (
	"os"
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
var ballast []byte

// Pace tells the collector of this process what desk is like: it keeps some 4 MB
// and makes some hundred KB of garbage for each letter, so that at Go's ordinary
// pace, which is to wait for as much garbage as is kept, it would collect after
// every twentieth letter. It is made to wait for 16 MB more, and for nothing
// beyond that. When large documents and their garbage come near 160 MB, it
// collects sooner: a soft limit, below the 256 MB that desk may have.
//
// What the environment says (GOGC, GOMEMLIMIT) holds instead. Only a program that
// is desk and nothing else calls it.
func Pace() {
	if os.Getenv("GOGC") == "" {
		ballast = make([]byte, ballastSize)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}
