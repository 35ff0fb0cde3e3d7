package sqlstore

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

func aDraft(owner string) intake.DraftRow {
	return intake.DraftRow{
		ID: post.NewID(), Owner: []byte(owner), ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond),
		Body: []byte("sealed"), Blobs: []string{post.NewID(), post.NewID()},
	}
}

func acceptanceOf(d intake.DraftRow, version int64, road post.Road) intake.Accepted {
	e := ledger.New("inquiry.accepted", "engdal", d.ID)
	return intake.Accepted{
		Inquiry: intake.Inquiry{
			ID: post.InquiryID(d.ID), Reference: post.NewReference(), Tenant: "engdal", Road: road, Kind: post.Access,
			State: post.InquiryWaiting, AcceptedAt: e.At, DueAt: e.At.Add(time.Hour), Digest: []byte("digest"), Attachments: 2,
		},
		Inbox: "dpo", Version: version, PersonIndex: d.Owner, Person: []byte("person"), Statement: []byte("statement"),
		Object: seal.Object{Header: []byte("header"), Blob: post.NewID(), SHA256: []byte("sum"), Size: 7},
		Event:  e, Forward: road == post.ToDigitalPost, Copy: []byte("copy"), CopyUntil: e.At.Add(time.Hour),
	}
}

func TestDraftIsKeptOncePerOwnerAndByVersion(t *testing.T) {
	eachEngine(t, testDraftIsKeptOncePerOwnerAndByVersion)
}

func testDraftIsKeptOncePerOwnerAndByVersion(t *testing.T, open opener) {
	s := open(t)
	ctx := t.Context()
	if _, err := s.OpenDraft(ctx, []byte("nancy")); !errors.Is(err, post.ErrNotFound) {
		t.Fatal(err)
	}
	d := aDraft("nancy")
	if err := s.SaveDraft(ctx, d); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDraft(ctx, aDraft("nancy")); !errors.Is(err, post.ErrStale) {
		t.Errorf("a second draft of one owner: %v", err)
	}
	got, err := s.OpenDraft(ctx, []byte("nancy"))
	if err != nil || got.ID != d.ID || got.Version != 1 || len(got.Blobs) != 2 || !got.ExpiresAt.Equal(d.ExpiresAt) {
		t.Fatalf("%+v, %v", got, err)
	}
	got.Body, got.Blobs = []byte("changed"), nil
	if err := s.SaveDraft(ctx, got); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDraft(ctx, got); !errors.Is(err, post.ErrStale) {
		t.Errorf("the same change twice: %v", err)
	}
	if err := s.DropDraft(ctx, d.ID, 1); !errors.Is(err, post.ErrStale) {
		t.Errorf("dropped by an old version: %v", err)
	}
	if gone, err := s.ExpiredDrafts(ctx, time.Now(), 10); err != nil || len(gone) != 0 {
		t.Errorf("expired early: %v, %v", gone, err)
	}
	if gone, err := s.ExpiredDrafts(ctx, time.Now().Add(2*time.Hour), 10); err != nil || len(gone) != 1 || gone[0].Version != 2 {
		t.Errorf("not expired: %v, %v", gone, err)
	}
	if err := s.DropDraft(ctx, d.ID, 2); err != nil {
		t.Error(err)
	}
}

func TestAcceptInquiryWritesAllOrNothing(t *testing.T) {
	eachEngine(t, testAcceptInquiryWritesAllOrNothing)
}

func testAcceptInquiryWritesAllOrNothing(t *testing.T, open opener) {
	s := open(t)
	ctx := t.Context()
	own := map[post.TenantID][]byte{"engdal": []byte("nancy"), "fjordby": []byte("nancy")}
	d := aDraft("nancy")
	if err := s.SaveDraft(ctx, d); err != nil {
		t.Fatal(err)
	}
	nothing := func(why string, event string) {
		t.Helper()
		if all, err := s.OwnInquiries(ctx, own); err != nil || len(all) != 0 {
			t.Errorf("%s: inquiries %v, %v", why, all, err)
		}
		if _, err := s.LedgerRow(ctx, event); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("%s: the event is there: %v", why, err)
		}
		if _, ok, err := s.Lease(ctx, queue.ForwardInquiry, d.ID, time.Minute); ok || err != nil {
			t.Errorf("%s: the job is there: %v", why, err)
		}
		if _, err := s.InquiryCopy(ctx, post.InquiryID(d.ID), time.Now()); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("%s: the copy is there: %v", why, err)
		}
		if _, err := s.OpenDraft(ctx, d.Owner); err != nil {
			t.Errorf("%s: the draft is gone: %v", why, err)
		}
	}
	stale := acceptanceOf(d, 9, post.ToDigitalPost)
	if err := s.AcceptInquiry(ctx, stale); !errors.Is(err, post.ErrStale) {
		t.Fatal(err)
	}
	nothing("a draft that has moved on", stale.Event.ID)

	// The last statement of the transaction fails: an event id that is taken.
	taken := acceptanceOf(d, 1, post.ToDigitalPost)
	if err := s.RecordLogin(ctx, taken.Event); err != nil {
		t.Fatal(err)
	}
	if err := s.AcceptInquiry(ctx, taken); err == nil || errors.Is(err, post.ErrStale) {
		t.Fatal(err)
	}
	nothing("a ledger that refuses", post.NewID())

	a := acceptanceOf(d, 1, post.ToDigitalPost)
	if err := s.AcceptInquiry(ctx, a); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenDraft(ctx, d.Owner); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("the draft is still there: %v", err)
	}
	if row, err := s.LedgerRow(ctx, a.Event.ID); err != nil || len(row.Body) == 0 {
		t.Errorf("no event: %v", err)
	}
	if _, ok, err := s.Lease(ctx, queue.ForwardInquiry, d.ID, time.Minute); !ok || err != nil {
		t.Errorf("no job: %v", err)
	}
	q, err := s.OwnInquiry(ctx, a.Inquiry.Reference, own)
	if err != nil || q.ID != a.Inquiry.ID || !q.DueAt.Equal(a.Inquiry.DueAt) || !bytes.Equal(q.Digest, a.Inquiry.Digest) || q.Attachments != 2 {
		t.Errorf("%+v, %v", q, err)
	}
	if b, err := s.InquiryStatement(ctx, q.ID); err != nil || string(b) != "statement" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := s.InquiryCopy(ctx, q.ID, time.Now()); err != nil || string(b) != "copy" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.InquiryCopy(ctx, q.ID, time.Now().Add(2*time.Hour)); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("an expired copy: %v", err)
	}
	if err := s.DropCopies(ctx, time.Now().Add(2*time.Hour)); err != nil {
		t.Error(err)
	}
	if _, err := s.InquiryCopy(ctx, q.ID, time.Now()); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("a dropped copy: %v", err)
	}
}

func TestAcceptanceOnTheRoadToADPOLeavesNoJob(t *testing.T) {
	eachEngine(t, testAcceptanceOnTheRoadToADPOLeavesNoJob)
}

func testAcceptanceOnTheRoadToADPOLeavesNoJob(t *testing.T, open opener) {
	s := open(t)
	d := aDraft("nancy")
	if err := s.SaveDraft(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := s.AcceptInquiry(t.Context(), acceptanceOf(d, 1, post.ToDPO)); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Lease(t.Context(), queue.ForwardInquiry, d.ID, time.Minute); ok || err != nil {
		t.Errorf("a job: %v, %v", ok, err)
	}
}

func TestInquiriesOfOthersAreNotFound(t *testing.T) { eachEngine(t, testInquiriesOfOthersAreNotFound) }

func testInquiriesOfOthersAreNotFound(t *testing.T, open opener) {
	s := open(t)
	d := aDraft("nancy")
	if err := s.SaveDraft(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	a := acceptanceOf(d, 1, post.ToDPO)
	if err := s.AcceptInquiry(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for name, own := range map[string]map[post.TenantID][]byte{
		"another person":             {"engdal": []byte("poul")},
		"the same index elsewhere":   {"fjordby": []byte("nancy")},
		"no index at all":            {},
		"an empty index":             {"engdal": nil},
		"the beginning of the index": {"engdal": []byte("nanc")},
	} {
		if _, err := s.OwnInquiry(t.Context(), a.Inquiry.Reference, own); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if all, err := s.OwnInquiries(t.Context(), own); err != nil || len(all) != 0 {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}

func TestTwoAcceptancesAtOnceMakeOneInquiry(t *testing.T) {
	eachEngine(t, testTwoAcceptancesAtOnceMakeOneInquiry)
}

func testTwoAcceptancesAtOnceMakeOneInquiry(t *testing.T, open opener) {
	s := open(t)
	d := aDraft("nancy")
	if err := s.SaveDraft(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() { errs[i] = s.AcceptInquiry(t.Context(), acceptanceOf(d, 1, post.ToDPO)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, post.ErrStale):
			t.Error(err)
		}
	}
	all, err := s.OwnInquiries(t.Context(), map[post.TenantID][]byte{"engdal": []byte("nancy")})
	if won != 1 || len(all) != 1 || err != nil {
		t.Errorf("%d won, %d inquiries, %v", won, len(all), err)
	}
}
