package sqlstore

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/retention"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// TestClosedMailGoesInTimeAndIsKnownForEver: what a person has closed is erased
// when its time is over, message and seal; what waits for a person or was closed
// lately is not. The same message, delivered again, is still no new one.
func TestClosedMailGoesInTimeAndIsKnownForEver(t *testing.T) {
	eachEngine(t, testClosedMailGoesInTimeAndIsKnownForEver)
}

func testClosedMailGoesInTimeAndIsKnownForEver(t *testing.T, open opener) {
	s := open(t)
	arrival := func(tenant post.TenantID) mailroom.Arrival {
		id := post.NewID()
		return mailroom.Arrival{ID: id, Carrier: "digitalpost", Tenant: tenant, MessageID: id, Digest: []byte(id), At: longAgo,
			Object: seal.Object{Header: []byte("h"), Blob: id, SHA256: []byte("s"), Size: 1}}
	}
	keep := func(a mailroom.Arrival) (fresh bool) {
		t.Helper()
		fresh, err := s.KeepMail(t.Context(), a, ledger.New("mail.kept", a.Tenant, a.ID))
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	park := func(a mailroom.Arrival) mailroom.Arrival {
		t.Helper()
		keep(a)
		if err := s.ParkMail(t.Context(), a.ID, "unreadable", ledger.New("mail.parked", a.Tenant, a.ID)); err != nil {
			t.Fatal(err)
		}
		return a
	}
	closeIt := func(a mailroom.Arrival, at time.Time) mailroom.Arrival {
		t.Helper()
		park(a)
		if _, closed, err := s.CloseParkedMail(t.Context(), a.ID, func(p mailroom.Parked) ledger.Event { return ledger.New("mail.closed", p.Tenant, a.ID) }); err != nil || !closed {
			t.Fatal(closed, err)
		}
		mustExec(t, s, `UPDATE mail SET due_at = $1 WHERE id = $2`, micros(at), a.ID)
		return a
	}
	gone, foreign := closeIt(arrival("engdal"), longAgo), closeIt(arrival("fjordby"), longAgo)
	lately, parked, kept := closeIt(arrival("engdal"), time.Now()), park(arrival("engdal")), arrival("engdal")
	keep(kept)
	blobs := oldBlobs{}
	for _, a := range []mailroom.Arrival{gone, foreign, lately, parked, kept} {
		blobs[a.Object.Blob] = true
	}

	shelf, before := s.MailShelf(Whose{Only: "engdal"}), time.Now().Add(-24*time.Hour)
	for _, a := range []mailroom.Arrival{lately, parked, kept} {
		if _, err := shelf.Purge(t.Context(), retention.Item{ID: a.ID}, before); !errors.Is(err, post.ErrStale) {
			t.Errorf("what is not over was purged: %v", err)
		}
	}
	k, err := retention.New(retention.Config{
		Rules: []retention.Rule{{Name: "mail.closed engdal", After: 24 * time.Hour, Shelf: shelf}},
		Blobs: blobs, References: s, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := k.Step(t.Context()); err != nil || done.Records != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if done, err := k.Step(t.Context()); err != nil || done.Records != 0 {
		t.Fatalf("once more: %+v, %v", done, err)
	}
	if blobs[gone.Object.Blob] || !blobs[foreign.Object.Blob] || !blobs[lately.Object.Blob] || !blobs[parked.Object.Blob] || !blobs[kept.Object.Blob] {
		t.Errorf("what is left: %v", blobs)
	}
	if n := one[int](t, s, `SELECT count(*) FROM mail WHERE id = $1 AND blob = '' AND length(header) = 0`, gone.ID); n != 1 {
		t.Error("the message's seal is still there")
	}
	if n := one[int](t, s, `SELECT count(*) FROM ledger_event WHERE kind = 'mail.purged' AND subject = $1 AND tenant = 'engdal'`, gone.ID); n != 1 {
		t.Errorf("%d entries of the ledger", n)
	}
	if free, err := s.Unreferenced(t.Context(), []string{gone.Object.Blob, foreign.Object.Blob}); err != nil || !slices.Equal(free, []string{gone.Object.Blob}) {
		t.Errorf("named by nobody: %v, %v", free, err)
	}

	again := gone
	again.ID, again.Object.Blob = post.NewID(), post.NewID()
	if keep(again) {
		t.Error("the same message became a new one")
	}
	if a, err := s.KnownMail(t.Context(), "digitalpost", "engdal", gone.MessageID); err != nil || a.ID != gone.ID {
		t.Errorf("the message is not known: %v", err)
	}
	again.Digest = []byte("other bytes")
	if !keep(again) {
		t.Error("other bytes under its id were thrown away")
	}
	if p, err := s.FindParkedMail(t.Context(), again.ID); err != nil || p.Code != mailOther {
		t.Errorf("other bytes: %+v, %v", p, err)
	}
}
