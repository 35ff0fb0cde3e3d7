package suite

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

func aKeyNamesOneLetter(t *testing.T, b *bench) {
	a := accepted(post.NewID(), "k", post.NewReference())
	if _, err := b.s.LetterByKey(t.Context(), tenant, a.Key); !errors.Is(err, post.ErrNotFound) {
		t.Fatalf("before: %v", err)
	}
	if f, fresh, err := b.s.AcceptLetter(t.Context(), a); err != nil || !fresh || f.ID != a.ID || f.State != post.LetterAccepted {
		t.Fatalf("first: %+v, %v, %v", f, fresh, err)
	}
	again := accepted(post.NewID(), "k", post.NewReference())
	f, fresh, err := b.s.AcceptLetter(t.Context(), again)
	if err != nil || fresh || f.ID != a.ID || string(f.Digest) != string(a.Digest) {
		t.Fatalf("again: %+v, %v, %v", f, fresh, err)
	}
	if _, err := b.s.LetterView(t.Context(), "", again.ID); !errors.Is(err, post.ErrNotFound) {
		t.Fatalf("the second letter exists: %v", err)
	}
	b.noLease(again.ID)
	other := accepted(post.NewID(), "k", post.NewReference())
	other.Tenant = "another"
	if _, fresh, err := b.s.AcceptLetter(t.Context(), other); err != nil || !fresh {
		t.Fatalf("the same key of another tenant: %v, %v", fresh, err)
	}
}

func oneLeaseAtATime(t *testing.T, b *bench) {
	id := b.accept()
	first := b.lease(id, time.Hour)
	b.noLease(id)
	b.must(b.s.WaitLetter(t.Context(), first, dispatch.Wait{Letter: id, Due: past()}))
	second := b.lease(id, -time.Second) // runs out at once
	if third := b.lease(id, time.Hour); second.Fence <= first.Fence || third.Fence <= second.Fence {
		t.Fatalf("fences %d, %d, %d do not grow", first.Fence, second.Fence, third.Fence)
	}
	b.noLease(id)
	b.noLease(post.LetterID(post.NewID()))
}

func aFormerHolderChangesNothing(t *testing.T, b *bench) {
	id := b.accept()
	old := b.lease(id, -time.Second)
	r := b.read(old) // run out, but nobody took over: the token counts
	l := b.lease(id, time.Hour)
	_, err := b.s.LetterForStep(t.Context(), old)
	b.stale(err)
	b.stale(b.s.MoveLetter(t.Context(), old, to(r, post.LetterReady)))
	b.stale(b.s.WaitLetter(t.Context(), old, dispatch.Wait{Letter: id, Version: r.Version, Code: "x", Due: future()}))
	if got := b.read(l); got.State != post.LetterAccepted || got.Version != r.Version || got.Code != "" {
		t.Fatalf("changed: %+v", got)
	}
	b.noLease(id) // still held by l
}

func aFenceIsNeverGivenTwice(t *testing.T, b *bench) {
	old, r := b.handingOver(post.Digital)
	b.must(b.s.MoveLetter(t.Context(), old, to(r, post.LetterNeedsPerson, func(m *dispatch.Move) { m.Due = time.Time{} })))
	if _, err := b.s.DecideLetter(t.Context(), letter.Decided{Letter: r.ID, Actor: "person", Decision: letter.Retry}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l := b.lease(r.ID, -time.Second)
		if l.Fence <= old.Fence {
			t.Fatalf("fence %d was given again after the job had ended and come back: its former holder would pass for the new one", l.Fence)
		}
	}
}

func aStaleMoveChangesNothing(t *testing.T, b *bench) {
	l := b.lease(b.accept(), time.Hour)
	r := b.read(l)
	wrong := to(r, post.LetterReady)
	wrong.From = post.LetterSigned
	b.stale(b.s.MoveLetter(t.Context(), l, wrong))
	wrong = to(r, post.LetterReady)
	wrong.Version++
	b.stale(b.s.MoveLetter(t.Context(), l, wrong))
	b.stale(b.s.WaitLetter(t.Context(), l, dispatch.Wait{Letter: r.ID, Version: r.Version + 1, Code: "x"}))
	if got := b.view(r.ID); got.State != post.LetterAccepted || len(got.Events) != 1 {
		t.Fatalf("changed: %+v", got)
	}
	if got := b.move(l, post.LetterReady); got.State != post.LetterReady || got.Version != r.Version+1 {
		t.Fatalf("moved to %s version %d", got.State, got.Version)
	}
}

func aMoveKeepsItsJob(t *testing.T, b *bench) {
	id := b.accept()
	l := b.lease(id, time.Hour)
	b.move(l, post.LetterReady)
	b.noLease(id) // not freed
	b.must(b.s.MoveLetter(t.Context(), l, to(b.read(l), post.LetterSigned, func(m *dispatch.Move) { m.Free = true })))
	l = b.lease(id, time.Hour)
	b.must(b.s.MoveLetter(t.Context(), l, to(b.read(l), post.LetterAwaitingLookup, func(m *dispatch.Move) { m.Free, m.Due = true, future() })))
	b.noLease(id) // free, not due
	l, r := b.handingOver(post.Digital)
	b.must(b.s.MoveLetter(t.Context(), l, to(r, post.LetterNeedsPerson, func(m *dispatch.Move) { m.Due = time.Time{} })))
	b.noLease(r.ID)
	_, err := b.s.LetterForStep(t.Context(), l)
	b.stale(err)
}

func anIntentIsKept(t *testing.T, b *bench) {
	l, r := b.handingOver(post.Digital)
	want := *intent(to(r, ""), 1)
	if r.Intent == nil || *r.Intent != want {
		t.Fatalf("intent %+v, want %+v", r.Intent, want)
	}
	again := func(change func(*dispatch.Intent)) error {
		b.Helper()
		in := *intent(to(r, ""), 2)
		change(&in)
		return b.s.MoveLetter(t.Context(), l, to(b.read(l), post.LetterHandingOver, func(m *dispatch.Move) { m.Intent, m.MessageID = &in, in.MessageID }))
	}
	b.stale(again(func(in *dispatch.Intent) { in.Attempts = 1 }))
	b.stale(again(func(in *dispatch.Intent) { in.SHA256 = sha256.Sum256([]byte("other")) }))
	b.stale(again(func(in *dispatch.Intent) { in.Carrier = post.DigitalPost })) // it would be a second letter
	if err := again(func(in *dispatch.Intent) { in.MessageID = post.NewID() }); err == nil {
		t.Fatal("a second message id for the same hand-over was kept")
	}
	b.must(again(func(in *dispatch.Intent) { in.CreatedAt = time.Unix(1, 0); in.Size = 99 }))
	if st := b.standing(aReceipt(r, "e", track.Received)); st.By != want.Carrier {
		t.Fatalf("a receipt is about a hand-over to %q", st.By)
	}
	want.Attempts = 2 // the rest stays as first committed
	if got := b.read(l); *got.Intent != want {
		t.Fatalf("intent %+v, want %+v", got.Intent, want)
	}
	b.stale(b.s.MoveLetter(t.Context(), l, to(b.read(l), post.LetterHandedOver, func(m *dispatch.Move) {
		m.Answer, m.MessageID = &dispatch.Outcome{Verdict: dispatch.Taken, At: past()}, post.NewID()
	})))
}

func doubtStays(t *testing.T, b *bench) {
	l, r := b.handingOver(post.Digital)
	b.move(l, post.LetterOutcomeUnknown, func(m *dispatch.Move) { m.MessageID, m.Unsure = r.Intent.MessageID, true })
	got := b.move(l, post.LetterNotTaken, func(m *dispatch.Move) {
		m.MessageID, m.Answer = r.Intent.MessageID, &dispatch.Outcome{Verdict: dispatch.NotTaken, At: past()}
	})
	if !got.Intent.Unsure {
		t.Fatal("doubt went away by a later answer")
	}
	_ = b.move(l, post.LetterHandingOver, func(m *dispatch.Move) { m.Intent, m.MessageID = intent(*m, 2), r.Intent.MessageID })
	if got = b.read(l); !got.Intent.Unsure || got.Intent.Attempts != 2 {
		t.Fatalf("after the next intent: %+v", got.Intent)
	}
}

func waitingChangesTheCode(t *testing.T, b *bench) {
	id := b.accept()
	l := b.lease(id, time.Hour)
	r := b.read(l)
	b.must(b.s.WaitLetter(t.Context(), l, dispatch.Wait{Letter: id, Version: r.Version, Code: "lookup", Failures: 3, Due: past()}))
	l = b.lease(id, time.Hour)
	got := b.read(l)
	if got.Code != "lookup" || got.Failures != 3 || got.Version != r.Version || got.State != r.State {
		t.Fatalf("%+v", got)
	}
	b.must(b.s.WaitLetter(t.Context(), l, dispatch.Wait{Letter: id})) // zero due: where it was
	l = b.lease(id, time.Hour)
	if got = b.read(l); got.Code != "lookup" {
		t.Fatalf("a wait without version changed the code to %q", got.Code)
	}
	if got = b.move(l, post.LetterReady); got.Failures != 0 || got.Code != "" {
		t.Fatalf("a move keeps failures %d, code %q", got.Failures, got.Code)
	}
}

func aDueJobRingsOnce(t *testing.T, b *bench) {
	id := b.accept()
	one := fmt.Sprint([]queue.Ring{{Kind: queue.AdvanceLetter, ID: string(id), Attempt: 1}})
	if got := b.rings(time.Hour); got != one {
		t.Fatalf("%s, want %s", got, one)
	}
	if got := b.rings(time.Hour); got != "[]" {
		t.Fatalf("in the quiet time: %s", got)
	}
	l := b.lease(id, time.Hour)
	if got := b.rings(-time.Second); got != "[]" {
		t.Fatalf("while held: %s", got)
	}
	b.must(b.s.WaitLetter(t.Context(), l, dispatch.Wait{Letter: id, Due: future()}))
	if got := b.rings(-time.Second); got != "[]" {
		t.Fatalf("before it is due: %s", got)
	}
	id = b.accept()
	b.lease(id, -time.Second)
	if got, want := b.rings(time.Hour), fmt.Sprint([]queue.Ring{{Kind: queue.AdvanceLetter, ID: string(id), Attempt: 1}}); got != want {
		t.Fatalf("after the lease ran out: %s, want %s", got, want)
	}
}

func manyAreLeasedAtOnce(t *testing.T, b *bench) {
	var ids []post.LetterID
	for range 5 {
		ids = append(ids, b.accept())
		time.Sleep(time.Millisecond) // due one after the other
	}
	hurried := accepted(post.NewID(), post.NewID(), post.NewReference())
	hurried.Urgent = true
	_, _, err := b.s.AcceptLetter(t.Context(), hurried)
	b.must(err)
	waits := b.accept()
	b.must(b.s.WaitLetter(t.Context(), b.lease(waits, time.Hour), dispatch.Wait{Letter: waits, Due: future()}))
	held := b.lease(ids[1], time.Hour)
	lost := b.lease(ids[2], -time.Second) // its holder died
	take := func(prefer post.LetterID, n int, want ...post.LetterID) []queue.Lease {
		b.Helper()
		ls, err := b.s.LeaseDue(t.Context(), queue.Claim{Kind: queue.AdvanceLetter, Prefer: string(prefer), N: n, For: time.Hour})
		b.must(err)
		var got []post.LetterID
		for _, l := range ls {
			got = append(got, post.LetterID(l.ID))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			b.Fatalf("leased %v, want %v", got, want)
		}
		return ls
	}
	if n, err := b.s.Backlog(t.Context(), queue.AdvanceLetter, 3); err != nil || n != 3 {
		b.Fatalf("backlog %d, %v", n, err)
	}
	if n, err := b.s.Backlog(t.Context(), queue.AdvanceLetter, 100); err != nil || n != 5 {
		b.Fatalf("backlog %d, %v", n, err)
	}
	if ls, err := b.s.LeaseDue(t.Context(), queue.Claim{Kind: queue.ForwardInquiry, N: 9, For: time.Hour}); err != nil || len(ls) != 0 {
		b.Fatalf("of another kind: %v, %v", ls, err)
	}
	first := take(ids[4], 3, ids[4], hurried.ID, ids[0])
	take(waits, 1) // not due, and its place is no other's
	last := take(ids[1], 9, ids[2], ids[3])
	take("", 9)
	if last[0].Fence <= lost.Fence {
		b.Fatalf("fence %d after %d", last[0].Fence, lost.Fence)
	}
	b.stale(b.s.WaitLetter(t.Context(), lost, dispatch.Wait{Letter: ids[2], Due: future()}))
	for _, l := range append(first, held, last[1]) {
		b.move(l, post.LetterReady)
		b.noLease(post.LetterID(l.ID))
	}
}

func aReceiptIsKeptOnce(t *testing.T, b *bench) {
	_, r := b.handingOver(post.Digital)
	first, same := aReceipt(r, "e1", track.Received), aReceipt(r, "e1", track.Delivered)
	b.keep(first, same)
	b.keep(same)
	time.Sleep(2 * time.Millisecond)
	b.keep(aReceipt(r, "e0", track.Delivered))
	got := b.waiting()
	if len(got) != 2 || got[0].EventID != "e1" || got[0].Kind != track.Received || !got[0].At.Equal(first.At) || got[1].EventID != "e0" {
		t.Fatalf("waiting: %+v", got)
	}
	s := track.Settlement{Receipt: got[0], Standing: b.standing(first), Verdict: track.Noted}
	b.settle(s)
	s.Path = []post.LetterState{post.LetterHandedOver}
	b.settle(s) // settled already: nothing
	b.keep(first)
	if got := b.waiting(); len(got) != 1 || b.view(r.ID).State != post.LetterHandingOver {
		t.Fatalf("waiting: %+v, letter %s", got, b.view(r.ID).State)
	}
}

func receiptsWaitInTheCarriersOrder(t *testing.T, b *bench) {
	_, r := b.handingOver(post.Digital)
	for i, event := range []string{"third", "first", "second"} {
		in := aReceipt(r, event, track.Received)
		in.At = in.At.Add([]time.Duration{time.Second, -time.Hour, 0}[i])
		b.keep(in)
		time.Sleep(time.Millisecond)
	}
	var got []string
	for _, in := range b.waiting() {
		got = append(got, in.EventID)
	}
	if want := "[first second third]"; fmt.Sprint(got) != want {
		t.Fatalf("waiting %v, want %s", got, want)
	}
}

func aReceiptWalksItsPath(t *testing.T, b *bench) {
	l, r := b.handingOver(post.Physical)
	in := aReceipt(r, "e", track.Posted)
	in.Tracking, in.Code = "0037", "sorted"
	b.keep(in)
	st := b.standing(in)
	if st.Letter != r.ID || st.Tenant != tenant || st.State != post.LetterHandingOver || st.Version != r.Version || !st.Present || st.On != post.Physical || st.Refused {
		t.Fatalf("standing: %+v", st)
	}
	s := track.Settlement{Receipt: in, Standing: st, Verdict: track.Applied, Path: []post.LetterState{post.LetterHandedOver, post.LetterPosted}}
	s.Standing.Version++
	if stale, err := b.s.SettleReceipts(t.Context(), []track.Settlement{s}); err != nil || len(stale) != 1 || stale[0].Receipt.EventID != in.EventID {
		t.Fatalf("stale: %+v, %v", stale, err)
	}
	if v := b.view(r.ID); len(b.waiting()) != 1 || v.State != post.LetterHandingOver || v.Tracking != "" {
		t.Fatalf("a stale settlement changed something: %+v", v)
	}
	s.Standing.Version--
	b.settle(s)
	v := b.view(r.ID)
	if v.State != post.LetterPosted || v.Tracking != "0037" || v.Code != "sorted" || len(b.waiting()) != 0 {
		t.Fatalf("after: %+v", v)
	}
	if got := b.read(l); got.Version != r.Version+2 { // watched on: the job stands
		t.Fatalf("version %d, want %d", got.Version, r.Version+2)
	}
	b.stale(b.s.MoveLetter(t.Context(), l, to(r, post.LetterOutcomeUnknown)))
	doubted := aReceipt(r, "d", track.Posted) // of another carrier, say
	doubted.Tracking = "0038"
	b.keep(doubted)
	b.settle(track.Settlement{Receipt: doubted, Standing: b.standing(doubted), Verdict: track.Parked, Reason: "wrong-carrier"})
	if v := b.view(r.ID); v.Tracking != "0037" {
		t.Fatalf("a receipt that is not believed gave the letter its tracking number: %s", v.Tracking)
	}
	back := aReceipt(r, "r", track.Returned)
	b.keep(back)
	b.settle(track.Settlement{Receipt: back, Standing: b.standing(back), Verdict: track.Applied, Path: []post.LetterState{post.LetterReturned}})
	_, err := b.s.LetterForStep(t.Context(), l)
	b.stale(err) // a person's turn: no job
	for _, ids := range [][]string{nil, {post.NewID()}} {
		if all, err := b.s.ReceiptStandings(t.Context(), ids); err != nil || len(all) != 0 {
			t.Fatalf("standing of nothing: %v, %v", all, err)
		}
	}
}

func anEarlyReceiptIsMatchedAgain(t *testing.T, b *bench) {
	l := b.lease(b.accept(), time.Hour)
	r := b.move(l, post.LetterRouted, func(m *dispatch.Move) { m.Channel, m.Generation = post.Digital, 1 })
	early := aReceipt(r, "e", track.Delivered)
	b.keep(early)
	b.settle(track.Settlement{Receipt: early, Verdict: track.Parked, Reason: "unknown-hand-over"})
	if len(b.waiting()) != 0 {
		t.Fatal("parked, and waits")
	}
	b.move(l, post.LetterHandingOver, func(m *dispatch.Move) { m.Intent = intent(*m, 1); m.MessageID = m.Intent.MessageID })
	if len(b.waiting()) != 1 {
		t.Fatal("not matched again")
	}
}

func aRefusalEndsDoubt(t *testing.T, b *bench) {
	l, r := b.handingOver(post.Digital)
	b.move(l, post.LetterOutcomeUnknown, func(m *dispatch.Move) { m.MessageID, m.Unsure = r.Intent.MessageID, true })
	no := aReceipt(r, "e", track.RefusedRecipient)
	b.keep(no)
	st := b.standing(no)
	b.settle(track.Settlement{Receipt: no, Standing: st, Verdict: track.Applied, Due: true,
		Path: []post.LetterState{post.LetterHandedOver, post.LetterRefused}})
	if st = b.standing(no); !st.Refused || st.State != post.LetterRefused {
		t.Fatalf("standing: %+v", st)
	}
	if got := b.read(l); got.Intent.Unsure {
		t.Fatal("still in doubt")
	}
}

func anotherTenantsLetterIsNotFound(t *testing.T, b *bench) {
	id := b.accept()
	if _, err := b.s.LetterView(t.Context(), "another", id); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("view: %v", err)
	}
	if _, err := b.s.LetterProof(t.Context(), "another", id); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("proof: %v", err)
	}
	if _, err := b.s.DecideLetter(t.Context(), letter.Decided{Tenant: "another", Letter: id, Decision: letter.Cancel}); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("decide: %v", err)
	}
	if vs, err := b.s.LetterList(t.Context(), letter.Filter{Tenant: "another"}); err != nil || len(vs) != 0 {
		t.Errorf("list: %v, %v", vs, err)
	}
	if b.view(id).State != post.LetterAccepted {
		t.Error("changed")
	}
}

func aDecisionMovesTheLetter(t *testing.T, b *bench) {
	l, r := b.handingOver(post.Digital)
	decide := func(d letter.Decision) error {
		_, err := b.s.DecideLetter(t.Context(), letter.Decided{Tenant: tenant, Letter: r.ID, Actor: "person", Decision: d})
		return err
	}
	if err := decide(letter.Cancel); !errors.Is(err, post.FaultLetterState) {
		t.Fatalf("cancel while handing over: %v", err)
	}
	b.move(l, post.LetterNotTaken, func(m *dispatch.Move) {
		m.MessageID, m.Unsure, m.Answer = r.Intent.MessageID, true, &dispatch.Outcome{Verdict: dispatch.NotTaken, At: past()}
	})
	if err := decide(letter.Cancel); !errors.Is(err, post.FaultMayBeDelivered) {
		t.Fatalf("cancel in doubt: %v", err)
	}
	b.must(b.s.MoveLetter(t.Context(), l, to(b.read(l), post.LetterNeedsPerson, func(m *dispatch.Move) { m.Due = time.Time{} })))
	if err := decide(letter.Print); !errors.Is(err, post.FaultMayBeDelivered) {
		t.Fatalf("print in doubt: %v", err)
	}
	b.must(decide(letter.Retry))
	if v := b.view(r.ID); v.State != post.LetterRouted || v.MessageID != r.Intent.MessageID {
		t.Fatalf("after retry: %+v", v)
	}
	b.lease(r.ID, time.Hour) // due at once
	b.stale(b.s.MoveLetter(t.Context(), l, to(r, post.LetterOutcomeUnknown)))
}

func eachMoveHasItsEntry(t *testing.T, b *bench) {
	_, r := b.handingOver(post.Digital)
	b.accept()
	v := b.view(r.ID)
	var kinds []string
	for _, e := range v.Events {
		kinds = append(kinds, e.Kind+" "+e.Outcome)
	}
	want := "[letter.accepted accepted letter.ready  letter.signed  letter.routed digital/1 letter.handing-over digital/1]"
	if got := fmt.Sprint(kinds); got != want {
		t.Errorf("entries %s, want %s", got, want)
	}
	cs, err := b.s.LetterCounts(t.Context(), tenant)
	b.must(err)
	if len(cs) != 1 || cs[0].Accepted != 2 || cs[0].Sum() != 2 || cs[0].States[post.LetterHandingOver] != 1 {
		t.Errorf("counts: %+v", cs)
	}
}
