package dispatcherapp

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/forward"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

func TestSameKeyAndContentIsTheFirstLetter(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.submit("k1")
	r, err := h.desk.Submit(t.Context(), submission("k1"))
	if err != nil || !r.Repeated || r.ID != id {
		t.Errorf("again: %+v, %v", r, err)
	}
	s := submission("k1")
	s.Title = "Noget andet"
	if _, err = h.desk.Submit(t.Context(), s); !errors.Is(err, post.FaultLetterKeyUsed) || !strings.Contains(err.Error(), string(id)) {
		t.Errorf("other content: %v", err)
	}
	s = submission("k1")
	s.Tenant = "fjordby"
	if r, err = h.desk.Submit(t.Context(), s); err != nil || r.Repeated {
		t.Errorf("another tenant's key: %+v, %v", r, err)
	}
	h.conserved()
}

func TestBadSubmissionsLeaveNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	big := append(pdf("big"), make([]byte, letter.MaxDocument)...)
	for name, c := range map[string]struct {
		change func(*letter.Submission)
		want   *post.Fault
	}{
		"unknown tenant":         {func(s *letter.Submission) { s.Tenant = "nowhere" }, post.FaultTenant},
		"no title":               {func(s *letter.Submission) { s.Title = " " }, post.FaultLetterTitle},
		"title of 257 runes":     {func(s *letter.Submission) { s.Title = strings.Repeat("å", 257) }, post.FaultLetterTitle},
		"line break in title":    {func(s *letter.Submission) { s.Title = "a\nb" }, post.FaultLetterTitle},
		"no key":                 {func(s *letter.Submission) { s.BusinessKey = "" }, post.FaultLetterKey},
		"no recipient":           {func(s *letter.Submission) { s.Recipient = nil }, post.FaultLetterRecipient},
		"recipient and inquiry":  {func(s *letter.Submission) { s.Inquiry = "x" }, post.FaultLetterRecipient},
		"bad CPR":                {func(s *letter.Submission) { s.Recipient.ID = "9999999999" }, post.FaultCPR},
		"no documents":           {func(s *letter.Submission) { s.Documents = nil }, post.FaultLetterDocuments},
		"twelve documents":       {func(s *letter.Submission) { s.Documents = make([]letter.Document, 12) }, post.FaultLetterDocuments},
		"path in file name":      {func(s *letter.Submission) { s.Documents[0].Filename = "../a.pdf" }, post.FaultDocumentName},
		"not a PDF":              {func(s *letter.Submission) { s.Documents[0] = document("a.pdf", []byte("<html>")) }, post.FaultNotPDF},
		"a PDF in name only":     {func(s *letter.Submission) { s.Documents[0] = document("a.pdf", []byte("%PDF-1.4\nnothing")) }, post.FaultNotPDF},
		"too large":              {func(s *letter.Submission) { s.Documents[0] = document("a.pdf", big) }, post.FaultDocumentSize},
		"another media type":     {func(s *letter.Submission) { s.Documents[0].MediaType = "text/html" }, post.FaultDocumentType},
		"date beyond a year":     {func(s *letter.Submission) { s.NotBefore = time.Now().AddDate(2, 0, 0) }, post.FaultNotBefore},
		"address of eight lines": {func(s *letter.Submission) { s.Recipient.Address = make([]string, 8) }, post.FaultAddressLines},
	} {
		s := submission("bad")
		c.change(&s)
		if _, err := h.desk.Submit(t.Context(), s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want.Code)
		}
	}
	n := 0
	s := submission("changing")
	s.Documents[0].Open = func() (io.ReadCloser, error) {
		n++
		return io.NopCloser(bytes.NewReader(pdf(fmt.Sprint(n)))), nil
	}
	if _, err := h.desk.Submit(t.Context(), s); !errors.Is(err, post.FaultDocumentChanged) {
		t.Errorf("document that changes: %v", err)
	}
	if vs, err := h.desk.List(t.Context(), letter.Filter{}); err != nil || len(vs) != 0 {
		t.Errorf("letters left behind: %v, %v", vs, err)
	}
}

func TestNotBeforeHoldsTheLetter(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := submission("k1")
	s.NotBefore = time.Now().Add(time.Hour)
	r, err := h.desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	h.advance(r.ID)
	h.later()
	h.advance(r.ID)
	h.want(r.ID, post.LetterHeld)
	if _, err := h.raw.Exec(`UPDATE letter SET not_before = 1`); err != nil {
		t.Fatal(err)
	}
	h.later()
	h.advance(r.ID)
	h.want(r.ID, post.LetterHandedOver)
}

func TestCancelOnlyBeforeHandOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	early, late := h.submit("early"), h.submit("late")
	if s, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: early, Actor: "case", Decision: letter.Cancel}); err != nil || s != post.LetterCancelled {
		t.Errorf("early: %s, %v", s, err)
	}
	h.advance(early)
	h.want(early, post.LetterCancelled)
	h.advance(late)
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: late, Actor: "case", Decision: letter.Cancel}); !errors.Is(err, post.FaultLetterState) {
		t.Errorf("late: %v", err)
	}
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "fjordby", Letter: late, Actor: "case", Decision: letter.Close}); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("another tenant's letter: %v", err)
	}
	h.conserved()
}

// inquiry puts an inquiry into the database, as the portal would have.
func (h *house) inquiry(road post.Road, state post.InquiryState, person post.PersonRecord) post.InquiryID {
	h.t.Helper()
	id := post.InquiryID(post.NewID())
	var digest [32]byte
	m := seal.Message{Kind: post.Mail, Road: road, Language: "da", Subject: "Byggesag", Text: "Hej\nkommune", Person: person,
		AcceptedAt: time.Now().UTC().Truncate(time.Second), Reference: post.NewReference()}
	png := []byte("\x89PNG not really")
	parts := []seal.Part{{Name: "foto.png", MediaType: "image/png", Size: int64(len(png)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(png)), nil }}}
	o, err := seal.Stream(h.t.Context(), h.blobs, []age.Recipient{h.to}, func(w io.Writer) (err error) {
		digest, err = seal.Pack(w, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: "engdal", Object: string(id)}, m, parts)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	sealed, err := letter.SealJSON(person, h.to)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = h.raw.Exec(`INSERT INTO inquiry (id, reference, tenant, inbox, road, kind, state, accepted_at, due_at, digest, header, blob,
	     blob_sha256, blob_size, attachments, person_index, person, statement)
	     VALUES ($1, $2, 'engdal', 'dpo-faelles', $3, 'mail', $4, 1, 1, $5, $6, $7, $8, $9, 1, $10, $11, $10)`,
		string(id), m.Reference, string(road), string(state), digest[:], o.Header, o.Blob, o.SHA256, o.Size, []byte{0}, sealed)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err = h.raw.Exec(`INSERT INTO job (kind, id, due_at) SELECT 'inquiry.forward', id, 0 FROM inquiry WHERE id = $1 AND state = 'forwarding'`, string(id)); err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestReplyGoesToThePersonConcerned(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	grantor := *recipient("poul")
	id := h.inquiry(post.ToDPO, post.InquiryAcknowledged, post.PersonRecord{Actor: *recipient("jens"), OnBehalfOf: &grantor})
	waiting := h.inquiry(post.ToDPO, post.InquiryWaiting, post.PersonRecord{Actor: *recipient("nancy")})
	var asked string
	h.dir.answer = func(r post.PartyRecord) dispatch.Reach {
		asked = r.ID
		return dispatch.Reach{Answer: dispatch.Reachable}
	}
	s := submission("reply")
	s.Recipient, s.Inquiry = nil, waiting
	if _, err := h.desk.Submit(t.Context(), s); !errors.Is(err, post.FaultNotAnswerable) {
		t.Errorf("reply before acknowledge: %v", err)
	}
	s.Inquiry = id
	s.Tenant = "fjordby"
	if _, err := h.desk.Submit(t.Context(), s); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("reply from another tenant: %v", err)
	}
	s.Tenant = "engdal"
	r, err := h.desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.desk.Submit(t.Context(), s); err != nil || !again.Repeated || again.ID != r.ID {
		t.Errorf("reply again: %+v, %v", again, err)
	}
	h.advance(r.ID)
	h.want(r.ID, post.LetterHandedOver)
	if asked != grantor.ID {
		t.Error("the reply was for somebody else than the person concerned")
	}
	var state, answered string
	if err := h.raw.QueryRow(`SELECT state, letter FROM inquiry WHERE id = $1`, string(id)).Scan(&state, &answered); err != nil ||
		state != "answered" || answered != string(r.ID) {
		t.Errorf("inquiry is %s with letter %s, %v", state, answered, err)
	}
	h.conserved()
}

func TestMailIsForwardedOnceAndNeverOnPaper(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir.answer = reach(dispatch.Unreachable, "EXEMPT") // nobody may ask
	id := h.inquiry(post.ToDigitalPost, post.InquiryForwarding, post.PersonRecord{Actor: *recipient("nancy")})
	f, err := forward.New(forward.Config{Store: h.store, Blobs: h.blobs, Identity: h.identity, Dispatcher: h.to,
		IndexKey: h.index, Tenants: h.tenants, Bell: bell{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := f.Forward(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		h.later()
	}
	l := post.ForwardedLetterID(id)
	var job dispatch.Job
	h.digital.renderer = func(j dispatch.Job) string { job = j; return "" }
	h.advance(l)
	h.want(l, post.LetterHandedOver)
	if job.Recipient.ContactPoint != h.tenants[0].ContactPoint || job.Recipient.ID != string(h.tenants[0].CVR) ||
		job.Originator == nil || job.Originator.ID != recipient("nancy").ID || len(job.Documents) != 2 || job.Documents[0].MediaType != "text/plain" {
		t.Errorf("job is not the municipality's: %d documents", len(job.Documents))
	}
	if h.digital.count(l) != 1 || h.paper.calls != 0 {
		t.Errorf("digital %d, paper %d", h.digital.count(l), h.paper.calls)
	}
	h.conserved()
}

func lines(n int) []batch.Line {
	var all []batch.Line
	for i := range n {
		all = append(all, batch.Line{Key: fmt.Sprintf("sag-%d", i), Recipient: *recipient("nancy"), Title: "Afgørelse",
			Filename: "afgoerelse.pdf", SHA256: digestOf(pdf(fmt.Sprint(i % 3)))})
	}
	return all
}

func TestBatchIsOneApprovalAndRunsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	v, err := h.batches.Open(ctx, "engdal", "case", "b1", lines(120), batch.Options{})
	if err != nil || v.State != batch.Open || len(v.Missing) != 3 {
		t.Fatalf("open: %+v, %v", v, err)
	}
	if _, err := h.batches.Close(ctx, "engdal", v.ID, "case"); !errors.Is(err, post.FaultDocumentsMissing) {
		t.Errorf("close with missing documents: %v", err)
	}
	if err := h.batches.PutDocument(ctx, "engdal", v.ID, digestOf(pdf("0")), bytes.NewReader(pdf("1"))); !errors.Is(err, post.FaultDocumentDigest) {
		t.Errorf("other bytes: %v", err)
	}
	if err := h.batches.PutDocument(ctx, "engdal", v.ID, digestOf(pdf("9")), bytes.NewReader(pdf("9"))); !errors.Is(err, post.FaultDocumentUnannounced) {
		t.Errorf("unannounced: %v", err)
	}
	if err := h.batches.PutDocument(ctx, "fjordby", v.ID, digestOf(pdf("0")), bytes.NewReader(pdf("0"))); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("another tenant: %v", err)
	}
	for i := range 3 {
		b := pdf(fmt.Sprint(i))
		for range 2 { // the second time changes nothing
			if err := h.batches.PutDocument(ctx, "engdal", v.ID, digestOf(b), bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := h.batches.Approve(ctx, "engdal", v.ID, "approver"); !errors.Is(err, post.FaultBatchState) {
		t.Errorf("approve an open batch: %v", err)
	}
	// A crash after the first hundred lines: closing goes on where it stopped.
	if left, err := h.store.CloseBatch(ctx, "engdal", v.ID, 50); err != nil || left == 0 {
		t.Fatalf("first step: %d left, %v", left, err)
	}
	if v, err = h.batches.Close(ctx, "engdal", v.ID, "case"); err != nil || v.State != batch.Closed || v.Letters[post.LetterHeld] != 120 {
		t.Fatalf("close: %+v, %v", v, err)
	}
	h.conserved()
	if _, err := h.batches.Approve(ctx, "engdal", v.ID, "case"); !errors.Is(err, post.FaultSecondPerson) {
		t.Errorf("approved by the submitter: %v", err)
	}
	if left, err := h.store.ApproveBatch(ctx, "engdal", v.ID, "approver", 20); err != nil || left == 0 {
		t.Fatalf("first release: %d left, %v", left, err)
	}
	var ready []int
	err = h.store.ReleaseApproved(ctx, 40, func() { // the dispatcher, after a crash of desk
		v, err := h.store.BatchView(ctx, "engdal", v.ID)
		if err != nil {
			t.Error(err)
		}
		ready = append(ready, v.Letters[post.LetterReady])
	})
	if want := []int{60, 100, 120}; err != nil || !slices.Equal(ready, want) {
		t.Fatalf("letters that may go after each step: %d, want %d; %v", ready, want, err)
	}
	if v, err = h.batches.Approve(ctx, "engdal", v.ID, "approver"); err != nil || v.State != batch.Released || v.Letters[post.LetterReady] != 120 {
		t.Fatalf("approve: %+v, %v", v, err)
	}
	again, err := h.batches.Open(ctx, "engdal", "case", "b1", lines(120), batch.Options{})
	if err != nil || !again.Repeated || again.ID != v.ID {
		t.Errorf("same batch again: %+v, %v", again, err)
	}
	if _, err := h.batches.Open(ctx, "engdal", "case", "b1", lines(119), batch.Options{}); !errors.Is(err, post.FaultBatchKeyUsed) || !strings.Contains(err.Error(), "first used for "+string(v.ID)) {
		t.Errorf("same key, other lines: %v", err)
	}
	if _, err := h.batches.Open(ctx, "engdal", "case", "b2", lines(2), batch.Options{}); !errors.Is(err, post.FaultLineKeyUsed) || strings.Count(err.Error(), "of batch "+string(v.ID)) != 2 {
		t.Errorf("lines sent before: %v", err)
	}
	vs, err := h.desk.List(ctx, letter.Filter{Batch: v.ID, Limit: 2})
	if err != nil || len(vs) != 2 {
		t.Fatal(vs, err)
	}
	one := submission(lines(1)[0].Key)
	one.Title = "Noget andet"
	if _, err := h.desk.Submit(ctx, one); !errors.Is(err, post.FaultLetterKeyUsed) || !strings.Contains(err.Error(), " of batch "+string(v.ID)) {
		t.Errorf("a single letter under the key of a line: %v", err)
	}
	h.advance(vs[0].ID)
	h.want(vs[0].ID, post.LetterHandedOver)
	h.conserved()
}

func TestFaultyLinesAreAllNamed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ls := lines(5)
	ls[0].Recipient.ID = "123"
	ls[1].SHA256 = "beef"
	ls[2].Title = ""
	ls[4].Key = ls[3].Key
	_, err := h.batches.Open(t.Context(), "engdal", "case", "b1", ls, batch.Options{})
	for fault, where := range map[*post.Fault]string{post.FaultCPR: "line 1", post.FaultLineDigest: "line 2",
		post.FaultLetterTitle: "line 3", post.FaultLineKeyTwice: "lines 4 and 5"} {
		if !errors.Is(err, fault) || !strings.Contains(err.Error(), "("+where+")") {
			t.Errorf("%s at %s is not named in: %v", fault.Code, where, err)
		}
	}
}

func TestEvidenceProvesTheLetterOffline(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.submit("k1")
	if _, err := h.desk.Evidence(t.Context(), "engdal", id); !errors.Is(err, post.FaultNoEvidence) {
		t.Errorf("before signing: %v", err)
	}
	h.advance(id)
	b, err := h.desk.Evidence(t.Context(), "engdal", id)
	if err != nil {
		t.Fatal(err)
	}
	certs := []*x509.Certificate{h.signer.Certificate()}
	res, err := verify.File(bytes.NewReader(b), int64(len(b)), certs, bytes.NewReader(pdf("k1")))
	if err != nil {
		t.Fatal(err)
	}
	if res.Manifest.Letter != id || res.Documents[0] != verify.Matches || res.Documents[1] != verify.Absent || len(res.Events) < 5 {
		t.Errorf("result = %+v", res)
	}
	if _, err := verify.File(bytes.NewReader(b), int64(len(b)), certs, bytes.NewReader(pdf("k2"))); !errors.Is(err, verify.ErrNotProven) {
		t.Errorf("another document: %v", err)
	}
	for _, secret := range []string{recipient("nancy").ID, "Nancy", "Afg", "bilag"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Error("evidence names the recipient or the content")
		}
	}
}
