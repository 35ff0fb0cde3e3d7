package ratio_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/ratio"
)

var sink uint64

// spin takes n times as long as spin(1).
func spin(n int) func() {
	return func() {
		var x uint64 = 1
		for range n * 100_000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		sink = x // so that the work is not optimized away
	}
}

func TestTheRatioIsThatOfTheWork(t *testing.T) {
	m := ratio.Measure(31, 1, spin(4), spin(1), ratio.Cost)
	if m.Ratio < 2 || m.Ratio > 8 {
		t.Errorf("four times the work costs %.2f times as much (%v to %v)", m.Ratio, m.Subject, m.Base)
	}
	m = ratio.Measure(31, 1, spin(1), spin(4), ratio.Speed)
	if m.Ratio < 2 || m.Ratio > 8 {
		t.Errorf("a quarter of the work is done %.2f times as often", m.Ratio)
	}
}

func TestTheTwoSidesTakeTurns(t *testing.T) {
	var order []byte
	ratio.Measure(2, 2, func() { order = append(order, 's') }, func() { order = append(order, 'b') },
		func(time.Duration, time.Duration) float64 { return 1 })
	if got, want := string(order), "sb"+"ssbb"+"bbss"; got != want {
		t.Errorf("order is %s, want %s", got, want)
	}
}

var kept []byte

func TestAllocatedCountsBytes(t *testing.T) {
	if got := ratio.Allocated(50, func() { kept = make([]byte, 100_000) }); got < 100_000 || got > 150_000 {
		t.Errorf("100,000 bytes counted as %.0f", got)
	}
}
