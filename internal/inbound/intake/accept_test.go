package intake_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/inbound/intake/intaketest"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

func TestAcceptedInquiryOpensForItsReaderOnly(t *testing.T) {
	for _, road := range []post.Road{post.ToDPO, post.ToDigitalPost} {
		t.Run(string(road), func(t *testing.T) {
			r := newRoom(t)
			p, d := r.filled(t, "nancy", road)
			if _, err := r.Attach(t.Context(), p, "bilag.pdf", bytes.NewReader(realPDF(t))); err != nil {
				t.Fatal(err)
			}
			q, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da")
			if err != nil {
				t.Fatal(err)
			}
			a := r.store.Accepted[q.ID]
			reader, other := r.dpo, r.dispatcher
			if road == post.ToDigitalPost {
				reader, other = other, reader
			}
			blob, err := r.blobs.Get(t.Context(), a.Object.Blob)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := unseal.Payload(a.Object.Header, blob, other); err == nil {
				t.Error("somebody else can open it")
			}
			plain, err := unseal.Payload(a.Object.Header, blob, reader)
			if err != nil {
				t.Fatal(err)
			}
			pack, err := unseal.Unpack(plain, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: "engdal", Object: string(q.ID)})
			if err != nil {
				t.Fatal(err)
			}
			if pack.Message.Text != canary || pack.Message.Reference != q.Reference || pack.Message.Person.Actor.ID != "6503851236" {
				t.Errorf("sealed %+v", pack.Message)
			}
			part, body, err := pack.Next()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err != nil || part.Name != "bilag.pdf" || !bytes.Equal(got, realPDF(t)) {
				t.Errorf("attachment %s differs: %v", part.Name, err)
			}
			if err := pack.Rest(); err != nil {
				t.Fatal(err)
			}
			digest := pack.Digest()
			if !bytes.Equal(digest[:], q.Digest) {
				t.Error("the content digest is not that of the package")
			}
			if names := r.blobs.Names(); len(names) != 1 || names[0] != a.Object.Blob {
				t.Errorf("kept %d blobs; the draft's should be gone", len(names))
			}
			if forwarded := len(r.store.Forwarded) == 1; forwarded != (road == post.ToDigitalPost) {
				t.Errorf("forwarded: %v", forwarded)
			}
			if q.DueAt.IsZero() != (road == post.ToDigitalPost) {
				t.Errorf("due %v", q.DueAt)
			}
		})
	}
}

func TestPersonIsSealedToTheDispatcher(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "jens", post.ToDPO)
	_ = d
	grantor := person(t, "poul").Actor
	p.OnBehalfOf = &grantor
	r.must(t)(r.SetRecipient(t.Context(), p, "engdal", post.ToDPO))
	r.must(t)(r.SetTopic(t.Context(), p, post.Erasure, ""))
	own := r.must(t)(r.SetText(t.Context(), p, "på vegne af"))
	q, err := r.Accept(t.Context(), p, own.ID, "Sletning", "da")
	if err != nil {
		t.Fatal(err)
	}
	sealed := r.store.Accepted[q.ID].Person
	if _, err := unseal.Small(sealed, r.dpo); err == nil {
		t.Error("the DPO's key opens the dispatcher's record")
	}
	plain, err := unseal.Small(sealed, r.dispatcher)
	if err != nil {
		t.Fatal(err)
	}
	var record post.PersonRecord
	if err := json.Unmarshal(plain, &record); err != nil {
		t.Fatal(err)
	}
	if record.Actor.ID != "6402743317" || record.OnBehalfOf == nil || record.OnBehalfOf.ID != "7104521145" {
		t.Error("actor and on-behalf-of are not both there")
	}
	for who, want := range map[string]int{"poul": 1, "jens": 0} {
		mine, err := r.Mine(t.Context(), person(t, who))
		if err != nil || len(mine) != want {
			t.Errorf("%s sees %d inquiries, want %d (%v)", who, len(mine), want, err)
		}
	}
}

func TestFailedAcceptanceLeavesNothingBehind(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	if _, err := r.Attach(t.Context(), p, "a.txt", strings.NewReader("hej")); err != nil {
		t.Fatal(err)
	}
	before := r.blobs.Names()
	r.store.Broken = true
	if _, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da"); err == nil {
		t.Fatal("accepted by a broken store")
	}
	if mine, _ := r.Mine(t.Context(), p); len(mine) != 0 || len(r.store.Events()) != 0 || len(r.store.Forwarded) != 0 {
		t.Error("something is visible")
	}
	if after := r.blobs.Names(); len(after) != 1 || after[0] != before[0] {
		t.Errorf("blobs before %v, after %v", before, after)
	}
	r.store.Broken = false
	if _, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da"); err != nil {
		t.Errorf("the draft did not survive: %v", err)
	}
}

func TestFailedBlobStoreLeavesTheDraft(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	r.blobs.Broken = true
	if _, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da"); err == nil {
		t.Fatal("accepted without a blob")
	}
	if len(r.store.Accepted) != 0 || len(r.store.Drafts()) != 1 {
		t.Error("something happened")
	}
}

func TestLostAnswerOfTheDatabaseStillMakesOneInquiry(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	r.store.Lost = true
	q, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.blobs.Get(t.Context(), r.store.Accepted[q.ID].Object.Blob); err != nil {
		t.Error("the content of a committed inquiry was deleted")
	}
}

func TestSentTwiceMakesOneInquiry(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	var wg sync.WaitGroup
	references := make([]string, 8)
	for i := range references {
		wg.Go(func() {
			q, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da")
			if err != nil {
				t.Error(err)
			}
			references[i] = q.Reference
		})
	}
	wg.Wait()
	for _, ref := range references {
		if ref == "" || ref != references[0] {
			t.Fatalf("receipts %v", references)
		}
	}
	if len(r.store.Accepted) != 1 || len(r.blobs.Names()) != 1 || len(r.store.Events()) != 1 {
		t.Errorf("%d inquiries, %d blobs, %d events", len(r.store.Accepted), len(r.blobs.Names()), len(r.store.Events()))
	}
}

func TestNobodySendsSomebodyElsesDraft(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	if _, err := r.Accept(t.Context(), person(t, "poul"), d.ID, "Indsigt", "da"); !errors.Is(err, post.FaultDraftGone) {
		t.Fatal(err)
	}
	q, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Accept(t.Context(), person(t, "poul"), d.ID, "Indsigt", "da"); !errors.Is(err, post.FaultDraftGone) {
		t.Errorf("somebody else got the receipt: %v", err)
	}
	if _, _, _, err := r.Receipt(t.Context(), person(t, "poul"), q.Reference); !errors.Is(err, post.ErrNotFound) {
		t.Errorf("somebody else saw the receipt: %v", err)
	}
}

func TestIncompleteDraftsAreRefused(t *testing.T) {
	r := newRoom(t)
	p := person(t, "nancy")
	check := func(want error) {
		t.Helper()
		d, err := r.Draft(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Accept(t.Context(), p, d.ID, "x", "da"); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	r.must(t)(r.SetRecipient(t.Context(), p, "engdal", post.ToDPO))
	check(post.FaultNoTopic)
	r.must(t)(r.SetTopic(t.Context(), p, post.Breach, ""))
	check(post.FaultNoText)
	r.must(t)(r.SetRecipient(t.Context(), p, "engdal", post.ToDigitalPost))
	check(post.FaultNoSubject)
}

func TestDraftRules(t *testing.T) {
	r := newRoom(t)
	p, none := person(t, "nancy"), person(t, "poul")
	r.must(t)(r.SetRecipient(t.Context(), p, "engdal", post.ToDPO))
	tests := []struct {
		name string
		do   func() error
		want error
	}{
		{"an unknown municipality is refused", func() error {
			_, err := r.SetRecipient(t.Context(), p, "atlantis", post.ToDPO)
			return err
		}, post.FaultTenant},
		{"an unknown road is refused", func() error {
			_, err := r.SetRecipient(t.Context(), p, "engdal", "pigeon")
			return err
		}, post.FaultNoRoad},
		{"an unknown topic is refused", func() error { _, err := r.SetTopic(t.Context(), p, "weather", ""); return err }, post.FaultNoTopic},
		{"mail is no topic for a DPO", func() error { _, err := r.SetTopic(t.Context(), p, post.Mail, ""); return err }, post.FaultNoTopic},
		{"an empty message is refused", func() error { _, err := r.SetText(t.Context(), p, " \r\n\t"); return err }, post.FaultNoText},
		{"4,001 characters are refused", func() error { _, err := r.SetText(t.Context(), p, words(4001)); return err }, post.FaultTextTooLong},
		{"4,000 characters are taken, however many bytes", func() error { _, err := r.SetText(t.Context(), p, words(4000)); return err }, nil},
		{"a line end counts once", func() error {
			_, err := r.SetText(t.Context(), p, strings.Repeat("\r\n", 3999)+"x")
			return err
		}, nil},
		{"without a draft there is nothing to change", func() error { _, err := r.SetText(t.Context(), none, "x"); return err }, post.FaultDraftGone},
		{"without a draft nothing can be attached", func() error {
			_, err := r.Attach(t.Context(), none, "a.txt", strings.NewReader("x"))
			return err
		}, post.FaultDraftGone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.do(); !errors.Is(err, test.want) || (test.want == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestAttachmentAlteredAtRestStopsTheSending(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	a, err := r.Attach(t.Context(), p, "a.txt", strings.NewReader("hej"))
	if err != nil {
		t.Fatal(err)
	}
	r.blobs.Alter(a.Blob)
	if _, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da"); err == nil {
		t.Fatal("sent what was not checked")
	}
	if len(r.store.Accepted) != 0 || len(r.blobs.Names()) != 1 {
		t.Error("something was left behind")
	}
}

func TestNothingIsStoredInClear(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	if _, err := r.Attach(t.Context(), p, "hemmeligt-navn.txt", strings.NewReader("CANARY-file")); err != nil {
		t.Fatal(err)
	}
	search := func(rows ...[]byte) {
		t.Helper()
		for _, secret := range []string{"CANARY", "hemmeligt-navn", "6503851236", "Berggren"} {
			for _, row := range rows {
				if bytes.Contains(row, []byte(secret)) {
					t.Errorf("%s stands in clear", secret)
				}
			}
			if r.blobs.Holds(secret) {
				t.Errorf("%s stands in a blob", secret)
			}
		}
	}
	draft := r.store.Drafts()[0]
	search(draft.Body, draft.Owner)
	q, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da")
	if err != nil {
		t.Fatal(err)
	}
	a := r.store.Accepted[q.ID]
	search(a.Person, a.Copy, a.Statement, a.PersonIndex, a.Object.Header)
}

func TestStatementIsCheckedAgainstTheLog(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	q, err := r.Accept(t.Context(), p, d.ID, "Indsigt", "da")
	if err != nil {
		t.Fatal(err)
	}
	_, signed, copied, err := r.Receipt(t.Context(), p, strings.ToLower(q.Reference))
	if err != nil || copied == nil || copied.Text != canary {
		t.Fatalf("receipt: %v, copy %v", err, copied)
	}
	if e := r.store.Events()[0]; e.Kind != "inquiry.accepted" || e.Digest != ledger.StatementDigest(signed) || !e.At.Equal(q.AcceptedAt) {
		t.Errorf("event %+v does not vouch for the statement", e)
	}
	receipt, err := r.Signed(t.Context(), q, signed)
	if err != nil || receipt.Proof != nil {
		t.Fatalf("proof before any checkpoint: %v, %v", receipt.Proof, err)
	}
	file, err := json.Marshal(receipt)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("another text"))
	forged := func(change func(*ledger.Statement)) string {
		s, err := ledger.VerifyStatement(signed, knownKeys(t, r))
		if err != nil {
			t.Fatal(err)
		}
		change(&s)
		note, err := ledger.SignStatement(s, r.config.Signing.Key)
		if err != nil {
			t.Fatal(err)
		}
		return string(note)
	}
	stranger := strangersReceipt(t, q)
	strangersFile, err := json.Marshal(stranger)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, pasted string
		place        intake.Place
		want         error
	}{
		{"the note as signed is genuine", string(signed), intake.Pending, nil},
		{"the downloaded file is genuine", string(file), intake.Pending, nil},
		{"a browser's line ends do no harm", strings.ReplaceAll(string(signed), "\n", "\r\n"), intake.Pending, nil},
		{"another due date under a stolen key is found out",
			forged(func(s *ledger.Statement) { s.DueAt = s.DueAt.Add(-24 * time.Hour) }), intake.Absent, nil},
		{"another digest under a stolen key is found out",
			forged(func(s *ledger.Statement) { s.Digest = hex.EncodeToString(sum[:]) }), intake.Absent, nil},
		{"an inquiry that never was is found out",
			forged(func(s *ledger.Statement) { s.Inquiry = post.InquiryID(post.NewID()) }), intake.Absent, nil},
		{"a changed letter breaks the signature", strings.Replace(string(signed), "engdal", "fjordby", 1), "", post.FaultStatement},
		{"what a key signed that the log does not vouch for is refused", stranger.Statement, "", post.FaultStatement},
		{"it does not help to bring one's own certificate", string(strangersFile), "", post.FaultStatement},
		{"noise is refused", "hello", "", post.FaultStatement},
		{"broken JSON is refused", "{\"statement\":", "", post.FaultStatement},
		{"too much is refused", strings.Repeat("x", 70_000), "", post.FaultStatement},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, place, err := r.CheckStatement(t.Context(), test.pasted)
			if place != test.place || !errors.Is(err, test.want) || (test.want == nil) != (err == nil) {
				t.Errorf("got %q, %v; want %q, %v", place, err, test.place, test.want)
			}
		})
	}
	r.store.Erase(q.ID)
	if _, place, err := r.CheckStatement(t.Context(), string(signed)); place != intake.Erased || err != nil {
		t.Errorf("after the purge: %q, %v", place, err)
	}
}

// strangersReceipt is a receipt signed by somebody else, with its certificate.
func strangersReceipt(t *testing.T, q intake.Inquiry) intake.SignedReceipt {
	t.Helper()
	other, err := intaketest.NewSigning()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ledger.SignStatement(ledger.Statement{Reference: q.Reference, Tenant: q.Tenant, Inquiry: q.ID, AcceptedAt: q.AcceptedAt}, other.Key)
	if err != nil {
		t.Fatal(err)
	}
	return intake.SignedReceipt{Statement: string(signed), Certificate: string(other.Cert)}
}

func knownKeys(t *testing.T, r room) ledger.Verifiers {
	t.Helper()
	known, err := ledger.Known(r.config.Signing.VKey)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func TestPurgeRemovesExpiredDraftsWithTheirFiles(t *testing.T) {
	r := newRoom(t)
	p, d := r.filled(t, "nancy", post.ToDPO)
	if _, err := r.Attach(t.Context(), p, "a.txt", strings.NewReader("hej")); err != nil {
		t.Fatal(err)
	}
	if life := time.Until(d.ExpiresAt); life > intake.DraftLife || life < intake.DraftLife-time.Minute {
		t.Errorf("the draft lives %v", life)
	}
	if err := r.Purge(t.Context()); err != nil || len(r.store.Drafts()) != 1 {
		t.Fatalf("a fresh draft was purged: %v", err)
	}
	row := r.store.Drafts()[0]
	row.ExpiresAt = time.Now().Add(-time.Second)
	if err := r.store.SaveDraft(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if err := r.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.store.Drafts()) != 0 || len(r.blobs.Names()) != 0 {
		t.Error("an expired draft is still there")
	}
}

func TestDraftOfAnotherRunIsDropped(t *testing.T) {
	r := newRoom(t)
	p, _ := r.filled(t, "nancy", post.ToDPO)
	if _, err := r.Attach(t.Context(), p, "a.txt", strings.NewReader("hej")); err != nil {
		t.Fatal(err)
	}
	again := newRoom(t) // another ring, as after a restart
	again.config.Drafts, again.config.Blobs, again.config.IndexKey = r.store, r.blobs, r.config.IndexKey
	desk, err := intake.New(again.config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Draft(t.Context(), p); !errors.Is(err, post.ErrNotFound) {
		t.Fatal(err)
	}
	if len(r.store.Drafts()) != 0 || len(r.blobs.Names()) != 0 {
		t.Error("what nobody can open was kept")
	}
}
