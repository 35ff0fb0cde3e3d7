package dispatcherapp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/cprregister"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/adapters/printhouse/printhousetest"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

func (p *paper) submitTo(key string, address ...string) letter.Receipt {
	p.t.Helper()
	s := submission(key)
	s.Recipient.Address = address
	r, err := p.desk.Submit(p.t.Context(), s)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *paper) comesBack(code string) (track.CameBack, error) {
	return p.mail.Enter(p.t.Context(), track.Return{Tenant: "engdal", Actor: "mail-room", Code: code, Reason: "moved"})
}

// TestALateWordOfAFormerSendingMovesNothing: the first envelope lies in the town
// hall before the print house says that it was posted. Whatever is said of it
// while the second is on its way is written down and changes nothing.
func TestALateWordOfAFormerSendingMovesNothing(t *testing.T) {
	p := newPaper(t)
	p.lives(cprregister.StatusActive, "Nye Vej 2", "2690 Engdal")
	r := p.submitTo("late", "Møllestien 12", "2690 Engdal")
	first, second := post.DerivedID(r.ID, post.Physical, 1), post.DerivedID(r.ID, post.Physical, 2)
	p.step(r.ID)
	p.receipts()
	p.want(r.ID, post.LetterPrinting)
	if _, err := p.comesBack(r.Reference); err != nil {
		t.Fatal(err)
	}
	p.decide(r.ID, letter.Reissue)
	stands := p.show(r.ID).State
	p.happens(first, printhouse.EventPosted) // late, before the second hand-over
	if v := p.want(r.ID, stands); v.Generation != 2 || v.Tracking != "" {
		t.Fatalf("generation %d bears %q", v.Generation, v.Tracking)
	}
	p.step(r.ID)
	p.receipts()
	p.want(r.ID, post.LetterPrinting)
	p.happens(second, printhouse.EventPosted)
	tracking := p.want(r.ID, post.LetterPosted).Tracking
	p.happens(first, printhouse.EventReturned) // the carrier's own word of what the mail room has entered
	if v := p.want(r.ID, post.LetterPosted); v.Tracking != tracking || tracking == "" {
		t.Fatalf("tracking %q, then %q", tracking, v.Tracking)
	}

	// By hand: a reference that may mean both is asked back, each by its number.
	for code, want := range map[string]error{
		r.Reference: post.FaultReturnWhich, r.Reference + "/3": post.FaultReturnUnknown, slip(r.Reference): post.FaultReturnCode,
	} {
		if got, err := p.comesBack(code); !errors.Is(err, want) {
			t.Errorf("%s: got %+v, %v; want %v", code, got, err, want)
		}
	}
	for _, code := range []string{r.Reference + "/1", first} {
		if got, err := p.comesBack(code); err != nil || !got.Repeated || got.Generation != 1 {
			t.Errorf("%s: got %+v, %v", code, got, err)
		}
	}
	for _, code := range []string{r.Reference + "/2", second, tracking} {
		if _, err := p.mail.Enter(t.Context(), track.Return{Tenant: "fjordby", Actor: "mail-room", Code: code, Reason: "moved"}); !errors.Is(err, post.FaultReturnUnknown) {
			t.Errorf("another municipality: %v", err)
		}
	}
	p.want(r.ID, post.LetterPosted)
	if got, err := p.comesBack(strings.ToLower(r.Reference) + " / 2"); err != nil || got.Generation != 2 || got.State != post.LetterReturned {
		t.Errorf("the second: got %+v, %v", got, err)
	}
	p.want(r.ID, post.LetterReturned)
	p.conserved()
}

// slip is a reference with another last character.
func slip(reference string) string {
	last := "0"
	if strings.HasSuffix(reference, last) {
		last = "1"
	}
	return reference[:len(reference)-1] + last
}

// TestAProofOfAFormerSendingStopsNothingAndCallsSomebody: the envelope that came
// back was delivered after all, or the letter comes twice.
func TestAProofOfAFormerSendingStopsNothingAndCallsSomebody(t *testing.T) {
	p := newPaper(t)
	p.lives(cprregister.StatusActive, "Nye Vej 2", "2690 Engdal")
	r := p.submitTo("proof", "Møllestien 12", "2690 Engdal")
	first := post.DerivedID(r.ID, post.Physical, 1)
	p.step(r.ID)
	p.receipts()
	p.happens(first, printhouse.EventPosted)
	if _, err := p.comesBack(r.Reference); err != nil {
		t.Fatal(err)
	}
	p.decide(r.ID, letter.Reissue)
	p.step(r.ID)
	p.receipts()
	p.want(r.ID, post.LetterPrinting)
	p.happens(first, printhouse.EventProven)
	p.want(r.ID, post.LetterPrinting)
	if !strings.Contains(p.log.String(), "delivered-on-former-hand-over") {
		t.Error("nobody is told")
	}
	if n := len(p.parkedRaw()); n != 1 {
		t.Errorf("%d receipts wait for a person", n)
	}
	p.conserved()
}

// dispatcher is a second process with a connection of its own.
func (p *paper) dispatcher(road dispatch.Channel, log *slog.Logger) *dispatch.Advancer {
	p.t.Helper()
	a, err := dispatch.New(dispatch.Config{Store: p.store, Blobs: p.blobs, Opener: unseal.Opener{p.identity}, Signer: p.signer,
		Certs: []*x509.Certificate{p.signer.Certificate()}, Directory: p.dir, Roots: p.store, Tenants: p.tenants,
		Roads: dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: p.digital, post.Physical: road}),
		Log:   log, Quiet: time.Millisecond, Backoff: time.Millisecond, LookupBudget: p.budget,
		Seal: func(_ context.Context, clear []byte) ([]byte, error) { return seal.Small(clear, p.to) }})
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// TestTwoDispatchersPublishOneJobWhileTheDoorDies: one hangs at each step of the
// upload, over a connection that dies in the end; its lease runs out, and another
// takes the letter. The print house finds one job, whole, and nothing else to
// print.
func TestTwoDispatchersPublishOneJobWhileTheDoorDies(t *testing.T) {
	for _, f := range []printhousetest.Fault{
		{Step: "Put", Hang: true}, {Step: "Write", Hang: true}, {Step: "Link", Hang: true}, {Step: "Link", Hang: true, Done: true}, {Step: "Remove", Hang: true},
	} {
		t.Run(fmt.Sprintf("%s, done %t", f.Step, f.Done), func(t *testing.T) {
			p := newPaper(t)
			r := p.submitTo("two", "Møllestien 12", "2690 Engdal")
			quiet := slog.New(slog.DiscardHandler)
			p.later()
			p.door.Break(f)
			var first sync.WaitGroup
			first.Go(func() { // what it is told by its fence at the end is its own affair
				_ = p.dispatcher(p.road, quiet).Advance(context.Background(), r.ID)
			})
			for p.door.Calls(f.Step) == 0 {
				time.Sleep(time.Millisecond)
			}
			other := p.another()
			for n := 0; p.show(r.ID).State != post.LetterHandedOver; n++ {
				if n == 8 {
					t.Fatalf("still %s", p.show(r.ID).State)
				}
				p.later()
				if err := p.dispatcher(other, quiet).Advance(t.Context(), r.ID); err != nil {
					t.Fatal(err)
				}
			}
			p.door.Cut()
			first.Wait()
			p.want(r.ID, post.LetterHandedOver)
			if jobs, err := p.print.Step(t.Context()); err != nil || jobs != 1 {
				t.Errorf("%d jobs, %v", jobs, err)
			}
			p.match()
			v := p.want(r.ID, post.LetterPrinting)
			if v.Generation != 1 || len(p.print.Jobs()) != 1 {
				t.Errorf("generation %d, %d jobs", v.Generation, len(p.print.Jobs()))
			}
			p.conserved()
		})
	}
}
