package dispatch

import (
	"testing"
	"time"
)

// TestABackOffDoublesWithJitterAndHasAnEnd: what failed together comes back apart.
func TestABackOffDoublesWithJitterAndHasAnEnd(t *testing.T) {
	for _, tt := range []struct {
		n           int
		least, most time.Duration // both may be drawn
	}{
		{1, 2500 * time.Millisecond, 5 * time.Second}, {2, 5 * time.Second, 10 * time.Second}, {4, 20 * time.Second, 40 * time.Second},
		{9, 450 * time.Second, 900 * time.Second}, {1000, 450 * time.Second, 900 * time.Second}, {0, 2500 * time.Millisecond, 5 * time.Second},
	} {
		a := &Advancer{Config: Config{Backoff: 5 * time.Second}}
		a.Rand = func(time.Duration) time.Duration { return 0 }
		least := a.pause(tt.n)
		a.Rand = func(n time.Duration) time.Duration { return n - 1 }
		if most := a.pause(tt.n); least != tt.least || most != tt.most {
			t.Errorf("after %d failures: %v to %v, want %v to %v", tt.n, least, most, tt.least, tt.most)
		}
	}
}
