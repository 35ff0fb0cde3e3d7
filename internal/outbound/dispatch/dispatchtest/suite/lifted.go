package suite

import (
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// nobodyWaitsForWhatIsOver: a wait for the end of a halt is committed while the halt
// stands, and woken by whoever lifts it, or it is refused. It waits for its own halt and
// for no other.
func nobodyWaitsForWhatIsOver(t *testing.T, b *bench) {
	ctx := t.Context()
	pause := func(tenant post.TenantID, ch post.Channel) func() error {
		return func() error { return b.s.PauseChannel(ctx, letter.Pause{Tenant: tenant, Channel: ch}) }
	}
	resume := func(tenant post.TenantID, ch post.Channel) func() error {
		return func() error { return b.s.ResumeChannel(ctx, letter.Pause{Tenant: tenant, Channel: ch}) }
	}
	id, lines := b.lines(2, batch.Options{})
	b.approve(id)
	ofBatch := func(paused bool) func() error {
		return func() error { return b.s.PauseBatch(ctx, tenant, id, "approver", paused) }
	}
	digital := b.routed(post.Digital)
	for _, c := range []struct {
		name       string
		one        post.LetterID
		code       string
		while      dispatch.Halt
		halt, lift []func() error // each of lift alone ends it
		other      func() error   // ends something else
	}{
		{"a channel", digital, "paused", dispatch.Halt{Tenant: tenant, Channel: post.Digital},
			[]func() error{pause(tenant, post.Digital), pause("", post.Physical)}, []func() error{resume(tenant, post.Digital)}, resume("", post.Physical)},
		{"a channel, for every municipality", digital, "paused", dispatch.Halt{Tenant: tenant, Channel: post.Digital},
			[]func() error{pause("", post.Digital), pause("fjordby", "")}, []func() error{resume("", post.Digital)}, resume("fjordby", "")},
		{"both channels, one by one, of a letter without a channel", b.accept(), "paused", dispatch.Halt{Tenant: tenant},
			[]func() error{pause(tenant, post.Digital), pause("", post.Physical)}, []func() error{resume(tenant, post.Digital), resume("", post.Physical)}, resume("fjordby", "")},
		{"both channels together", b.accept(), "paused", dispatch.Halt{Tenant: tenant},
			[]func() error{pause("", "")}, []func() error{resume("", "")}, resume("fjordby", "")},
		{"a batch", lines[0], batch.CodeHeld, dispatch.Halt{Batch: id},
			[]func() error{ofBatch(true), pause("", "")}, []func() error{ofBatch(false)}, resume("", "")},
	} {
		for _, lift := range c.lift {
			// During it: the letter sleeps until it is lifted, and only then.
			for _, do := range c.halt {
				b.must(do())
			}
			l := b.lease(c.one, time.Hour)
			r := b.read(l)
			w := dispatch.Wait{Letter: r.ID, Version: r.Version, Code: c.code, Due: future(), Road: "a road", While: c.while}
			b.must(b.s.WaitLetter(ctx, l, w))
			b.must(c.other())
			if _, ok, err := b.s.Lease(ctx, queue.AdvanceLetter, string(c.one), time.Hour); err != nil || ok {
				t.Fatalf("%s: woken by what it does not wait for: %v", c.name, err)
			}
			b.must(lift())
			// After it: nothing wakes it any more, so it does not sleep.
			l = b.lease(c.one, time.Hour)
			before := b.read(l)
			w.Failures = 7
			if err := b.s.WaitLetter(ctx, l, w); !errors.Is(err, dispatch.ErrNotHalted) || errors.Is(err, post.ErrStale) {
				t.Fatalf("%s: a wait for what was lifted was answered %v", c.name, err)
			}
			if after := b.read(l); after.Code != before.Code || after.Failures != before.Failures || after.Version != before.Version {
				t.Fatalf("%s: a refused wait left %+v of %+v", c.name, after, before)
			}
			stale := w
			stale.Version++
			b.stale(b.s.WaitLetter(ctx, l, stale))
			b.must(b.s.WaitLetter(ctx, l, dispatch.Wait{Letter: r.ID, Version: r.Version, Code: "x", Due: past()}))
			b.must(errors.Join(resume(tenant, "")(), resume("", "")(), resume("fjordby", "")()))
		}
	}
}

// routed makes a letter that was routed to ch and is held by nobody.
func (b *bench) routed(ch post.Channel) post.LetterID {
	b.Helper()
	l := b.lease(b.accept(), time.Hour)
	r := b.read(l)
	b.must(b.s.MoveLetter(b.Context(), l, to(r, post.LetterRouted, func(m *dispatch.Move) {
		m.Through = []dispatch.Passage{{State: post.LetterReady}, {State: post.LetterSigned}}
		m.Manifest, m.Channel, m.Generation, m.Free = []byte("manifest"), ch, 1, true
	})))
	return r.ID
}
