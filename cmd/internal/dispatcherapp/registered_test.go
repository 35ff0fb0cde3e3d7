package dispatcherapp

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/blobstore"
	"sikkerpost.dk/gateway/adapters/printhouse"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// declare says whether the carrier of the first tenant's paper offers registered
// post, to the dispatcher and to a desk of its own.
func (h *house) declare(offers bool) *letter.Desk {
	h.t.Helper()
	h.tenants[0].Registered = offers
	desk, err := letter.New(letter.Config{Store: h.store, Records: h.store, Blobs: h.blobs, Dispatcher: h.to, IndexKey: h.index,
		Tenants: h.tenants, Bell: bell{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
	return desk
}

func asRegistered(key string) letter.Submission {
	s := submission(key)
	s.Registered = true
	s.Recipient.Address = []string{"Møllestien 12", "2690 Engdal"}
	return s
}

// submitRegistered sends a registered letter by a desk.
func submitRegistered(t *testing.T, d *letter.Desk, key string) letter.Receipt {
	t.Helper()
	r, err := d.Submit(t.Context(), asRegistered(key))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARegisteredLetterIsRefusedWhereNobodyDeclaresItAndLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := t.TempDir()
	blobs, err := blobstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	h.blobs = blobs
	if _, err := h.declare(false).Submit(t.Context(), asRegistered("k1")); !errors.Is(err, post.FaultRegistered) {
		t.Fatalf("got %v", err)
	}
	for _, table := range []string{"letter", "letter_document", "job", "ledger_event"} {
		var n int
		if err := h.raw.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows in %s, %v", n, table, err)
		}
	}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			t.Errorf("%s was left behind", filepath.Base(name))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestTheWishIsPartOfTheLetterAndAKnownLetterStaysKnown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := submitRegistered(t, h.declare(true), "k1")
	if !h.show(r.ID).Registered {
		t.Error("the view does not say that it is registered")
	}
	// The declaration is gone: whoever asks again gets the answer all the same.
	desk := h.declare(false)
	if again, err := desk.Submit(t.Context(), asRegistered("k1")); err != nil || !again.Repeated || again.ID != r.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	s := asRegistered("k1")
	s.Registered = false
	if _, err := desk.Submit(t.Context(), s); !errors.Is(err, post.FaultLetterKeyUsed) {
		t.Errorf("the same key without the wish: %v", err)
	}
}

// TestARegisteredLetterIsPrintedAsOneAndWaitsForItsProof goes through the print
// house's folders: the ticket says how it is posted, and no quiet time stands in
// for the proof.
func TestARegisteredLetterIsPrintedAsOneAndWaitsForItsProof(t *testing.T) {
	p := newPaper(t)
	p.lives("active", "Møllestien 12", "2690 Engdal")
	p.tenants[0].Times = post.LetterTimes{Silence: 5, Presume: 8}
	desk := p.declare(true)
	asked := submitRegistered(t, desk, "k1").ID
	s := asRegistered("k2")
	s.Registered = false
	got, err := desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	plain := got.ID
	for id, want := range map[post.LetterID]bool{asked: true, plain: false} {
		p.step(id)
		p.receipts()
		job := post.DerivedID(id, post.Physical, 1)
		j, err := p.print.Job(job)
		if err != nil || j.Ticket.Registered != want {
			t.Fatalf("ticket says %t, want %t; %v", j.Ticket.Registered, want, err)
		}
		p.happens(job, printhouse.EventPosted)
		p.want(id, post.LetterPosted)
	}
	later := time.Now().AddDate(1, 0, 0)
	p.advanceAt(plain, later)
	p.want(plain, post.LetterPresumed)
	if log := p.advanceAt(asked, later); !strings.Contains(log, "receipt overdue") {
		t.Errorf("a year of silence about a registered letter: %s", log)
	}
	p.want(asked, post.LetterPosted)
	p.happens(post.DerivedID(asked, post.Physical, 1), printhouse.EventProven)
	p.want(asked, post.LetterProven)
	p.conserved()
}

func TestADeclarationThatIsGoneAsksAPersonBeforeAnythingLeaves(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir = directory{reach(dispatch.Unreachable, "EXEMPT")}
	id := submitRegistered(t, h.declare(true), "k1").ID
	h.declare(false)
	h.advance(id)
	if v := h.want(id, post.LetterNeedsPerson); v.Code != "registered-undeclared" || h.paper.count(id) != 0 {
		t.Fatalf("code %q, printed %d times", v.Code, h.paper.count(id))
	}
	desk := h.declare(true)
	if _, err := desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: id, Actor: "approver", Decision: letter.Retry}); err != nil {
		t.Fatal(err)
	}
	h.advance(id)
	h.want(id, post.LetterHandedOver)
	h.conserved()
}

// TestACommittedRegisteredHandOverIsRepeatedAsItWas: its form is fixed, so a
// declaration that goes meanwhile changes nothing of it.
func TestACommittedRegisteredHandOverIsRepeatedAsItWas(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir = directory{reach(dispatch.Unreachable, "EXEMPT")}
	h.paper.answer = func(n int, _ dispatch.Job) dispatch.Verdict {
		if n == 1 {
			return dispatch.Unknown
		}
		return dispatch.Taken
	}
	id := submitRegistered(t, h.declare(true), "k1").ID
	h.advance(id)
	h.want(id, post.LetterOutcomeUnknown)
	h.declare(false)
	h.advance(id)
	h.want(id, post.LetterHandedOver)
	h.conserved()
}

func TestARegisteredLetterThatDigitalPostTakesGoesThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := submitRegistered(t, h.declare(true), "k1").ID
	h.declare(false) // of no matter: nothing is printed
	h.advance(id)
	v := h.want(id, post.LetterHandedOver)
	if v.Channel != post.Digital || h.paper.count(id) != 0 {
		t.Errorf("channel %s, printed %d times", v.Channel, h.paper.count(id))
	}
	h.receive(track.Receipt{EventID: "e1", MessageID: v.MessageID, Kind: track.Delivered, At: time.Now()})
	h.want(id, post.LetterDelivered)
	h.conserved()
}

// TestARegisteredLineOfABatchIsPrintedAsOne goes the whole way, from the lines to
// the print house's folder and the evidence, under one signature for all.
func TestARegisteredLineOfABatchIsPrintedAsOne(t *testing.T) {
	p := newPaper(t)
	p.tenants[0].Times = post.LetterTimes{Silence: 5, Presume: 8}
	p.declare(true)
	var err error
	p.batches, err = batch.New(batch.Config{Store: p.store, PutDataKey: p.store.PutDataKey, Blobs: p.blobs, Dispatcher: p.to,
		IndexKey: p.index, Tenants: p.tenants, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	id := p.closed("b", 2, batch.Options{Policy: post.SignBatch}, func(ls []batch.Line) {
		ls[1].Registered = true
		for i := range ls {
			ls[i].Recipient.Address = []string{"Møllestien 12", "2690 Engdal"}
		}
	})
	p.approve(id)
	if err := p.signBatches(p.signer); err != nil {
		t.Fatal(err)
	}
	p.release()
	p.lives("active", "Møllestien 12", "2690 Engdal")
	for i, one := range p.letters(id) {
		want := i == 1
		p.step(one)
		p.receipts()
		job := post.DerivedID(one, post.Physical, 1)
		j, err := p.print.Job(job)
		if err != nil || j.Ticket.Registered != want {
			t.Fatalf("line %d: the ticket says %t, want %t; %v", i+1, j.Ticket.Registered, want, err)
		}
		p.happens(job, printhouse.EventPosted)
		b, err := p.desk.Evidence(t.Context(), "engdal", one)
		if err != nil {
			t.Fatal(err)
		}
		if says := entry(t, b, "META-INF/letter.json"); strings.Contains(says, `"registered":true`) != want {
			t.Errorf("line %d: the evidence says %s", i+1, says)
		}
		p.advanceAt(one, time.Now().AddDate(1, 0, 0))
		p.want(one, map[bool]post.LetterState{true: post.LetterPosted, false: post.LetterPresumed}[want])
	}
	p.conserved()
}

// entry reads one file of an evidence file.
func entry(t *testing.T, evidence []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(evidence), int64(len(evidence)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := fs.ReadFile(z, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
