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

func TestThePaceCostsNoMemoryAndIsTheOperatorsWhoSetsOne(t *testing.T) {
	next := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.NextGC)
	}
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	defer func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) }()
	for _, set := range []struct {
		percent int
		limit   int64
	}{{90, math.MaxInt64}, {100, 1 << 30}, {90, 1 << 30}} { // as GOGC and GOMEMLIMIT do
		debug.SetGCPercent(set.percent)
		debug.SetMemoryLimit(set.limit)
		before := next()
		deskapp.Pace()
		if after := next(); after > before+8<<20 {
			t.Errorf("%+v: the next collection went from %d to %d", set, before, after)
		}
		if got := debug.SetMemoryLimit(math.MaxInt64); got != set.limit {
			t.Errorf("%+v: the limit is now %d", set, got)
		}
		if got := debug.SetGCPercent(100); got != set.percent {
			t.Errorf("%+v: the pace is now %d", set, got)
		}
	}
	pages := resident(t)
	deskapp.Pace()
	if got := next(); got < 32<<20 {
		t.Errorf("the next collection is at %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != 176<<20 {
		t.Errorf("the limit is %d", got)
	}
	if took := resident(t) - pages; took > 8<<20 {
		t.Errorf("%d bytes more are resident", took)
	}
}
