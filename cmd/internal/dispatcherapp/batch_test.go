package dispatcherapp

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// closed returns a closed batch of n letters, whose lines may be changed first.
func (h *house) closed(key string, n int, o batch.Options, changes ...func([]batch.Line)) post.BatchID {
	h.t.Helper()
	ctx := h.t.Context()
	ls := lines(n)
	for i := range ls {
		ls[i].Key = key + "-" + ls[i].Key
	}
	for _, change := range changes {
		change(ls)
	}
	v, err := h.batches.Open(ctx, "engdal", "case", key, ls, o)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range min(n, 3) {
		b := pdf(fmt.Sprint(i))
		if err := h.batches.PutDocument(ctx, "engdal", v.ID, digestOf(b), bytes.NewReader(b)); err != nil {
			h.t.Fatal(err)
		}
	}
	if v, err = h.batches.Close(ctx, "engdal", v.ID, "case"); err != nil || v.State != batch.Closed {
		h.t.Fatalf("close: %+v, %v", v, err)
	}
	return v.ID
}

func (h *house) approve(id post.BatchID) batch.View {
	h.t.Helper()
	v, err := h.batches.Approve(h.t.Context(), "engdal", id, "approver")
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) batch(id post.BatchID) batch.View {
	h.t.Helper()
	v, err := h.batches.Show(h.t.Context(), "engdal", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// letters returns the ids of a batch's letters, by line.
func (h *house) letters(id post.BatchID) []post.LetterID {
	h.t.Helper()
	vs, err := h.desk.List(h.t.Context(), letter.Filter{Batch: id, Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	ids := make([]post.LetterID, len(vs))
	for _, v := range vs {
		ids[v.Line-1] = v.ID
	}
	return ids
}

func (h *house) release() {
	h.t.Helper()
	if err := h.store.ReleaseApproved(h.t.Context(), 100, nil); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) signBatches(s dispatch.RootSigner) error {
	h.t.Helper()
	b, err := dispatch.NewBatchSigner(h.advancer(h.store), h.store, s)
	if err != nil {
		h.t.Fatal(err)
	}
	b.Signed = func() { h.signed++ }
	return b.Step(h.t.Context())
}

// counting counts the signatures that are made.
type counting struct {
	dispatch.RootSigner
	n    int
	fail error
}

func (c *counting) SignRoot(r verify.Root) ([]byte, error) {
	c.n++
	if c.fail != nil {
		return nil, c.fail
	}
	return c.RootSigner.SignRoot(r)
}

func TestOneSignatureForAWholeBatch(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.closed("b", 130, batch.Options{Policy: post.SignBatch})
	s := &counting{RootSigner: h.signer}
	if err := h.signBatches(s); err != nil || s.n != 0 {
		t.Fatalf("signed before approval: %d, %v", s.n, err)
	}
	if v := h.approve(id); v.State != batch.Approved || v.Letters[post.LetterHeld] != 130 || v.Signed {
		t.Fatalf("released before it was signed: %+v", v)
	}
	// The key's house is away: nothing is released, and the leaves stay.
	s.fail = errors.New("token removed")
	if err := h.signBatches(s); !errors.Is(err, s.fail) {
		t.Fatalf("a signature that failed: %v", err)
	}
	h.release()
	if v := h.batch(id); v.Letters[post.LetterHeld] != 130 {
		t.Fatalf("released without a root: %+v", v)
	}
	s.fail = nil
	for range 2 { // the second time there is nothing to sign
		if err := h.signBatches(s); err != nil {
			t.Fatal(err)
		}
	}
	if s.n != 2 || h.signed != 1 {
		t.Errorf("%d signatures, want the failed one and one; told %d times", s.n, h.signed)
	}
	h.release()
	if v := h.batch(id); v.State != batch.Released || v.Letters[post.LetterReady] != 130 || !v.Signed {
		t.Fatalf("%+v", v)
	}
	ids := h.letters(id)
	for _, n := range []int{0, 99, 100, 129} {
		h.advance(ids[n])
		h.want(ids[n], post.LetterHandedOver)
		b, err := h.desk.Evidence(t.Context(), "engdal", ids[n])
		if err != nil {
			t.Fatal(err)
		}
		res, err := verify.File(bytes.NewReader(b), int64(len(b)), []*x509.Certificate{h.signer.Certificate()}, bytes.NewReader(pdf(fmt.Sprint(n%3))))
		if err != nil || res.Manifest.Letter != ids[n] || res.Root == nil || res.Root.Batch != id || res.Root.Size != 130 || res.Documents[0] != verify.Matches {
			t.Errorf("line %d: %+v, %v", n+1, res.Root, err)
		}
	}
	h.conserved()
}

// crashing dies after some leaves were kept, and once after the root was
// signed and before it was kept.
type crashing struct {
	dispatch.Roots
	leaves, roots int // calls left before the crash; <0: none
}

var errCrash = errors.New("killed")

func (c *crashing) KeepLeaves(ctx context.Context, id post.BatchID, after int, l []tlog.Hash) error {
	if c.leaves == 0 {
		return errCrash
	}
	c.leaves--
	return c.Roots.KeepLeaves(ctx, id, after, l)
}

func (c *crashing) KeepRoot(ctx context.Context, id post.BatchID, b []byte) error {
	if c.roots == 0 {
		return errCrash
	}
	return c.Roots.KeepRoot(ctx, id, b)
}

func TestACrashWhileABatchIsSignedLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.closed("b", 250, batch.Options{Policy: post.SignBatch})
	h.approve(id)
	step := func(c *crashing) error {
		c.Roots = h.store
		b, err := dispatch.NewBatchSigner(h.advancer(h.store), c, h.signer)
		if err != nil {
			t.Fatal(err)
		}
		return b.Step(t.Context())
	}
	if err := step(&crashing{leaves: 1, roots: -1}); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	before, err := h.store.BatchesToSign(t.Context(), time.Now())
	if err != nil || len(before) != 1 || before[0].Leaves != 100 {
		t.Fatalf("after the first crash: %+v, %v", before, err)
	}
	if err := step(&crashing{leaves: -1, roots: 0}); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	after, err := h.store.BatchesToSign(t.Context(), time.Now().Add(time.Hour))
	if err != nil || len(after) != 1 || after[0].Leaves != 250 || !after[0].At.Equal(before[0].At) {
		t.Fatalf("after the second crash: %+v, %v; the signing time must not move", after, err)
	}
	if err := step(&crashing{leaves: -1, roots: -1}); err != nil {
		t.Fatal(err)
	}
	root, _, err := h.store.SignedBatch(t.Context(), id)
	if err != nil || root == nil {
		t.Fatal(err)
	}
	// Another dispatcher that was slower changes nothing.
	if err := h.store.KeepRoot(t.Context(), id, []byte("other")); !errors.Is(err, post.ErrStale) {
		t.Errorf("a second root: %v", err)
	}
	if err := h.store.KeepLeaves(t.Context(), id, 100, []tlog.Hash{{}}); !errors.Is(err, post.ErrStale) {
		t.Errorf("leaves again: %v", err)
	}
	h.release()
	l := h.letters(id)[200]
	h.advance(l)
	h.want(l, post.LetterHandedOver)
}

func TestALetterThatChangedAfterItsBatchWasSignedNeverLeaves(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.closed("b", 3, batch.Options{Policy: post.SignBatch})
	h.approve(id)
	if err := h.signBatches(h.signer); err != nil {
		t.Fatal(err)
	}
	h.release()
	ids := h.letters(id)
	// Somebody who can write to the database gives one letter another's recipient and content.
	if _, err := h.raw.Exec(`UPDATE letter SET content = (SELECT content FROM letter o WHERE o.id = $1) WHERE id = $2`, string(ids[1]), string(ids[0])); err != nil {
		t.Fatal(err)
	}
	h.advance(ids[0])
	h.want(ids[0], post.LetterNeedsPerson)
	// And a batch whose leaves were changed vouches for nobody.
	if _, err := h.raw.Exec(`UPDATE batch_leaf SET leaf = $1 WHERE n = 3`, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	h.advance(ids[1])
	h.want(ids[1], post.LetterNeedsPerson)
	if h.digital.calls+h.paper.calls != 0 {
		t.Error("a carrier was given something")
	}
}

func TestCanaryGoesFirstAndTheRestWaitsForASecondWord(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.closed("b", 30, batch.Options{Canary: 4})
	if v := h.approve(id); v.State != batch.Approved || v.Letters[post.LetterReady] != 4 || v.Waiting != 26 {
		t.Fatalf("%+v", v)
	}
	h.release() // the dispatcher does not go further by itself
	if v := h.batch(id); v.Letters[post.LetterReady] != 4 {
		t.Fatalf("%+v", v)
	}
	ctx := t.Context()
	if _, err := h.batches.Continue(ctx, "engdal", id, "case"); !errors.Is(err, post.FaultSecondPerson) {
		t.Errorf("the submitter continued: %v", err)
	}
	for range 2 {
		if _, err := h.batches.Continue(ctx, "engdal", id, "approver"); err != nil {
			t.Fatal(err)
		}
	}
	h.release()
	if v := h.batch(id); v.State != batch.Released || v.Letters[post.LetterReady] != 30 || v.Waiting != 0 {
		t.Fatalf("%+v", v)
	}
	if _, err := h.batches.Open(ctx, "engdal", "case", "c", lines(2), batch.Options{Canary: 3}); !errors.Is(err, post.FaultBatchPolicy) {
		t.Errorf("a canary larger than the batch: %v", err)
	}
}

func TestPausedBatchHandsNothingOverUntilItIsResumed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.closed("b", 6, batch.Options{})
	h.approve(id)
	ids := h.letters(id)
	h.advance(ids[0])
	h.want(ids[0], post.LetterHandedOver)
	ctx := t.Context()
	if v, err := h.batches.Pause(ctx, "engdal", id, "case"); err != nil || !v.Paused {
		t.Fatalf("%+v, %v", v, err)
	}
	for _, l := range ids[1:4] {
		h.advance(l)
		if v := h.want(l, post.LetterReady); v.Code != batch.CodeHeld {
			t.Errorf("reason %q", v.Code)
		}
	}
	if h.digital.calls != 1 {
		t.Fatalf("%d hand-overs while paused", h.digital.calls)
	}
	if v, err := h.batches.Resume(ctx, "engdal", id, "case"); err != nil || v.Paused {
		t.Fatalf("%+v, %v", v, err)
	}
	for _, l := range ids[1:4] { // due at once, with no waiting for the minute
		h.advance(l)
		h.want(l, post.LetterHandedOver)
	}
	h.conserved()
}

func TestStopCancelsWhatItCanAndSaysWhatItCannot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.closed("b", 250, batch.Options{})
	h.approve(id)
	ids := h.letters(id)
	h.advance(ids[0])
	h.want(ids[0], post.LetterHandedOver)
	h.digital.answer = func(int, dispatch.Job) dispatch.Verdict { return dispatch.Unknown }
	h.advance(ids[1])
	h.want(ids[1], post.LetterOutcomeUnknown)
	v, err := h.batches.Stop(t.Context(), "engdal", id, "case")
	if err != nil || v.State != batch.Stopping || v.Letters[post.LetterCancelled] != 248 ||
		v.Letters[post.LetterHandedOver] != 1 || v.Letters[post.LetterOutcomeUnknown] != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	calls := h.digital.calls
	for _, l := range ids[2:5] {
		h.later()
		h.advance(l)
		h.want(l, post.LetterCancelled)
	}
	if h.digital.calls != calls {
		t.Error("a stopped letter was handed over")
	}
	h.conserved()
	// The unclear one turns out not to have been taken: then it is stopped too.
	h.digital.answer = func(int, dispatch.Job) dispatch.Verdict { return dispatch.NotTaken }
	h.later()
	h.advance(ids[1])
	h.release()
	v = h.batch(id)
	if v.State != batch.Stopped && v.Letters[post.LetterOutcomeUnknown]+v.Letters[post.LetterNotTaken] == 0 {
		t.Errorf("nothing is open, and yet: %+v", v)
	}
	if _, err := h.batches.Approve(t.Context(), "engdal", id, "approver"); !errors.Is(err, post.FaultBatchState) {
		t.Errorf("a stopped batch was approved: %v", err)
	}
	if _, err := h.batches.Stop(t.Context(), "engdal", id, "case"); err != nil {
		t.Errorf("stopped again: %v", err)
	}
}

func TestPartsComeInAnyOrderAndTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	all := lines(2300)
	v, err := h.batches.Announce(ctx, "engdal", "case", "big", 2300, batch.Options{})
	if err != nil || v.State != batch.Receiving {
		t.Fatalf("%+v, %v", v, err)
	}
	part := func(n int) []batch.Line { return all[(n-1)*1000 : min(n*1000, 2300)] }
	put := func(n int, want bool) {
		t.Helper()
		repeated, err := h.batches.PutLines(ctx, "engdal", v.ID, n, part(n))
		if err != nil || repeated != want {
			t.Fatalf("part %d: %t, %v", n, repeated, err)
		}
	}
	put(3, false)
	put(1, false)
	put(3, true)
	for name, c := range map[string]struct {
		n     int
		lines []batch.Line
		fault *post.Fault
	}{
		"a part with too few lines":  {2, all[:10], post.FaultBatchPart},
		"a part beyond the end":      {4, all[:300], post.FaultBatchPart},
		"part zero":                  {0, all[:1000], post.FaultBatchPart},
		"the same part, other lines": {3, all[1500:1800], post.FaultBatchPartChanged},
		"keys of another part":       {2, all[:1000], post.FaultLineKeyTwice},
	} {
		if _, err := h.batches.PutLines(ctx, "engdal", v.ID, c.n, c.lines); !errors.Is(err, c.fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.batches.PutLines(ctx, "engdal", v.ID, 2, all[:1000]); !strings.Contains(fmt.Sprint(err), "lines 17 and 1017") {
		t.Error("the two lines with one key are not named")
	}
	if _, err := h.batches.Close(ctx, "engdal", v.ID, "case"); !errors.Is(err, post.FaultBatchState) {
		t.Errorf("closed with a part missing: %v", err)
	}
	again, err := h.batches.Announce(ctx, "engdal", "case", "big", 2300, batch.Options{})
	if err != nil || !again.Repeated || again.ID != v.ID || fmt.Sprint(again.Parts) != "[1 3]" {
		t.Errorf("announced again: %+v, %v", again, err)
	}
	if _, err := h.batches.Announce(ctx, "engdal", "case", "big", 2301, batch.Options{}); !errors.Is(err, post.FaultBatchKeyUsed) {
		t.Errorf("same key, another number: %v", err)
	}
	put(2, false)
	put(2, true)
	if v = h.batch(v.ID); v.State != batch.Open || v.Received != 2300 || len(v.Missing) != 3 {
		t.Errorf("all parts are here: %s, %d lines", v.State, v.Received)
	}
}

func TestUrgentLettersOvertakeWhateverWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.closed("month-end", 120, batch.Options{}))
	id := h.closed("breach", 3, batch.Options{Urgent: true})
	h.approve(id)
	urgent := map[string]bool{}
	for _, l := range h.letters(id) {
		urgent[string(l)] = true
	}
	rings, err := h.store.Due(t.Context(), queue.AdvanceLetter, 3, 0)
	if err != nil || len(rings) != 3 {
		t.Fatal(rings, err)
	}
	for _, r := range rings {
		if !urgent[r.ID] {
			t.Errorf("the sweeper rang for %s before the urgent ones", r.ID)
		}
	}
	leases, err := h.store.LeaseDue(t.Context(), queue.Claim{Kind: queue.AdvanceLetter, N: 4, For: time.Minute})
	if err != nil || len(leases) != 4 {
		t.Fatal(leases, err)
	}
	for i, l := range leases {
		if urgent[l.ID] != (i < 3) {
			t.Errorf("a worker took %s as number %d", l.ID, i+1)
		}
	}
}
