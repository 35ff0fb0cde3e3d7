package sqlstore_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// TestNobodySleepsWhateverIsHaltedAndLiftedAtOnce has several people pause and resume two
// channels, a municipality and a batch, each as they like, while letters are put off by
// what they believe to stand: nobody is refused for another reason or waits for ever, and
// once all is lifted each letter is due.
func TestNobodySleepsWhateverIsHaltedAndLiftedAtOnce(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		ctx := c.Context()
		id := c.approved(6)
		jobs, err := c.s.HeldJobs(ctx)
		if err != nil || len(jobs) != 6 {
			c.Fatal(len(jobs), err)
		}
		others, _ := c.leased(6)
		wait := func(l queue.Lease, w dispatch.Wait) error {
			if rand.IntN(3) == 0 {
				return c.s.WaitAlone(ctx, l, w)
			}
			return c.s.WaitLetter(ctx, l, w)
		}
		var people, letters sync.WaitGroup
		var over atomic.Bool
		work := func(l queue.Lease, halts ...dispatch.Halt) {
			for !over.Load() {
				r, err := c.s.LetterForStep(ctx, l)
				if err != nil {
					c.Errorf("read: %v", err)
					return
				}
				w := dispatch.Wait{Letter: r.ID, Version: r.Version, Code: "paused", Due: time.Now().Add(time.Hour), While: halts[rand.IntN(len(halts))]}
				if w.While.Batch != "" {
					w.Code = batch.CodeHeld
				}
				err = wait(l, w)
				if errors.Is(err, dispatch.ErrNotHalted) {
					err = wait(l, dispatch.Wait{Letter: r.ID, Version: r.Version, Code: "x", Due: time.Now()})
				}
				if err != nil {
					c.Errorf("wait: %v", err)
					return
				}
				for had := false; !had; {
					all := over.Load()
					if l, had, err = c.s.Lease(ctx, queue.AdvanceLetter, string(r.ID), time.Hour); err != nil || all && !had {
						c.Errorf("letter %s sleeps: %v", r.ID, err)
						return
					}
				}
			}
		}
		pauses := []letter.Pause{{Channel: post.Digital}, {Channel: post.Physical}, {}, {Tenant: "engdal"}, {Tenant: "engdal", Channel: post.Digital}}
		for n := range 4 {
			people.Go(func() {
				for range 20 {
					p := pauses[rand.IntN(len(pauses))]
					var err error
					if n == 0 {
						err = errors.Join(c.s.PauseBatch(ctx, "engdal", id, "approver", true), c.s.PauseBatch(ctx, "engdal", id, "approver", false))
					} else if err = c.s.PauseChannel(ctx, p); err == nil {
						err = c.s.ResumeChannel(ctx, p)
					}
					if err != nil {
						c.Errorf("halt: %v", err)
					}
				}
			})
		}
		for _, l := range jobs {
			letters.Go(func() { work(l, dispatch.Halt{Batch: id}) })
		}
		for _, l := range others {
			letters.Go(func() {
				work(l, dispatch.Halt{Tenant: "engdal"}, dispatch.Halt{Tenant: "engdal", Channel: post.Digital}, dispatch.Halt{Tenant: "engdal", Channel: post.Physical})
			})
		}
		people.Wait()
		over.Store(true)
		letters.Wait()
	})
}
