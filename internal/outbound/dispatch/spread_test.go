package dispatch

import (
	"context"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// What waits for one moment must not come in one moment: whatever keeps letters
// back, each draws its own time, between half of what it waits and all of it.
func TestLettersThatAreKeptBackComeAtTimesOfTheirOwn(t *testing.T) {
	for name, c := range map[string]struct {
		config GateConfig
		most   time.Duration
	}{
		codePaused:  {GateConfig{Paused: func(context.Context) ([]letter.Pause, error) { return []letter.Pause{{}}, nil }}, pauseWait},
		codeUnread:  {GateConfig{Paused: func(context.Context) ([]letter.Pause, error) { return nil, context.Canceled }}, pauseAsk},
		codeResting: {GateConfig{Trip: 1, Rest: 8 * time.Second}, 8 * time.Second},
	} {
		drawn := time.Duration(0)
		c.config.Rand = func(n time.Duration) time.Duration { drawn += n / 4; return drawn % n }
		g, _ := newGate(t, c.config)
		if name == codeResting {
			enter(t, g, post.Digital)
			g.Leave(post.DigitalPost, Unknown)
		}
		seen := map[time.Duration]bool{}
		for range 4 {
			wait, code := enter(t, g, post.Digital)
			if code != name || wait < c.most/2 || wait > c.most {
				t.Errorf("%s: %s for %s, want %s to %s", name, code, wait, c.most/2, c.most)
			}
			seen[wait] = true
		}
		if len(seen) < 3 {
			t.Errorf("%s: letters come back together: %v", name, seen)
		}
	}
}
