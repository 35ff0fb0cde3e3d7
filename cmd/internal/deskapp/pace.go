package deskapp

import (
	"os"
	"runtime/debug"
)

// What desk asks of Go's collector of garbage. See [Pace].
const (
	pacePercent = 400
	paceLimit   = 160 << 20
)

// Pace tells the collector of this process what desk is like: it keeps a few MB
// and makes some hundred KB of garbage for each letter, so that at Go's ordinary
// pace it would collect after each twentieth letter. It collects when the
// garbage is four times what is kept, and sooner when all of it together comes
// near 160 MB, as it does with documents of 20 MB: a soft limit, below the 256 MB
// that desk may have. What the environment says (GOGC, GOMEMLIMIT) is left as it
// is. Only a program that is desk and nothing else calls it.
func Pace() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(pacePercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(paceLimit)
	}
}
