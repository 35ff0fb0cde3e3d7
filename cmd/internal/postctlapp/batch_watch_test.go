package postctlapp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// Who watches a month-end all night takes next to nothing from those who send it,
// however long desk counts; of a small batch nobody waits longer than they asked.
func TestWatchingRestsTheLongerTheMoreAnAnswerCosts(t *testing.T) {
	for name, c := range map[string]struct {
		every, takes   time.Duration
		fewest, most   int     // answers within an hour
		share          float64 // of the hour that desk spends at most
		lastSeenWithin time.Duration
	}{
		"a small batch":                 {time.Second, 2 * time.Millisecond, 3500, 3600, 0.01, 2 * time.Second},
		"a hundred thousand letters":    {time.Second, 31 * time.Millisecond, 3400, 3600, 0.05, 2 * time.Second},
		"a million on a busy database":  {time.Second, 400 * time.Millisecond, 400, 450, 0.05, 10 * time.Second},
		"one that hardly answers":       {time.Second, 20 * time.Second, 70, 73, 0.41, 51 * time.Second},
		"one who asks often for naught": {time.Millisecond, 100 * time.Millisecond, 1600, 1800, 0.05, 3 * time.Second},
		"one who wants to hear seldom":  {time.Minute, 31 * time.Millisecond, 58, 61, 0.01, 61 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				asked, busy, last := 0, time.Duration(0), begun
				ask := func(ctx context.Context, _ string) (wire.Batch, error) {
					asked++
					busy += c.takes
					time.Sleep(c.takes)
					return wire.Batch{State: "released", Lines: 2, Letters: map[string]int{"delivered": 1, "posted": 1}}, nil
				}
				ctx, stop := context.WithTimeout(t.Context(), time.Hour)
				defer stop()
				b, err := (&batchWatch{ID: "b", Every: c.every}).follow(ctx, ask, func(wire.Batch) {
					if gap := time.Since(last); gap > c.lastSeenWithin {
						t.Errorf("nothing was shown for %s", gap)
					}
					last = time.Now()
				})
				if !errors.Is(err, context.DeadlineExceeded) || b.Lines != 2 {
					t.Fatalf("%+v %v", b, err)
				}
				if share := float64(busy) / float64(time.Since(begun)); share > c.share || asked < c.fewest || asked > c.most {
					t.Errorf("asked %d times in an hour; desk was busy %.1f %% of it", asked, 100*share)
				}
			})
		})
	}
}

// The end of the batch ends the watch at once, and what desk refuses is said.
func TestAWatchEndsWithItsBatchOrTheFirstRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, begun := 0, time.Now()
		refused := errors.New("refused")
		ask := func(context.Context, string) (wire.Batch, error) {
			n++
			switch {
			case n == 3:
				return wire.Batch{State: "released", Lines: 1, Letters: map[string]int{"delivered": 1}}, nil
			case n > 3:
				return wire.Batch{}, refused
			}
			return wire.Batch{State: "released", Lines: 1, Letters: map[string]int{"posted": 1}}, nil
		}
		w := &batchWatch{Every: time.Second}
		b, err := w.follow(t.Context(), ask, func(wire.Batch) {})
		if err != nil || settled(b) != 1 || time.Since(begun) != 2*time.Second {
			t.Errorf("%+v %v after %s", b, err, time.Since(begun))
		}
		if _, err := w.follow(t.Context(), ask, func(wire.Batch) {}); !errors.Is(err, refused) {
			t.Error(err)
		}
	})
}
