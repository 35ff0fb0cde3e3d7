package dispatcherapp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

func TestReachablePersonGetsItDigitally(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.submit("k1")
	h.advance(id)
	v := h.want(id, post.LetterHandedOver)
	if v.Channel != post.Digital || v.Generation != 1 || v.MessageID != post.DerivedID(id, post.Digital, 1) || v.Transmission == "" {
		t.Errorf("view = %+v", v)
	}
	at := time.Now().UTC().Truncate(time.Second)
	h.receive(track.Receipt{EventID: "e1", MessageID: v.MessageID, Kind: track.Delivered, At: at})
	if v = h.want(id, post.LetterDelivered); !v.AvailableAt.Equal(at) {
		t.Errorf("available at %s, want %s", v.AvailableAt, at)
	}
	h.conserved()
}

func TestExemptPersonGetsPaper(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir.answer = reach(dispatch.Unreachable, "EXEMPT")
	id := h.submit("k1")
	h.advance(id)
	v := h.want(id, post.LetterHandedOver)
	if v.Channel != post.Physical || h.digital.calls != 0 {
		t.Errorf("channel %s, digital calls %d", v.Channel, h.digital.calls)
	}
	h.receive(track.Receipt{EventID: "p1", MessageID: v.MessageID, Kind: track.Posted, At: time.Now(), Tracking: "00370000"},
		track.Receipt{EventID: "p0", MessageID: v.MessageID, Kind: track.Printing, At: time.Now()}) // out of order
	if v = h.want(id, post.LetterPosted); v.Tracking != "00370000" {
		t.Errorf("tracking = %q", v.Tracking)
	}
	h.receive(track.Receipt{EventID: "p2", MessageID: v.MessageID, Kind: track.Returned, At: time.Now(), Code: "moved"})
	h.want(id, post.LetterReturned)
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: id, Actor: "approver", Decision: letter.Reissue}); err != nil {
		t.Fatal(err)
	}
	h.advance(id)
	if v = h.want(id, post.LetterHandedOver); v.Generation != 2 || h.paper.count(id) != 2 {
		t.Errorf("generation %d, printed %d", v.Generation, h.paper.count(id))
	}
	h.conserved()
}

func TestUnsureLookUpWaitsAndThenAsksAPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir.answer = reach(dispatch.Unsure, "UNKNOWN")
	id := h.submit("k1")
	for range 3 {
		h.advance(id)
		if v := h.want(id, post.LetterAwaitingLookup); v.Code != "lookup: UNKNOWN" {
			t.Errorf("code = %q", v.Code)
		}
		h.later()
	}
	h.budget = time.Nanosecond
	h.advance(id)
	h.want(id, post.LetterNeedsPerson)
	if h.digital.calls+h.paper.calls != 0 {
		t.Error("something left the house")
	}
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Letter: id, Actor: "op", Decision: letter.Print}); err != nil {
		t.Fatal(err)
	}
	h.advance(id)
	if v := h.want(id, post.LetterHandedOver); v.Channel != post.Physical {
		t.Errorf("channel = %s", v.Channel)
	}
}

func TestPaperWithoutAddressAsksAPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir.answer = reach(dispatch.Unreachable, "EXEMPT")
	s := submission("k1")
	s.Recipient.Address = nil
	r, err := h.desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	h.advance(r.ID)
	if v := h.want(r.ID, post.LetterNeedsPerson); v.Code != "no-address" {
		t.Errorf("code = %q", v.Code)
	}
}

func TestLostAnswerIsResolvedByTheSameIDs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.digital.loseAt = func(call int) bool { return call <= 3 }
	h.dir.answer = reach(dispatch.Reachable, "")
	id := h.submit("k1")
	for range 3 {
		h.advance(id)
		h.want(id, post.LetterOutcomeUnknown)
		h.dir.answer = reach(dispatch.Unreachable, "EXEMPT") // the person opts out meanwhile
		h.later()
	}
	h.advance(id)
	h.want(id, post.LetterHandedOver)
	if h.digital.count(id) != 1 || h.paper.calls != 0 {
		t.Errorf("digital %d, paper calls %d", h.digital.count(id), h.paper.calls)
	}
	h.conserved()
}

func TestDoubtStaysWhenALaterAttemptIsRefusedOrNotTaken(t *testing.T) {
	t.Parallel()
	for _, later := range []dispatch.Verdict{dispatch.NotTaken, dispatch.RefusedRecipient} {
		t.Run(string(later), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.digital.loseAt = func(int) bool { return true }
			h.digital.answer = func(call int, _ dispatch.Job) dispatch.Verdict {
				if call > 1 {
					return later
				}
				return dispatch.Taken
			}
			id := h.submit("k1")
			for range 10 {
				h.advance(id)
				h.later()
			}
			h.want(id, post.LetterNeedsPerson)
			if h.paper.calls != 0 || h.digital.count(id) != 1 {
				t.Errorf("paper calls %d, digital %d", h.paper.calls, h.digital.count(id))
			}
			if later == dispatch.NotTaken {
				_, err := h.desk.Decide(t.Context(), letter.Decided{Letter: id, Actor: "op", Decision: letter.Print})
				if !errors.Is(err, post.FaultMayBeDelivered) {
					t.Errorf("print: %v", err)
				}
			}
			// The business receipt ends the doubt, even from a person's desk.
			h.receive(track.Receipt{EventID: "late", MessageID: post.DerivedID(id, post.Digital, 1), Kind: track.Delivered, At: time.Now()})
			h.want(id, post.LetterDelivered)
			h.conserved()
		})
	}
}

func TestNotTakenIsSentAgainUnderTheSameID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.digital.answer = func(call int, _ dispatch.Job) dispatch.Verdict {
		if call <= 2 {
			return dispatch.NotTaken
		}
		return dispatch.Taken
	}
	id := h.submit("k1")
	for range 2 {
		h.advance(id)
		h.want(id, post.LetterNotTaken)
		h.later()
	}
	h.advance(id)
	h.want(id, post.LetterHandedOver)
	if h.digital.count(id) != 1 {
		t.Errorf("deliveries = %d", h.digital.count(id))
	}
}

func TestDefiniteRefusalGoesToPaper(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.digital.answer = func(int, dispatch.Job) dispatch.Verdict { return dispatch.RefusedRecipient }
	id := h.submit("k1")
	h.advance(id)
	if v := h.want(id, post.LetterHandedOver); v.Channel != post.Physical {
		t.Errorf("channel = %s", v.Channel)
	}
	if h.digital.count(id) != 0 || h.paper.count(id) != 1 {
		t.Errorf("digital %d, paper %d", h.digital.count(id), h.paper.count(id))
	}
}

func TestRefusalByReceiptGoesToPaperAndALateDeliveryIsParked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.submit("k1")
	h.advance(id)
	msg := h.want(id, post.LetterHandedOver).MessageID
	h.receive(track.Receipt{EventID: "r", MessageID: msg, Kind: track.RefusedRecipient, At: time.Now(), Code: "exempt.not.allowed"})
	h.want(id, post.LetterRefused)
	h.advance(id)
	h.want(id, post.LetterHandedOver)
	h.receive(track.Receipt{EventID: "d", MessageID: msg, Kind: track.Delivered, At: time.Now()})
	if v := h.want(id, post.LetterHandedOver); v.Channel != post.Physical {
		t.Errorf("channel = %s", v.Channel)
	}
	var verdict, reason string
	if err := h.raw.QueryRow(`SELECT verdict, reason FROM receipt WHERE event_id = 'd'`).Scan(&verdict, &reason); err != nil || verdict != "parked" {
		t.Errorf("verdict %q (%s), err %v", verdict, reason, err)
	}
	h.conserved()
}

func TestReceiptsDuplicatedUnknownAndContradictoryMoveNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.submit("k1")
	h.advance(id)
	msg := h.want(id, post.LetterHandedOver).MessageID
	d := track.Receipt{EventID: "d", MessageID: msg, Kind: track.Delivered, At: time.Now()}
	h.receive(d)
	h.receive(d, track.Receipt{EventID: "d2", MessageID: msg, Kind: track.Delivered, At: time.Now()})
	h.receive(track.Receipt{EventID: "x", MessageID: post.NewID(), Kind: track.Delivered, At: time.Now()},
		track.Receipt{EventID: "c", MessageID: msg, Kind: track.RefusedRecipient, At: time.Now()},
		track.Receipt{EventID: "u", Kind: track.Unreadable, Raw: []byte("?")})
	h.want(id, post.LetterDelivered)
	want := map[string]string{"d": "applied", "d2": "noted", "x": "parked", "c": "parked", "u": "parked"}
	for event, verdict := range want {
		var got string
		if err := h.raw.QueryRow(`SELECT verdict FROM receipt WHERE event_id = $1`, event).Scan(&got); err != nil || got != verdict {
			t.Errorf("receipt %s is %q (%v), want %s", event, got, err, verdict)
		}
	}
	if h.paper.calls != 0 {
		t.Error("a contradiction reached paper")
	}
}

func TestChangedFormNeverLeaves(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	n := 0
	h.digital.answer = func(int, dispatch.Job) dispatch.Verdict { return dispatch.NotTaken }
	id := h.submit("k1")
	h.advance(id)
	h.want(id, post.LetterNotTaken)
	h.digital.answer = nil
	h.digital.renderer = func(dispatch.Job) string { n++; return "other" }
	h.later()
	calls := h.digital.calls
	h.advance(id)
	if v := h.want(id, post.LetterNeedsPerson); v.Code != "form-changed" || h.digital.calls != calls {
		t.Errorf("code %q, calls %d", v.Code, h.digital.calls)
	}
}

func TestTamperedLetterNeverLeaves(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]string{
		"recipient of another letter": `UPDATE letter SET recipient = (SELECT recipient FROM letter WHERE business <> (SELECT business FROM letter WHERE id = $1) LIMIT 1) WHERE id = $1`,
		"documents swapped":           `UPDATE letter_document SET header = (SELECT header FROM letter_document o WHERE o.letter = $1 AND o.n = 3 - letter_document.n), blob = (SELECT blob FROM letter_document o WHERE o.letter = $1 AND o.n = 3 - letter_document.n) WHERE letter = $1`,
		"manifest of another letter":  `UPDATE letter SET manifest = (SELECT manifest FROM letter WHERE id <> $1) WHERE id = $1`,
		"size":                        `UPDATE letter_document SET clear_size = clear_size + 1 WHERE letter = $1 AND n = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			s := submission("other")
			s.Recipient = recipient("poul")
			other, err := h.desk.Submit(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			h.dir.answer = reach(dispatch.Unsure, "later")
			id := h.submit("k1")
			h.advance(id)
			h.advance(other.ID)
			if _, err := h.raw.Exec(tamper, string(id)); err != nil {
				t.Fatal(err)
			}
			h.dir.answer = reach(dispatch.Reachable, "")
			h.later()
			h.advance(id)
			if v := h.want(id, post.LetterNeedsPerson); v.Code != "not-proven" {
				t.Errorf("code = %q", v.Code)
			}
			if h.digital.calls != 0 {
				t.Error("a tampered letter left the house")
			}
		})
	}
}

func TestTwoAdvancersDeliverOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.submit("k1")
	var wg sync.WaitGroup
	for range 8 {
		a := h.advancer(h.store)
		wg.Go(func() {
			if err := a.Advance(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	h.want(id, post.LetterHandedOver)
	if h.digital.calls != 1 {
		t.Errorf("hand-overs = %d", h.digital.calls)
	}
}

func TestStaleFenceIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.submit("k1")
	old, ok, err := h.store.Lease(t.Context(), queue.AdvanceLetter, string(id), time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	r, err := h.store.LetterForStep(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	h.later()
	if _, ok, err = h.store.Lease(t.Context(), queue.AdvanceLetter, string(id), time.Minute); err != nil || !ok {
		t.Fatal(ok, err)
	}
	err = h.store.MoveLetter(t.Context(), old, dispatch.Move{Letter: id, From: r.State, Version: r.Version, To: post.LetterReady, Due: time.Now()})
	if !errors.Is(err, post.ErrStale) {
		t.Errorf("move under an old fence: %v", err)
	}
	if _, err := h.store.LetterForStep(t.Context(), old); !errors.Is(err, post.ErrStale) {
		t.Errorf("read under an old fence: %v", err)
	}
}

// dying is a process that dies at its n-th call to the store, before or after
// the commit; from then on it can do nothing.
type dying struct {
	dispatch.Store
	left  int
	after bool
	dead  bool
}

var errDead = errors.New("process died")

func (d *dying) call(f func() error) error {
	if d.dead {
		return errDead
	}
	d.left--
	if d.left > 0 {
		return f()
	}
	d.dead = true
	if d.after {
		if err := f(); err != nil {
			return err
		}
	}
	return errDead
}

func (d *dying) Lease(ctx context.Context, k queue.Kind, id string, t time.Duration) (l queue.Lease, ok bool, err error) {
	err = d.call(func() (err error) { l, ok, err = d.Store.Lease(ctx, k, id, t); return err })
	return l, ok, err
}

func (d *dying) LetterForStep(ctx context.Context, l queue.Lease) (r dispatch.Record, err error) {
	err = d.call(func() (err error) { r, err = d.Store.LetterForStep(ctx, l); return err })
	return r, err
}

func (d *dying) MoveLetter(ctx context.Context, l queue.Lease, m dispatch.Move) error {
	return d.call(func() error { return d.Store.MoveLetter(ctx, l, m) })
}

func (d *dying) WaitLetter(ctx context.Context, l queue.Lease, w dispatch.Wait) error {
	return d.call(func() error { return d.Store.WaitLetter(ctx, l, w) })
}

func TestCrashAtEveryStepDeliversOnce(t *testing.T) {
	t.Parallel()
	roads := map[string]func(h *house){
		"digital": func(*house) {},
		"paper":   func(h *house) { h.dir.answer = reach(dispatch.Unreachable, "EXEMPT") },
		"answer lost": func(h *house) {
			h.digital.loseAt = func(call int) bool { return call == 1 }
		},
		"not taken first": func(h *house) {
			h.digital.answer = func(call int, _ dispatch.Job) dispatch.Verdict {
				if call == 1 {
					return dispatch.NotTaken
				}
				return dispatch.Taken
			}
		},
	}
	for name, set := range roads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			points := 0
			for n := 1; ; n++ {
				reached := false
				for _, after := range []bool{false, true} {
					h.digital, h.paper = newCarrier(post.Digital), newCarrier(post.Physical)
					h.dir.answer = reach(dispatch.Reachable, "")
					set(h)
					id := h.submit(fmt.Sprintf("%d-%v", n, after))
					d := &dying{Store: h.store, left: n, after: after}
					for range 4 { // the dying process, as far as it comes
						_ = h.advancer(d).Advance(t.Context(), id)
						h.later()
					}
					reached = reached || d.dead
					points++
					for range 6 { // whoever comes after
						h.advance(id)
						h.later()
					}
					h.want(id, post.LetterHandedOver)
					if sum := h.digital.count(id) + h.paper.count(id); sum != 1 {
						t.Fatalf("crash at call %d (after commit: %v): %d deliveries", n, after, sum)
					}
				}
				if !reached {
					break
				}
			}
			t.Logf("%d crash points", points)
			h.conserved()
		})
	}
}
