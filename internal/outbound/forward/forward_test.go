package forward_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/forward"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// blobs keeps sealed bytes in memory.
type blobs map[string][]byte

func (b blobs) Put(_ context.Context, write func(io.Writer) error) (string, []byte, int64, error) {
	var buf bytes.Buffer
	if err := write(&buf); err != nil {
		return "", nil, 0, err
	}
	name := fmt.Sprintf("blob-%d", len(b))
	b[name] = buf.Bytes()
	sum := sha256.Sum256(buf.Bytes())
	return name, sum[:], int64(buf.Len()), nil
}

func (b blobs) Get(_ context.Context, name string) (io.ReadCloser, error) {
	c, ok := b[name]
	if !ok {
		return nil, post.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(c)), nil
}

// store holds one inquiry and what became of it, with a fence as the database has.
type store struct {
	mail    letter.Mail
	held    bool
	fence   int64
	due     time.Time
	letters map[post.LetterID]letter.Accepted
	keys    map[string][]byte
	broken  error // ForwardInquiry answers it and keeps nothing
	lost    error // ForwardInquiry keeps everything and answers it
}

func (s *store) Lease(_ context.Context, kind queue.Kind, id string, _ time.Duration) (queue.Lease, bool, error) {
	if s.held || len(s.letters) > 0 {
		return queue.Lease{}, false, nil
	}
	s.held, s.fence = true, s.fence+1
	return queue.Lease{Kind: kind, ID: id, Fence: s.fence}, true, nil
}

func (s *store) Release(_ context.Context, l queue.Lease, due time.Time) error {
	if l.Fence == s.fence {
		s.held, s.due = false, due
	}
	return nil
}

func (s *store) InquiryToForward(_ context.Context, l queue.Lease) (letter.Mail, error) {
	if l.Fence != s.fence || string(s.mail.ID) != l.ID {
		return letter.Mail{}, post.ErrStale
	}
	return s.mail, nil
}

func (s *store) ForwardInquiry(_ context.Context, l queue.Lease, a letter.Accepted) error {
	if s.broken != nil {
		return s.broken
	}
	if l.Fence != s.fence {
		return post.ErrStale
	}
	if _, twice := s.letters[a.ID]; !twice {
		s.letters[a.ID] = a
	}
	return s.lost
}

func (s *store) PutDataKey(_ context.Context, id string, wrapped []byte) error {
	s.keys[id] = wrapped
	return nil
}

func (s *store) WrappedDataKey(_ context.Context, id string) ([]byte, error) { return s.keys[id], nil }

type bell struct{ rings []queue.Ring }

func (b *bell) Ring(_ context.Context, r queue.Ring) error {
	b.rings = append(b.rings, r)
	return errors.New("redis is away")
}

// office is a forwarder with one inquiry of a person and its attachments.
type office struct {
	*store
	blobs
	bell
	id        *age.HybridIdentity
	forwarder *forward.Forwarder
	log       bytes.Buffer
	who       persona.Persona
}

func newOffice(t *testing.T, attachments ...string) *office {
	t.Helper()
	o := &office{store: &store{letters: map[post.LetterID]letter.Accepted{}, keys: map[string][]byte{}}, blobs: blobs{}}
	o.who, _ = persona.By("nancy")
	var err error
	if o.id, err = age.GenerateHybridIdentity(); err != nil {
		t.Fatal(err)
	}
	o.mail = letter.Mail{ID: post.InquiryID(post.NewID()), Tenant: "engdal", Reference: "SP-0000-0000"}
	var parts []seal.Part
	for _, a := range attachments {
		parts = append(parts, seal.Part{Name: a, MediaType: "application/pdf", Size: int64(len(a)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(a)), nil }})
	}
	var digest [32]byte
	sealed, err := seal.Stream(t.Context(), o.blobs, []age.Recipient{o.id.Recipient()}, func(w io.Writer) error {
		var err error
		digest, err = seal.Pack(w, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: "engdal", Object: string(o.mail.ID)}, seal.Message{
			Kind: post.Question, Road: post.ToDigitalPost, Language: "da", Subject: "Om min sag", Text: "Linje et\nLinje to",
			Person:     post.PersonRecord{Actor: post.PartyRecord{IDType: "CPR", ID: o.who.CPR, Name: o.who.Name}},
			AcceptedAt: time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC), Reference: o.mail.Reference}, parts)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	o.mail.Header, o.mail.Blob, o.mail.Digest = sealed.Header, sealed.Blob, digest[:]
	o.forwarder, err = forward.New(forward.Config{Store: o.store, Blobs: o.blobs, Identity: o.id, Dispatcher: o.id.Recipient(), IndexKey: make([]byte, 32),
		Tenants: persona.Tenants(), Bell: &o.bell, Log: slog.New(slog.NewTextHandler(&o.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) forward(t *testing.T) {
	t.Helper()
	if err := o.forwarder.Forward(t.Context(), o.mail.ID); err != nil {
		t.Fatal(err)
	}
}

func TestInquiryBecomesALetterToTheMunicipalitysOwnContactPoint(t *testing.T) {
	o := newOffice(t, "bilag-1.pdf", "bilag-2.pdf")
	o.forward(t)
	id := post.ForwardedLetterID(o.mail.ID)
	a, ok := o.letters[id]
	if !ok || len(o.letters) != 1 || a.Inquiry != o.mail.ID || !a.DigitalOnly || a.Tenant != "engdal" || len(a.Documents) != 3 {
		t.Fatalf("letters: %+v", o.letters)
	}
	opener := unseal.Opener{unseal.DataKeys(t.Context(), o.store, o.id)}
	clear, err := opener.Small(a.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	to, err := letter.ReadRecipient(clear)
	tenant := persona.Tenants()[0]
	if err != nil || to.IDType != "CVR" || to.ID != string(tenant.CVR) || to.ContactPoint != tenant.ContactPoint {
		t.Errorf("recipient %s %s at %s, %v", to.IDType, to.ID, to.ContactPoint, err)
	}
	if clear, err = opener.Small(a.Content); err != nil {
		t.Fatal(err)
	}
	c, err := letter.ReadContent(clear)
	if err != nil || c.Originator == nil || c.Originator.ID != o.who.CPR || c.Title != "Om min sag" {
		t.Fatalf("content without its originator, or %v", err)
	}
	for i, d := range c.Documents {
		rc, err := o.blobs.Get(t.Context(), a.Documents[i].Blob)
		if err != nil {
			t.Fatal(err)
		}
		r, err := opener.Payload(a.Documents[i].Header, rc)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != d.SHA256 || int64(len(b)) != a.Documents[i].Clear {
			t.Errorf("document %d is not what its digest says", i+1)
		}
		if i == 0 && (!strings.Contains(string(b), "Linje et\r\nLinje to") || !strings.Contains(string(b), o.who.Name)) {
			t.Error("the message does not read as it was written")
		}
		if i > 0 && string(b) != d.Filename {
			t.Errorf("attachment %d is another", i)
		}
	}
	if len(o.rings) != 1 || o.rings[0].ID != string(id) {
		t.Errorf("rings: %v", o.rings)
	}
	if strings.Contains(o.log.String(), o.who.CPR) || strings.Contains(o.log.String(), o.who.Name) || strings.Contains(o.log.String(), "Om min sag") {
		t.Error("the log names the person or the matter")
	}
}

func TestForwardingTwiceMakesTheSameLetter(t *testing.T) {
	o := newOffice(t)
	// The commit's answer is lost: the next one finds the letter under its
	// derived id and leaves it as it is.
	o.lost = errors.New("connection reset")
	o.forward(t)
	first := o.letters[post.ForwardedLetterID(o.mail.ID)]
	o.lost, o.held = nil, false
	kept := o.letters
	o.letters = map[post.LetterID]letter.Accepted{}
	o.forward(t)
	for id := range o.letters {
		if _, ok := kept[id]; !ok {
			t.Errorf("a second letter %s beside %s", id, first.ID)
		}
	}
	second := o.letters[first.ID]
	if !bytes.Equal(second.Digest, first.Digest) {
		t.Error("the same inquiry has another content digest the second time")
	}
}

func TestAnInquiryThatFailsStaysAndIsTriedAgain(t *testing.T) {
	for name, spoil := range map[string]func(*office){
		"the database refuses":       func(o *office) { o.broken = errors.New("disk full") },
		"the blob is gone":           func(o *office) { delete(o.blobs, o.mail.Blob) },
		"the blob was changed":       func(o *office) { o.blobs[o.mail.Blob][100] ^= 1 },
		"another content was sealed": func(o *office) { o.mail.Digest = make([]byte, 32) },
		"it is of another tenant":    func(o *office) { o.mail.Tenant = "fjordby" },
		"the tenant is unknown":      func(o *office) { o.mail.Tenant = "nowhere" },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, "bilag.pdf")
			spoil(o)
			o.forward(t)
			if len(o.letters) != 0 || len(o.rings) != 0 {
				t.Fatal("a letter was made all the same")
			}
			if o.held || time.Until(o.due) < 30*time.Second || time.Until(o.due) > 2*time.Minute {
				t.Errorf("held %t, due in %s", o.held, time.Until(o.due))
			}
			if strings.Contains(o.log.String(), o.who.CPR) || !strings.Contains(o.log.String(), "inquiry not forwarded") {
				t.Errorf("log: %s", o.log.String())
			}
		})
	}
}

func TestOneWhoComesTooLateDoesNothing(t *testing.T) {
	o := newOffice(t)
	o.held = true
	o.forward(t)
	o.held = false
	o.broken = post.ErrStale // another dispatcher took the lease over meanwhile
	o.forward(t)
	if len(o.letters) != 0 || !o.due.IsZero() {
		t.Error("a stale worker changed something")
	}
}

func TestEveryGapIsNamed(t *testing.T) {
	_, err := forward.New(forward.Config{})
	for _, gap := range []string{"Store", "Blobs", "Identity", "Dispatcher", "IndexKey", "Tenants", "Bell", "Log"} {
		if !strings.Contains(fmt.Sprint(err), gap) {
			t.Errorf("%s is not named", gap)
		}
	}
}
