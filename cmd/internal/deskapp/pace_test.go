package deskapp_test

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/deskapp"
)

// resident returns the pages of this process that are in memory, in bytes.
func resident(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Log("LEFT OUT, because /proc is not here: what is resident")
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	must(t, err)
	return pages * os.Getpagesize()
}

func TestThePaceCostsNoMemoryAndTheEnvironmentHasTheLastWord(t *testing.T) {
	next := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.NextGC)
	}
	limit, percent := debug.SetMemoryLimit(1<<30), debug.SetGCPercent(90) // as GOMEMLIMIT and GOGC do
	defer func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) }()
	before := next()
	deskapp.Pace()
	if got := debug.SetMemoryLimit(math.MaxInt64); got != 1<<30 {
		t.Errorf("a limit is set, and is now %d", got)
	}
	if after := next(); after > before+8<<20 {
		t.Errorf("a pace is set, and the next collection went from %d to %d", before, after)
	}
	if got := debug.SetGCPercent(100); got != 90 {
		t.Errorf("a pace is set, and is now %d", got)
	}
	before = next()
	pages := resident(t)
	deskapp.Pace()
	if after := next(); after < before+24<<20 {
		t.Errorf("the next collection went from %d to %d", before, after)
	}
	if got := debug.SetMemoryLimit(-1); got != 176<<20 {
		t.Errorf("the limit is %d", got)
	}
	if took := resident(t) - pages; took > 8<<20 {
		t.Errorf("%d bytes more are resident", took)
	}
}
