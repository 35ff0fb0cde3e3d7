package sqlstore

import (
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

func TestNothingOfAHeldLetterIsPurged(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, before := open(t), time.Now().Add(-30*24*time.Hour)
		inquiry := addInquiry(t, s, post.InquiryClosed, longAgo, post.NewID())
		id := addLetter(t, s, post.LetterDelivered, longAgo, "", post.NewID())
		mustExec(t, s, `UPDATE letter SET inquiry = $1 WHERE id = $2`, inquiry, id)
		h := letter.Hold{Tenant: "engdal", Letter: post.LetterID(id), Actor: "approver", Reason: post.HoldLawsuit}
		if since, err := s.HoldLetter(t.Context(), h); err != nil || time.Since(since) > time.Minute {
			t.Fatal(since, err)
		}
		shelves := map[string]struct {
			shelf retention.Shelf
			item  string
		}{
			"receipts": {s.ReceiptShelf(Whose{}), id},
			"letter":   {s.LetterShelf(Whose{}), id},
			"inquiry":  {s.InquiryShelf(post.InquiryClosed, Whose{}), inquiry},
		}
		for name, c := range shelves {
			if items, err := c.shelf.Overdue(t.Context(), before, 10); err != nil || len(items) != 0 {
				t.Errorf("%s is in the plan: %v, %v", name, items, err)
			}
			if _, err := c.shelf.Purge(t.Context(), retention.Item{ID: c.item}, before); !errors.Is(err, post.ErrStale) {
				t.Errorf("%s was purged: %v", name, err)
			}
		}
		if err := s.UnholdLetter(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"receipts", "letter"} { // the inquiry's road ended anew with neither
			if _, err := shelves[name].shelf.Purge(t.Context(), retention.Item{ID: id}, before); err != nil {
				t.Errorf("%s after the hold: %v", name, err)
			}
		}
		if _, err := shelves["inquiry"].shelf.Purge(t.Context(), retention.Item{ID: inquiry}, before); err != nil {
			t.Errorf("inquiry after the hold: %v", err)
		}
	})
}

func TestAHoldIsAnEventWithItsReason(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		id := addLetter(t, s, post.LetterDelivered, longAgo, "", post.NewID())
		hold := func(tenant post.TenantID, why post.HoldReason) (time.Time, error) {
			return s.HoldLetter(t.Context(), letter.Hold{Tenant: tenant, Letter: post.LetterID(id), Actor: "approver", Reason: why})
		}
		if _, err := hold("fjordby", post.HoldComplaint); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("another municipality's letter: %v", err)
		}
		first, err := hold("engdal", post.HoldComplaint)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := hold("engdal", post.HoldComplaint); err != nil || !again.Equal(first) {
			t.Errorf("again: %v, %v", again, err)
		}
		if later, err := hold("", post.HoldLawsuit); err != nil || !later.Equal(first) {
			t.Errorf("another reason: %v, %v", later, err)
		}
		v, err := s.LetterView(t.Context(), "", post.LetterID(id))
		if err != nil || v.Hold != post.HoldLawsuit || !v.HeldAt.Equal(first) {
			t.Errorf("view: %+v, %v", v, err)
		}
		held, err := s.LetterList(t.Context(), letter.Filter{Held: true})
		if err != nil || len(held) != 1 {
			t.Errorf("list: %v, %v", held, err)
		}
		out := letter.Hold{Letter: post.LetterID(id), Actor: "approver", Reason: post.HoldLawsuit}
		for range 2 { // the second changes nothing
			if err := s.UnholdLetter(t.Context(), out); err != nil {
				t.Fatal(err)
			}
		}
		if n := one[int](t, s, `SELECT count(*) FROM ledger_event WHERE subject = $1 AND kind LIKE 'hold.%'`, id); n != 3 {
			t.Errorf("%d events, want placed, placed for another reason, lifted", n)
		}
		if _, err := s.LetterShelf(Whose{}).Purge(t.Context(), retention.Item{ID: id}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := hold("engdal", post.HoldComplaint); !errors.Is(err, post.FaultNothingToHold) {
			t.Errorf("a purged letter: %v", err)
		}
	})
}
