package daemon_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/daemon"
)

// childPace asks for a process that does nothing but set its pace, since a ballast
// costs no pages only in memory that was never used.
const childPace = "SIKKERPOST_PACE"

func TestMain(m *testing.M) {
	if os.Getenv(childPace) != "" {
		os.Exit(tellPace())
	}
	os.Exit(m.Run())
}

// pace is one as programs have it.
var pace = daemon.Pace{Garbage: 20 << 20, Limit: 160 << 20}

func nextCollection() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.NextGC)
}

// resident returns the pages of this process that are in memory, in bytes.
func resident() int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		panic(err)
	}
	return pages * os.Getpagesize()
}

// tellPace writes when the next collection is, what the pace took, what the limit is,
// and how much later the next collection is when 8 MB more are kept.
func tellPace() int {
	before := resident()
	pace.Set()
	took := resident() - before
	next := nextCollection()
	keep := make([]byte, 8<<20)
	later := nextCollection() - next
	runtime.KeepAlive(keep)
	fmt.Println(next, took, debug.SetMemoryLimit(-1), later)
	return 0
}

func TestThePaceCostsNoMemory(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "GO") }), childPace+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var next, took, limit, later int
	if _, err := fmt.Sscan(string(out), &next, &took, &limit, &later); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const untouched = 80 << 20
	if next < untouched+20<<20 || next > untouched+28<<20 {
		t.Errorf("the next collection is at %d", next)
	}
	if limit != untouched+160<<20 {
		t.Errorf("the limit is %d", limit)
	}
	if resident() == 0 {
		t.Log("LEFT OUT, because /proc is not here: what is resident")
	}
	if took > 4<<20 {
		t.Errorf("%d bytes more are resident", took)
	}
	if later < 9<<20 || later > 11<<20 {
		t.Errorf("8 MB that are kept make %d bytes of difference: each MB is to take a quarter more", later)
	}
}

func TestWhoSetsThePaceOrALimitSetsBoth(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	defer func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) }()
	for _, set := range []struct {
		percent int
		limit   int64
	}{{90, math.MaxInt64}, {100, 1 << 30}, {90, 1 << 30}} { // as GOGC and GOMEMLIMIT do
		debug.SetGCPercent(set.percent)
		debug.SetMemoryLimit(set.limit)
		before := nextCollection()
		pace.Set()
		if after := nextCollection(); after > before+8<<20 {
			t.Errorf("%+v: the next collection went from %d to %d", set, before, after)
		}
		if got := debug.SetMemoryLimit(math.MaxInt64); got != set.limit {
			t.Errorf("%+v: the limit is now %d", set, got)
		}
		if got := debug.SetGCPercent(100); got != set.percent {
			t.Errorf("%+v: the pace is now %d", set, got)
		}
	}
}
