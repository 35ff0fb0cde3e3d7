package suite

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

func theSparedAreCounted(t *testing.T, b *bench) {
	l, r := b.handingOver(post.Digital)
	for i, c := range []struct {
		spare bool
		want  int
	}{{true, 1}, {false, 1}, {true, 2}} {
		b.move(l, post.LetterOutcomeUnknown, func(m *dispatch.Move) { m.MessageID, m.Unsure, m.Spare = r.Intent.MessageID, true, c.spare })
		got := b.move(l, post.LetterHandingOver, func(m *dispatch.Move) { m.Intent, m.MessageID = intent(*m, i+2), r.Intent.MessageID })
		if got.Intent.Spared != c.want || got.Intent.Attempts != i+2 {
			t.Fatalf("attempt %d: %+v", i+1, got.Intent)
		}
	}
}

// begin commits the intent of a letter that stands before its hand-over.
func (b *bench) begin(l queue.Lease, ch post.Channel) error {
	b.Helper()
	r := b.read(l)
	attempts := 1
	if r.Intent != nil {
		attempts = r.Intent.Attempts + 1
	}
	return b.s.MoveLetter(b.Context(), l, to(r, post.LetterHandingOver, func(m *dispatch.Move) {
		if r.State == post.LetterReady {
			m.Through = []dispatch.Passage{{State: post.LetterSigned}, {State: post.LetterRouted, Channel: ch, Generation: 1}}
			m.Manifest = []byte("manifest")
		}
		m.Channel, m.Generation = ch, 1
		m.Intent = intent(*m, attempts)
		m.MessageID = m.Intent.MessageID
	}))
}

// turned wants the intent to be refused and nothing to be left of it.
func (b *bench) turned(l queue.Lease, ch post.Channel, want error) {
	b.Helper()
	before, seen := b.read(l), fmt.Sprint(b.view(post.LetterID(l.ID)))
	if err := b.begin(l, ch); !errors.Is(err, want) || errors.Is(err, post.ErrStale) {
		b.Fatalf("the intent was answered %v, want %v", err, want)
	}
	after := b.read(l)
	if after.State != before.State || after.Version != before.Version || (after.Intent == nil) != (before.Intent == nil) || fmt.Sprint(b.view(post.LetterID(l.ID))) != seen {
		b.Fatalf("a refused intent left %+v of %+v", after, before)
	}
	if before.Intent != nil && *after.Intent != *before.Intent {
		b.Fatalf("a refused intent left %+v of %+v", after.Intent, before.Intent)
	}
	b.must(b.s.WaitLetter(b.Context(), l, dispatch.Wait{Letter: after.ID, Version: after.Version, Code: after.Code, Due: past()})) // it waits, under its lease
}

func noIntentOnAPausedChannel(t *testing.T, b *bench) {
	ready := func() queue.Lease {
		l := b.lease(b.accept(), time.Hour)
		b.move(l, post.LetterReady)
		return l
	}
	ctx := t.Context()
	for _, p := range []letter.Pause{{}, {Tenant: tenant}, {Channel: post.Digital}, {Tenant: tenant, Channel: post.Digital}} {
		l := ready()
		b.must(b.s.PauseChannel(ctx, p))
		b.turned(l, post.Digital, dispatch.ErrRoadHalted)
		l = b.lease(post.LetterID(l.ID), time.Hour)
		if p.Channel == post.Digital {
			b.must(b.begin(ready(), post.Physical))
		} else {
			b.turned(ready(), post.Physical, dispatch.ErrRoadHalted)
		}
		b.must(b.s.ResumeChannel(ctx, p))
		b.must(b.begin(l, post.Digital))
	}
	b.must(b.s.PauseChannel(ctx, letter.Pause{Tenant: "fjordby"}))
	b.must(b.begin(ready(), post.Digital))

	l, r := b.handingOver(post.Digital) // an answer is recorded all the same, a repetition waits
	b.must(b.s.PauseChannel(ctx, letter.Pause{}))
	b.move(l, post.LetterNotTaken, func(m *dispatch.Move) {
		m.MessageID, m.Answer = r.Intent.MessageID, &dispatch.Outcome{Verdict: dispatch.NotTaken, At: past()}
	})
	b.turned(l, post.Digital, dispatch.ErrRoadHalted)
}

// lines makes a closed batch.
func (b *bench) lines(n int, o batch.Options) (post.BatchID, []post.LetterID) {
	b.Helper()
	ctx := b.Context()
	document := strings.Repeat("ab", 32)
	sum := sha256.Sum256([]byte("sealed"))
	in := batch.Opened{Options: o, ID: post.BatchID(post.NewID()), Tenant: tenant, Client: "case-system", Key: []byte(post.NewID()), Digest: sum[:], Count: n}
	if in.Policy == "" {
		in.Policy = post.SignEach
	}
	var ids []post.LetterID
	for i := range n {
		ids = append(ids, post.LetterID(post.NewID()))
		in.Lines = append(in.Lines, batch.SealedLine{N: i + 1, Letter: ids[i], Reference: post.NewReference(), Key: []byte(post.NewID()), Digest: sum[:],
			Document: document, Recipient: []byte("sealed recipient"), Content: []byte("sealed content")})
	}
	_, err := b.s.OpenBatch(ctx, in)
	b.must(err)
	b.must(b.s.PutBatchDocuments(ctx, tenant, in.ID, []batch.KeptDocument{{SHA256: document,
		Sealed: letter.Sealed{Object: seal.Object{Header: []byte("header"), Blob: "blob", SHA256: sum[:], Size: 12}, Clear: 10}}}))
	if left, err := b.s.CloseBatch(ctx, tenant, in.ID, 100); err != nil || left != 0 {
		b.Fatal(left, err)
	}
	return in.ID, ids
}

func (b *bench) approve(id post.BatchID) {
	b.Helper()
	if left, err := b.s.ApproveBatch(b.Context(), tenant, id, "approver", 100); err != nil || left != 0 {
		b.Fatal(left, err)
	}
}

func noIntentOfAHaltedBatch(t *testing.T, b *bench) {
	ctx := t.Context()
	id, letters := b.lines(4, batch.Options{})
	b.approve(id)
	leases := make([]queue.Lease, len(letters))
	for i, one := range letters {
		leases[i] = b.lease(one, time.Hour)
		if r := b.read(leases[i]); !r.Released || r.Stopped || r.Batch != id || r.Line != i+1 || r.Policy != post.SignEach || r.State != post.LetterReady {
			t.Fatalf("line %d: %+v", i+1, r)
		}
	}
	b.must(b.begin(leases[0], post.Digital))
	unsure := b.move(leases[0], post.LetterOutcomeUnknown, func(m *dispatch.Move) {
		m.MessageID, m.Unsure = post.DerivedID(letters[0], post.Digital, 1), true
	})
	b.must(b.s.PauseBatch(ctx, tenant, id, "approver", true))
	for i, l := range leases[:2] { // nor is one sent again
		b.turned(l, post.Digital, dispatch.ErrBatchHalted)
		leases[i] = b.lease(post.LetterID(l.ID), time.Hour)
		if r := b.read(leases[i]); r.Released || r.Stopped {
			t.Fatalf("of a paused batch: %+v", r)
		}
	}
	b.must(b.s.PauseBatch(ctx, tenant, id, "approver", false))
	b.must(b.begin(leases[1], post.Digital))

	// Letters that a stop has not come to yet are halted by it.
	b.must(b.s.PauseBatch(ctx, tenant, id, "approver", true))
	if left, err := b.s.StopBatch(ctx, tenant, id, "approver", 1); err != nil || left != 3 {
		t.Fatal(left, err)
	}
	if v, err := b.s.BatchView(ctx, tenant, id); err != nil || v.Paused {
		t.Fatalf("a stopped batch is shown as paused: %+v, %v", v, err)
	}
	b.turned(leases[3], post.Digital, dispatch.ErrBatchHalted)
	b.turned(leases[0], post.Digital, dispatch.ErrBatchHalted)
	leases[0] = b.lease(letters[0], time.Hour)
	if r := b.read(leases[0]); r.Released || !r.Stopped || !r.Intent.Unsure || r.Version != unsure.Version {
		t.Fatalf("of a stopped batch: %+v", r)
	}
	if st := b.view(letters[2]).State; st != post.LetterCancelled {
		t.Fatalf("line 3 is %s", st)
	}
	b.stale(b.begin2(leases[2])) // and what it has cancelled is stale
}

// begin2 commits an intent of a letter that its holder believes to be ready.
func (b *bench) begin2(l queue.Lease) error {
	r := dispatch.Record{ID: post.LetterID(l.ID), Tenant: tenant, State: post.LetterReady, Version: 2}
	return b.s.MoveLetter(b.Context(), l, to(r, post.LetterHandingOver, func(m *dispatch.Move) {
		m.Channel, m.Generation = post.Digital, 1
		m.Intent = intent(*m, 1)
		m.MessageID = m.Intent.MessageID
	}))
}

func aStopCancelsWhatNobodyHas(t *testing.T, b *bench) {
	ctx := t.Context()
	id, letters := b.lines(4, batch.Options{})
	b.approve(id)
	leases := make([]queue.Lease, len(letters))
	for i, one := range letters {
		leases[i] = b.lease(one, time.Hour)
	}
	b.must(b.begin(leases[0], post.Digital)) // under way
	b.must(b.begin(leases[1], post.Digital)) // unclear, and then a person let it be sent again
	unsure := func(m *dispatch.Move) { m.MessageID, m.Unsure = post.DerivedID(m.Letter, post.Digital, 1), true }
	b.move(leases[1], post.LetterOutcomeUnknown, unsure)
	b.move(leases[1], post.LetterNeedsPerson)
	if st, err := b.s.DecideLetter(ctx, letter.Decided{Letter: letters[1], Actor: "person", Decision: letter.Retry}); err != nil || st != post.LetterRouted {
		t.Fatal(st, err)
	}
	if left, err := b.s.StopBatch(ctx, tenant, id, "approver", 100); err != nil || left != 2 {
		t.Fatalf("%d left, %v", left, err)
	}
	want := []post.LetterState{post.LetterHandingOver, post.LetterRouted, post.LetterCancelled, post.LetterCancelled}
	var got []post.LetterState
	for _, one := range letters {
		got = append(got, b.view(one).State)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	v, err := b.s.BatchView(ctx, tenant, id)
	b.must(err)
	if v.State != batch.Stopping || v.UnderWay() != 1 || v.Letters[post.LetterCancelled] != 2 {
		t.Fatalf("%+v", v)
	}
	b.move(leases[1], post.LetterNeedsPerson)
	for _, d := range []letter.Decision{letter.Retry, letter.Print, letter.Reissue} {
		if _, err := b.s.DecideLetter(ctx, letter.Decided{Letter: letters[1], Actor: "person", Decision: d}); !errors.Is(err, post.FaultBatchStopped) {
			t.Errorf("%s of a letter whose batch was stopped: %v", d, err)
		}
	}
	if st, err := b.s.DecideLetter(ctx, letter.Decided{Letter: letters[1], Actor: "person", Decision: letter.Close}); err != nil || st != post.LetterClosed {
		t.Fatal(st, err)
	}
	b.move(leases[0], post.LetterHandedOver, func(m *dispatch.Move) {
		m.MessageID, m.Answer = post.DerivedID(letters[0], post.Digital, 1), &dispatch.Outcome{Verdict: dispatch.Taken, At: past()}
	})
	if left, err := b.s.StopBatch(ctx, tenant, id, "", 100); err != nil || left != 0 {
		t.Fatalf("%d left, %v", left, err)
	}
	if v, err := b.s.BatchView(ctx, tenant, id); err != nil || v.State != batch.Stopped {
		t.Fatalf("%+v, %v", v, err)
	}
}

func aCanaryGoesAlone(t *testing.T, b *bench) {
	ctx := t.Context()
	id, _ := b.lines(5, batch.Options{Canary: 2})
	stand := func(held, ready, waiting int, st batch.State) {
		t.Helper()
		v, err := b.s.BatchView(ctx, tenant, id)
		b.must(err)
		if v.Letters[post.LetterHeld] != held || v.Letters[post.LetterReady] != ready || v.Waiting != waiting || v.State != st {
			t.Fatalf("%+v", v)
		}
	}
	stand(5, 0, 0, batch.Closed)
	if _, err := b.s.ApproveBatch(ctx, tenant, id, "case-system", 100); !errors.Is(err, post.FaultSecondPerson) {
		t.Fatal(err)
	}
	b.approve(id)
	b.approve(id) // again: no more go
	stand(3, 2, 3, batch.Approved)
	b.must(b.s.PauseBatch(ctx, tenant, id, "approver", true))
	b.must(b.s.ContinueBatch(ctx, tenant, id, "approver"))
	b.approve(id)
	stand(3, 2, 0, batch.Approved)
	b.must(b.s.PauseBatch(ctx, tenant, id, "approver", false))
	b.approve(id)
	stand(0, 5, 0, batch.Released)
}
