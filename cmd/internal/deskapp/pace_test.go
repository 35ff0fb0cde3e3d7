package deskapp_test

import (
	"math"
	"runtime/debug"
	"testing"

	"sikkerpost.dk/gateway/cmd/internal/deskapp"
)

func TestTheEnvironmentHasTheLastWordOnMemory(t *testing.T) {
	for name, c := range map[string]struct {
		gogc, limit string
		percent     int
		bytes       int64
	}{
		"nothing is said":   {"", "", 400, 160 << 20},
		"how often is said": {"100", "", 100, 160 << 20},
		"how much is said":  {"", "1GiB", 400, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
			defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()
			t.Setenv("GOGC", c.gogc)
			t.Setenv("GOMEMLIMIT", c.limit)
			deskapp.Pace()
			if got := debug.SetGCPercent(100); got != c.percent {
				t.Errorf("GOGC is %d, want %d", got, c.percent)
			}
			if got := debug.SetMemoryLimit(-1); got != c.bytes {
				t.Errorf("the limit is %d, want %d", got, c.bytes)
			}
		})
	}
}
