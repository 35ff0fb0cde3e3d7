package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// halting is a way to halt a letter, to lift that, and to wait for it.
type halting struct {
	name       string
	lease      queue.Lease
	wait       dispatch.Wait
	halt, lift func(context.Context) error
}

// haltings are a pause of a channel and one of a batch, each with a leased letter.
func (c *crowd) haltings() []halting {
	c.Helper()
	ls, rs := c.leased(1)
	id := c.approved(1)
	line, err := c.s.LetterList(c.Context(), letter.Filter{Batch: id, Limit: 1})
	if err != nil || len(line) != 1 {
		c.Fatal(line, err)
	}
	jobs, err := c.s.HeldJobs(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	var ofBatch queue.Lease
	for _, l := range jobs {
		if l.ID == string(line[0].ID) {
			ofBatch = l
		}
	}
	road, all := letter.Pause{Channel: post.Digital, Actor: "anne"}, letter.Pause{Actor: "anne"}
	r := c.read([]queue.Lease{ofBatch})[0]
	far := time.Now().Add(time.Hour)
	steer := func(paused bool) func(context.Context) error {
		return func(ctx context.Context) error { return c.s.PauseBatch(ctx, "engdal", id, "approver", paused) }
	}
	return []halting{
		{"both channels", ls[0], dispatch.Wait{Letter: rs[0].ID, Version: rs[0].Version, Code: "paused", Due: far, While: dispatch.Halt{Tenant: "engdal"}},
			func(ctx context.Context) error {
				return errors.Join(c.s.PauseChannel(ctx, road), c.s.PauseChannel(ctx, all))
			},
			func(ctx context.Context) error { return c.s.ResumeChannel(ctx, all) }},
		{"a batch", ofBatch, dispatch.Wait{Letter: r.ID, Version: r.Version, Code: batch.CodeHeld, Due: far, While: dispatch.Halt{Batch: id}}, steer(true), steer(false)},
	}
}

// free reports whether a letter is due and nobody holds it.
func (c *crowd) free(id string) bool {
	c.Helper()
	_, ok, err := c.s.Lease(context.WithoutCancel(c.Context()), queue.AdvanceLetter, id, time.Hour)
	if err != nil {
		c.Fatal(err)
	}
	return ok
}

// A letter is put off at the very moment when its halt is lifted: whoever lifts it
// waits for that commit, and wakes the letter.
func TestWhoLiftsAHaltWakesWhatIsBeingPutOffByIt(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t := c.T
		for _, h := range c.haltings() {
			if err := h.halt(t.Context()); err != nil {
				t.Fatal(err)
			}
			committing, let, lifted := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			c.s.OnCommit(func(tx *sql.Tx) error {
				close(committing)
				<-let
				return tx.Commit()
			})
			go func() {
				<-committing
				lifted <- h.lift(context.WithoutCancel(t.Context()))
			}()
			go func() {
				<-committing
				select {
				case err := <-lifted:
					t.Errorf("%s: lifted while a letter was being put off by it, %v", h.name, err)
					lifted <- err
				case <-time.After(80 * time.Millisecond):
				}
				close(let)
			}()
			if err := c.s.WaitLetter(t.Context(), h.lease, h.wait); err != nil {
				t.Errorf("%s: %v", h.name, err)
			}
			if err := <-lifted; err != nil {
				t.Errorf("%s: %v", h.name, err)
			}
			c.s.OnCommit(nil)
			if !c.free(h.lease.ID) {
				t.Errorf("%s: lifted, and the letter sleeps on", h.name)
			}
		}
	})
}

// A letter is about to be put off when its halt is lifted: it is not, in a group or alone.
func TestNobodyIsPutOffByAHaltThatWasLifted(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t, ctx := c.T, c.Context()
		for _, h := range c.haltings() {
			for how, wait := range map[string]func() error{
				"in a group": func() error { return c.s.WaitLetter(ctx, h.lease, h.wait) },
				"alone":      func() error { return c.s.WaitAlone(ctx, h.lease, h.wait) },
			} {
				if err := errors.Join(h.halt(ctx), h.lift(ctx)); err != nil {
					t.Fatal(err)
				}
				if err := wait(); !errors.Is(err, dispatch.ErrNotHalted) {
					t.Errorf("%s, %s: %v", h.name, how, err)
				}
				if r := c.read([]queue.Lease{h.lease})[0]; r.Code == h.wait.Code {
					t.Errorf("%s, %s: a refused wait left its code", h.name, how)
				}
			}
		}
		for _, h := range c.haltings() { // and while it stands it is, alone too
			if err := errors.Join(h.halt(ctx), c.s.WaitAlone(ctx, h.lease, h.wait)); err != nil {
				t.Errorf("%s: %v", h.name, err)
			}
			if c.free(h.lease.ID) {
				t.Errorf("%s: the letter is not kept back", h.name)
			}
		}
	})
}

// In a group each waits for its own halt: one is put off, one goes on, one begins.
func TestInAGroupEachMindsItsOwnHalt(t *testing.T) {
	crowds(t, func(c *crowd, _, _, _ string) {
		t, ctx := c.T, c.Context()
		ls, rs := c.leased(4)
		if err := c.s.PauseChannel(ctx, letter.Pause{Channel: post.Physical}); err != nil {
			t.Fatal(err)
		}
		waiter := func(i int, while dispatch.Halt) func(context.Context) error {
			return func(ctx context.Context) error {
				return c.s.WaitLetter(ctx, ls[i], dispatch.Wait{Letter: rs[i].ID, Version: rs[i].Version, Code: "paused", Due: time.Now().Add(time.Hour), While: while})
			}
		}
		errs := c.together(waiter(0, dispatch.Halt{Tenant: "engdal", Channel: post.Physical}), waiter(1, dispatch.Halt{Tenant: "engdal"}),
			c.mover(ls[2], intentOf(rs[2])), waiter(3, dispatch.Halt{}))
		if errs[0] != nil || !errors.Is(errs[1], dispatch.ErrNotHalted) || errs[2] != nil || errs[3] != nil {
			t.Errorf("%v", errs)
		}
		for i, code := range []string{"paused", "", "", "paused"} {
			if r := c.read(ls[i : i+1])[0]; r.Code != code {
				t.Errorf("letter %d has the code %q, want %q", i, r.Code, code)
			}
		}
	})
}
