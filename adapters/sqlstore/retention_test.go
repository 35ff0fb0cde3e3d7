package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

func addInquiry(t *testing.T, s *Store, state post.InquiryState, at time.Time, blob string) string {
	t.Helper()
	id := post.NewID()
	mustExec(t, s, `INSERT INTO inquiry (id, reference, tenant, inbox, road, kind, state, accepted_at, due_at, digest, header, blob,
		blob_sha256, blob_size, attachments, person_index, person, statement) VALUES
		($1, $1, 'engdal', 'dpo', 'dpo', 'access', $2, $3, 0, $4, $4, $5, $4, 1, 0, $4, $4, $4)`,
		id, string(state), micros(at), []byte{1}, blob)
	return id
}

func addLetter(t *testing.T, s *Store, state post.LetterState, since time.Time, batch, blob string) string {
	t.Helper()
	id := post.NewID()
	mustExec(t, s, `INSERT INTO letter (id, reference, tenant, client, digest, batch, state, accepted_at, since, recipient, content)
		VALUES ($1, $1, 'engdal', 'case', $2, $3, $4, $5, $5, $2, $2)`, id, []byte{1}, batch, string(state), micros(since))
	mustExec(t, s, `INSERT INTO letter_document (letter, n, header, blob, blob_sha256, blob_size, clear_size)
		VALUES ($1, 1, $2, $3, $2, 1, 1)`, id, []byte{1}, blob)
	mustExec(t, s, `INSERT INTO receipt (carrier, event_id, message_id, kind, at, code, tracking, raw, received_at, letter)
		VALUES ('digitalpost', $1, $1, 'delivered', 1, '', '', $2, 1, $1)`, id, []byte("sealed"))
	return id
}

func one[T any](t *testing.T, s *Store, query string, args ...any) (v T) {
	t.Helper()
	if err := s.read.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// oldBlobs are blobs stored long ago.
type oldBlobs map[string]bool

func (o oldBlobs) List(_ context.Context, visit func(string, int64, time.Time) error) error {
	for b := range o {
		if err := visit(b, 1, longAgo); err != nil {
			return err
		}
	}
	return nil
}

func (o oldBlobs) Delete(_ context.Context, blob string) error {
	delete(o, blob)
	return nil
}

var longAgo = time.Now().Add(-100 * 24 * time.Hour)

func TestOverdueInquiriesAreThoseThatEndedAndRested(t *testing.T) {
	eachEngine(t, testOverdueInquiriesAreThoseThatEndedAndRested)
}

func testOverdueInquiriesAreThoseThatEndedAndRested(t *testing.T, open opener) {
	s, before := open(t), time.Now().Add(-30*24*time.Hour)
	closed := addInquiry(t, s, post.InquiryClosed, longAgo, post.NewID())
	for _, state := range []post.InquiryState{post.InquiryWaiting, post.InquiryLeased, post.InquiryAcknowledged, post.InquiryRejected, post.InquiryAnswered, post.InquiryForwarding} {
		id := addInquiry(t, s, state, longAgo, post.NewID())
		if _, err := s.InquiryShelf(state, Whose{}).Purge(t.Context(), retention.Item{ID: id}, before); !errors.Is(err, post.ErrStale) {
			t.Errorf("an inquiry that is %s is purged: %v", state, err)
		}
	}
	addInquiry(t, s, post.InquiryClosed, time.Now(), post.NewID())
	touched := addInquiry(t, s, post.InquiryClosed, longAgo, post.NewID())
	e := ledger.New("inquiry.closed", "engdal", touched) // closed only now
	if err := s.tx(t.Context(), func(tx *sql.Tx) error { return record(t.Context(), tx, e) }); err != nil {
		t.Fatal(err)
	}
	items, err := s.InquiryShelf(post.InquiryClosed, Whose{}).Overdue(t.Context(), before, 10)
	if err != nil || len(items) != 1 || items[0].ID != closed || items[0].Tenant != "engdal" || !items[0].Ended.Equal(longAgo.Truncate(time.Microsecond)) {
		t.Errorf("got %v, %v", items, err)
	}
	if _, err := s.InquiryShelf(post.InquiryClosed, Whose{}).Purge(t.Context(), retention.Item{ID: touched}, before); !errors.Is(err, post.ErrStale) {
		t.Errorf("one that was touched meanwhile: %v", err)
	}
}

func TestPurgedInquiryLeavesItsLedgerEntryAndNothingElse(t *testing.T) {
	eachEngine(t, testPurgedInquiryLeavesItsLedgerEntryAndNothingElse)
}

func testPurgedInquiryLeavesItsLedgerEntryAndNothingElse(t *testing.T, open opener) {
	s, gone, kept := open(t), post.NewID(), post.NewID()
	blobs := oldBlobs{gone: true, kept: true}
	id := addInquiry(t, s, post.InquiryForwarded, longAgo, gone)
	addInquiry(t, s, post.InquiryWaiting, longAgo, kept)
	k, err := retention.New(retention.Config{
		Rules: []retention.Rule{{Name: "inquiry.forwarded", After: 24 * time.Hour, Shelf: s.InquiryShelf(post.InquiryForwarded, Whose{})}},
		Blobs: blobs, References: s, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := k.Step(t.Context()); err != nil || done.Records != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if n := one[int](t, s, `SELECT count(*) FROM inquiry WHERE id = $1`, id); n != 0 {
		t.Error("the header is still there")
	}
	if blobs[gone] || !blobs[kept] {
		t.Errorf("payloads left: %v", blobs)
	}
	body := one[[]byte](t, s, `SELECT body FROM ledger_event WHERE subject = $1`, id)
	if !strings.Contains(string(body), `"inquiry.purged"`) {
		t.Errorf("the entry says %s", body)
	}
}

func TestLettersArePurgedWithoutBreakingTheSum(t *testing.T) {
	eachEngine(t, testLettersArePurgedWithoutBreakingTheSum)
}

func testLettersArePurgedWithoutBreakingTheSum(t *testing.T, open opener) {
	s, before := open(t), time.Now().Add(-30*24*time.Hour)
	shelf := s.LetterShelf(Whose{})
	ends := 0
	for _, state := range post.LetterStates() {
		id := addLetter(t, s, state, longAgo, "", post.NewID())
		blobs, err := shelf.Purge(t.Context(), retention.Item{ID: id}, before)
		if !state.Final() || state == post.LetterPurged {
			if !errors.Is(err, post.ErrStale) {
				t.Errorf("a letter that is %s is purged: %v", state, err)
			}
			continue
		}
		ends++
		if err != nil || len(blobs) != 1 {
			t.Errorf("%s: %v, %v", state, blobs, err)
			continue
		}
		left := one[int](t, s, `SELECT (SELECT count(*) FROM letter_document WHERE letter = $1)
			+ (SELECT octet_length(recipient) + octet_length(content) FROM letter WHERE id = $1)
			+ (SELECT octet_length(raw) FROM receipt WHERE letter = $1)`, id)
		if left != 0 {
			t.Errorf("%s: something sealed is left", state)
		}
	}
	if ends == 0 || one[int](t, s, `SELECT count(*) FROM letter`) != len(post.LetterStates()) {
		t.Error("letters are missing from the sum")
	}
	fresh := addLetter(t, s, post.LetterDelivered, time.Now(), "", post.NewID())
	if _, err := shelf.Purge(t.Context(), retention.Item{ID: fresh}, before); !errors.Is(err, post.ErrStale) {
		t.Errorf("a letter before its time: %v", err)
	}
	if items, err := shelf.Overdue(t.Context(), before, 100); err != nil || len(items) != 0 {
		t.Errorf("left over: %v, %v", items, err)
	}
}

func TestDocumentsOfABatchGoWithItsLastLetter(t *testing.T) {
	eachEngine(t, testDocumentsOfABatchGoWithItsLastLetter)
}

func testDocumentsOfABatchGoWithItsLastLetter(t *testing.T, open opener) {
	s, before, shared := open(t), time.Now().Add(-30*24*time.Hour), post.NewID()
	mustExec(t, s, `INSERT INTO batch (id, tenant, client, business, digest, state, lines, opened_at) VALUES ('b', 'engdal', 'c', $1, $1, 'approved', 2, 1)`, []byte{1})
	mustExec(t, s, `INSERT INTO batch_document (batch, sha256, header, blob, blob_sha256, blob_size, clear_size) VALUES ('b', 'x', $1, $2, $1, 1, 1)`, []byte{1}, shared)
	first := addLetter(t, s, post.LetterDelivered, longAgo, "b", shared)
	second := addLetter(t, s, post.LetterDelivered, longAgo, "b", shared)
	for i, id := range []string{first, second} {
		if _, err := s.LetterShelf(Whose{}).Purge(t.Context(), retention.Item{ID: id}, before); err != nil {
			t.Fatal(err)
		}
		free, err := s.Unreferenced(t.Context(), []string{shared})
		if err != nil || (len(free) == 1) != (i == 1) {
			t.Errorf("after letter %d: %v, %v", i+1, free, err)
		}
	}
}

func TestEveryColumnThatNamesABlobIsFound(t *testing.T) {
	eachEngine(t, testEveryColumnThatNamesABlobIsFound)
}

func testEveryColumnThatNamesABlobIsFound(t *testing.T, open opener) {
	s := open(t)
	columns, err := s.blobColumns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []blobColumn{{"inquiry", "blob"}, {"draft", "blobs"}, {"letter_document", "blob"}, {"batch_document", "blob"}} {
		if !slices.Contains(columns, want) {
			t.Errorf("%v is not found in %v", want, columns)
		}
	}
	named := []string{post.NewID(), post.NewID(), post.NewID(), post.NewID()}
	addInquiry(t, s, post.InquiryWaiting, longAgo, named[0])
	addLetter(t, s, post.LetterAccepted, longAgo, "", named[1])
	mustExec(t, s, `INSERT INTO draft (id, owner, version, expires_at, body, blobs) VALUES ('d', $1, 1, 1, $1, $2)`, []byte{1}, named[2]+"\n"+named[3])
	orphan := post.NewID()
	if free, err := s.Unreferenced(t.Context(), append(named, orphan)); err != nil || !slices.Equal(free, []string{orphan}) {
		t.Errorf("got %v, %v", free, err)
	}
}

func TestAMunicipalityKeepsByItsOwnRules(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, before := open(t), time.Now().Add(-30*24*time.Hour)
		ours := addLetter(t, s, post.LetterDelivered, longAgo, "", post.NewID())
		theirs := addLetter(t, s, post.LetterDelivered, longAgo, "", post.NewID())
		mustExec(t, s, `UPDATE letter SET tenant = 'fjordby' WHERE id = $1`, theirs)
		inquiry := addInquiry(t, s, post.InquiryClosed, longAgo, post.NewID())
		for name, c := range map[string]struct {
			shelf retention.Shelf
			want  []string
		}{
			"one":                 {s.LetterShelf(Whose{Only: "engdal"}), []string{ours}},
			"all but one":         {s.LetterShelf(Whose{Not: []post.TenantID{"engdal", "nowhere"}}), []string{theirs}},
			"receipts of one":     {s.ReceiptShelf(Whose{Only: "fjordby"}), []string{theirs}},
			"inquiries of one":    {s.InquiryShelf(post.InquiryClosed, Whose{Only: "engdal"}), []string{inquiry}},
			"inquiries of others": {s.InquiryShelf(post.InquiryClosed, Whose{Not: []post.TenantID{"engdal"}}), nil},
		} {
			items, err := c.shelf.Overdue(t.Context(), before, 10)
			var got []string
			for _, i := range items {
				got = append(got, i.ID)
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
			}
		}
	})
}

func TestReceiptsGoBeforeTheirLetterAndStayAsEvidence(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, before := open(t), time.Now().Add(-30*24*time.Hour)
		open1 := addLetter(t, s, post.LetterPosted, longAgo, "", post.NewID())
		id := addLetter(t, s, post.LetterDelivered, longAgo, "", post.NewID())
		shelf := s.ReceiptShelf(Whose{})
		if _, err := shelf.Purge(t.Context(), retention.Item{ID: open1}, before); !errors.Is(err, post.ErrStale) {
			t.Errorf("receipts of a letter under way: %v", err)
		}
		items, err := shelf.Overdue(t.Context(), before, 10)
		if err != nil || len(items) != 1 || items[0].ID != id {
			t.Fatalf("overdue: %v, %v", items, err)
		}
		if _, err := shelf.Purge(t.Context(), items[0], before); err != nil {
			t.Fatal(err)
		}
		if _, err := shelf.Purge(t.Context(), items[0], before); !errors.Is(err, post.ErrStale) {
			t.Errorf("purged twice: %v", err)
		}
		if n := one[int](t, s, `SELECT count(*) FROM receipt WHERE letter = $1 AND kind = 'delivered' AND length(raw) = 0`, id); n != 1 {
			t.Error("the receipt as matched is gone, or its raw form is not")
		}
		if st := one[string](t, s, `SELECT state FROM letter WHERE id = $1`, id); st != string(post.LetterDelivered) {
			t.Errorf("the letter is %s", st)
		}
		if n := one[int](t, s, `SELECT count(*) FROM ledger_event WHERE kind = 'receipts.purged' AND subject = $1`, id); n != 1 {
			t.Errorf("%d ledger events", n)
		}
	})
}

func TestAReceiptOfNobodyIsEmptiedInTime(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, before := open(t), time.Now().Add(-30*24*time.Hour)
		add := func(event, verdict string, at time.Time) {
			mustExec(t, s, `INSERT INTO receipt (carrier, event_id, message_id, kind, at, code, tracking, raw, received_at, verdict)
				VALUES ('printhouse', $1, $1, 'posted', 1, '', '', $2, $3, $4)`, event, []byte("sealed"), micros(at), verdict)
		}
		add("old", "parked", longAgo)
		add("new", "parked", time.Now())
		add("waits", "waiting", longAgo)
		items, err := s.StrayReceiptShelf().Overdue(t.Context(), before, 10)
		if err != nil || len(items) != 1 || items[0].ID != "printhouse/old" {
			t.Fatalf("overdue: %v, %v", items, err)
		}
		if _, err := s.StrayReceiptShelf().Purge(t.Context(), items[0], before); err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, s, `SELECT count(*) FROM receipt WHERE length(raw) > 0`); n != 2 {
			t.Errorf("%d are whole, want the new one and the one that waits", n)
		}
		if n := one[int](t, s, `SELECT count(*) FROM ledger_event WHERE kind = 'receipts.purged' AND subject = 'printhouse/old'`); n != 1 {
			t.Error("no ledger event")
		}
	})
}

// TestALookForReceiptsBeginsWhereTheLastOneCameTo: letters stay for months after their
// receipts have gone. What is due further back all the same is found a day later.
func TestALookForReceiptsBeginsWhereTheLastOneCameTo(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, before := open(t), time.Now().Add(-30*24*time.Hour)
		early := addLetter(t, s, post.LetterDelivered, longAgo, "", post.NewID())
		late := addLetter(t, s, post.LetterDelivered, longAgo.Add(time.Hour), "", post.NewID())
		held := addLetter(t, s, post.LetterDelivered, longAgo.Add(-time.Hour), "", post.NewID())
		mustExec(t, s, `UPDATE letter SET hold_at = 1 WHERE id = $1`, held)
		shelf := s.ReceiptShelf(Whose{}).(receiptShelf)
		due := func(before time.Time, n int) (got []string) {
			t.Helper()
			items, err := shelf.Overdue(t.Context(), before, n)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range items {
				got = append(got, i.ID)
			}
			return got
		}
		want := func(what string, got []string, want ...string) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		purge := func(id string) {
			t.Helper()
			if _, err := shelf.Purge(t.Context(), retention.Item{ID: id, Tenant: "engdal"}, before); err != nil {
				t.Fatal(err)
			}
		}
		want("the first of them", due(before, 1), early)
		want("what was found and is still there", due(before, 10), early, late)
		purge(early)
		want("the next one", due(before, 10), late)
		purge(late)
		want("nothing", due(before, 10))
		recent := addLetter(t, s, post.LetterDelivered, before.Add(time.Minute), "", post.NewID())
		want("what is due later", due(before.Add(time.Hour), 10), recent)
		mustExec(t, s, `UPDATE letter SET hold_at = 0 WHERE id = $1`, held)
		mustExec(t, s, `UPDATE receipt SET raw = $2 WHERE letter = $1`, early, []byte("came again"))
		want("further back, on the same day", due(before.Add(time.Hour), 10), recent)
		shelf.seen.whole = shelf.seen.whole.Add(-wholeLook)
		want("further back, a day later", due(before.Add(time.Hour), 10), held, early, recent)
	})
}
