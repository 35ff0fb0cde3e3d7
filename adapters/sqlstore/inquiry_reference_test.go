package sqlstore

import (
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/mailroom"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// An inquiry whose reference another bears is told so, with nothing done: the
// reference is sealed and signed with it, so only its room can draw another.
func TestAnInquiryWhoseReferenceIsTakenIsToldSoAndNothingIsDone(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		ctx := t.Context()
		accept := func(owner string, reference string) error {
			t.Helper()
			d := aDraft(owner)
			if err := s.SaveDraft(ctx, d); err != nil {
				t.Fatal(err)
			}
			a := acceptanceOf(d, 1, post.ToDigitalPost)
			if reference != "" {
				a.Inquiry.Reference = reference
			}
			return s.AcceptInquiry(ctx, a)
		}
		first := post.NewReference()
		if err := accept("nancy", first); err != nil {
			t.Fatal(err)
		}
		if err := accept("poul", first); !errors.Is(err, intake.ErrReferenceTaken) {
			t.Fatalf("a reference that is taken: %v", err)
		}
		if _, err := s.OpenDraft(ctx, []byte("poul")); err != nil {
			t.Errorf("the draft: %v", err)
		}

		a := mailroom.Arrival{ID: post.NewID(), Carrier: "digitalpost", Tenant: "engdal", MessageID: post.NewID(), At: time.Now(), Digest: []byte("d"),
			Object: seal.Object{Header: []byte("h"), Blob: post.NewID(), SHA256: []byte("s"), Size: 1}}
		if fresh, err := s.KeepMail(ctx, a, ledger.New("mail.kept", "engdal", a.MessageID)); err != nil || !fresh {
			t.Fatal(fresh, err)
		}
		taken := func(reference string) mailroom.Taken {
			d := aDraft("aisha")
			d.ID = a.ID
			in := acceptanceOf(d, 0, post.ToDPO)
			in.Inquiry.Reference = reference
			return mailroom.Taken{Accepted: in}
		}
		if err := s.TakeMail(ctx, taken(first)); !errors.Is(err, intake.ErrReferenceTaken) {
			t.Fatalf("mail with a reference that is taken: %v", err)
		}
		if err := s.TakeMail(ctx, taken(post.NewReference())); err != nil {
			t.Errorf("and then with another: %v", err)
		}
	})
}

// A forwarded inquiry is a letter under another reference when its own is taken. It
// counted as forwarded, and there was no letter.
func TestAForwardedInquiryIsALetterWhoeverHasItsReference(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		ctx := t.Context()
		former := letter.Accepted{ID: post.LetterID(post.NewID()), Reference: post.NewReference(), Tenant: "engdal", Client: "case",
			Key: []byte("k1"), Digest: []byte("d"), Recipient: []byte("r"), Content: []byte("c")}
		if _, fresh, err := s.AcceptLetter(ctx, former); err != nil || !fresh {
			t.Fatal(err)
		}
		d := aDraft("nancy")
		if err := s.SaveDraft(ctx, d); err != nil {
			t.Fatal(err)
		}
		in := acceptanceOf(d, 1, post.ToDigitalPost)
		in.Inquiry.State = post.InquiryForwarding
		if err := s.AcceptInquiry(ctx, in); err != nil {
			t.Fatal(err)
		}
		l, ok, err := s.Lease(ctx, queue.ForwardInquiry, d.ID, time.Minute)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		a := letter.Accepted{ID: post.ForwardedLetterID(in.Inquiry.ID), Reference: former.Reference, Tenant: "engdal", Client: "dispatcher",
			Inquiry: in.Inquiry.ID, DigitalOnly: true, Digest: []byte("d"), Recipient: []byte("r"), Content: []byte("c"),
			Documents: []letter.Sealed{{Object: seal.Object{Header: []byte("h"), Blob: post.NewID(), SHA256: []byte("s"), Size: 1}, Clear: 1}}}
		if err := s.ForwardInquiry(ctx, l, a); err != nil {
			t.Fatal(err)
		}
		v, err := s.LetterView(ctx, "engdal", a.ID)
		if err != nil || v.Reference == former.Reference || v.State != post.LetterAccepted {
			t.Fatalf("the letter: %+v, %v", v, err)
		}
		if n := one[int](t, s, `SELECT count(*) FROM letter_document WHERE letter = $1`, string(a.ID)); n != 1 {
			t.Errorf("%d documents", n)
		}
	})
}
