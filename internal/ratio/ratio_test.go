package ratio_test

import (
	"testing"

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
	m := ratio.Cost(31, 8, spin(4), spin(1))
	if m.Ratio < 2 || m.Ratio > 8 {
		t.Errorf("four times the work costs %.2f times as much (%v to %v)", m.Ratio, m.Subject, m.Base)
	}
	m = ratio.Speed(31, 1, spin(1), spin(4))
	if m.Ratio < 2 || m.Ratio > 8 {
		t.Errorf("a quarter of the work is done %.2f times as often", m.Ratio)
	}
}

func TestTheTwoSidesTakeTurns(t *testing.T) {
	var order []byte
	ratio.Speed(2, 2, func() { order = append(order, 's') }, func() { order = append(order, 'b') })
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
