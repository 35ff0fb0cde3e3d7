package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// opened is a letter in clear, in memory, for the length of one step.
type opened struct {
	content   letter.Content
	recipient post.PartyRecord
	terms     func() (terms, error)
}

// terms are what a manifest says of an opened letter. They follow from what was
// opened and from nothing else.
type terms struct {
	recipient, title [32]byte
	documents        []verify.Document // without their sizes
}

// termsOf commits to content and recipient.
func termsOf(c letter.Content, recipient post.PartyRecord) (t terms, err error) {
	if t.recipient, err = verify.CommitRecipient(c.Salt, recipient); err != nil {
		return t, err
	}
	t.title = verify.Commit(c.Salt, "title", c.Title)
	t.documents = make([]verify.Document, 0, len(c.Documents))
	for i, d := range c.Documents {
		sum, err := hex.DecodeString(d.SHA256)
		if err != nil || len(sum) != 32 {
			return t, fmt.Errorf("%w: content names no digest", verify.ErrNotProven)
		}
		t.documents = append(t.documents, verify.Document{
			Filename: verify.CommitFilename(c.Salt, i+1, d.Filename), MediaType: d.MediaType, SHA256: [32]byte(sum),
		})
	}
	return t, nil
}

func (a *Advancer) open(r Record) (opened, error) {
	if o, ok := r.run.letter(r); ok {
		return o, nil
	}
	var o opened
	b, err := a.Opener.Small(r.Content)
	if err != nil {
		return o, fmt.Errorf("open content: %w", err)
	}
	if o.content, err = letter.ReadContent(b); err != nil {
		return o, fmt.Errorf("%w: %w", post.ErrPermanent, err)
	}
	if b, err = a.Opener.Small(r.Recipient); err != nil {
		return o, fmt.Errorf("open recipient: %w", err)
	}
	if o.recipient, err = letter.ReadRecipient(b); err != nil {
		return o, fmt.Errorf("%w: %w", post.ErrPermanent, err)
	}
	if len(o.content.Documents) != len(r.Documents) {
		return o, fmt.Errorf("%w: letter has %d documents, its content names %d", verify.ErrNotProven, len(r.Documents), len(o.content.Documents))
	}
	content, recipient := o.content, o.recipient
	o.terms = sync.OnceValues(func() (terms, error) { return termsOf(content, recipient) })
	r.run.keepLetter(r, o)
	return o, nil
}

// manifest returns what the letter's signature must cover.
func (a *Advancer) manifest(r Record, o opened, at time.Time) (verify.Manifest, error) {
	t, err := o.terms()
	if err != nil {
		return verify.Manifest{}, err
	}
	m := verify.Manifest{
		Letter: r.ID, Reference: r.Reference, Tenant: r.Tenant, CVR: a.tenants[r.Tenant].CVR, SignedAt: at.UTC().Truncate(time.Second),
		Recipient: t.recipient, Title: t.title, Documents: slices.Clone(t.documents),
	}
	for i := range m.Documents {
		m.Documents[i].Size = r.Documents[i].Clear
	}
	return m, nil
}

// throughSigned: nothing outside happens between signing and the look-up.
var throughSigned = []Passage{{State: post.LetterSigned}}

// sign signs the manifest, after every document was read and found to be what
// the content says.
//
// Crash before commit: nothing is kept; it is signed again. After: signed; the
// kept signature is the one that counts.
func (a *Advancer) sign(ctx context.Context, l queue.Lease, r Record) (bool, error) {
	o, err := a.open(r)
	if err != nil {
		return false, err
	}
	if r.Manifest != nil {
		// A letter that a person let go on: its signature still stands.
		if _, err := a.check(ctx, r, o); err != nil {
			return false, err
		}
		return true, r.run.goOn(r, Move{Through: throughSigned, To: post.LetterAwaitingLookup, Manifest: r.Manifest}, a.Now())
	}
	at, whole := a.Now(), (*signedBatch)(nil)
	if r.Policy == post.SignBatch { // signed already, with all of its batch
		if whole, err = a.signedBatch(ctx, r.Batch); err != nil {
			return false, err
		}
		at = whole.root.SignedAt
	}
	m, err := a.manifest(r, o, at)
	if err != nil {
		return false, err
	}
	if err := a.checkDocuments(ctx, r, m); err != nil {
		return false, err
	}
	var signed []byte
	if whole != nil {
		signed, err = whole.form(r.Line, m)
	} else {
		signed, err = a.Signer.Sign(m)
	}
	if err != nil {
		return false, err
	}
	a.passed(r.State)
	return true, r.run.goOn(r, Move{Through: throughSigned, To: post.LetterAwaitingLookup, Manifest: signed}, a.Now())
}

// check verifies signature, commitments and every document, and returns what
// was signed. Nothing is rendered that has not passed here in the same step.
func (a *Advancer) check(ctx context.Context, r Record, o opened) (verify.Manifest, error) {
	m, err := a.Check(r.Manifest)
	if err != nil {
		return m, err
	}
	want, err := a.manifest(r, o, m.SignedAt)
	if err != nil {
		return m, err
	}
	if !same(m, want) {
		return m, fmt.Errorf("%w: the signature is for another letter", verify.ErrNotProven)
	}
	return m, a.checkDocuments(ctx, r, m)
}

func same(a, b verify.Manifest) bool {
	if len(a.Documents) != len(b.Documents) {
		return false
	}
	for i := range a.Documents {
		if a.Documents[i] != b.Documents[i] {
			return false
		}
	}
	return a.Letter == b.Letter && a.Reference == b.Reference && a.Tenant == b.Tenant && a.CVR == b.CVR &&
		a.SignedAt.Equal(b.SignedAt) && a.Recipient == b.Recipient && a.Title == b.Title
}

// checkDocuments reads every document of r and finds it to be what m says. What
// it has found so in this run is in memory, under its digest.
func (a *Advancer) checkDocuments(ctx context.Context, r Record, m verify.Manifest) error {
	for i, d := range m.Documents {
		if err := a.checkDocument(ctx, r.run, r.Documents[i], d); err != nil {
			return fmt.Errorf("document %d: %w", i+1, err)
		}
	}
	return nil
}

func (a *Advancer) checkDocument(ctx context.Context, kept *run, s letter.Sealed, d verify.Document) error {
	if kept.document(s, d.Size, d.SHA256) != nil {
		return nil
	}
	rc, err := a.payload(ctx, s)
	if err != nil {
		return err
	}
	defer rc.Close()
	room := kept.room(d.Size)
	if room == nil {
		return d.Bytes(rc)
	}
	if err := d.Into(room.b, rc); err != nil {
		return err
	}
	kept.keepDocument(s, d.SHA256, room)
	return nil
}

// payload opens a sealed document.
func (a *Advancer) payload(ctx context.Context, s letter.Sealed) (io.ReadCloser, error) {
	rc, err := a.Blobs.Get(ctx, s.Blob)
	if err != nil {
		return nil, fmt.Errorf("get blob: %w", err)
	}
	clear, err := a.Opener.Payload(s.Header, rc)
	if err != nil {
		rc.Close()
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{clear, rc}, nil
}

// job makes the carrier's job. It depends on nothing but the letter, the
// channel, the generation and the time of the intent.
func (a *Advancer) job(ctx context.Context, r Record, o opened, m verify.Manifest, created time.Time) Job {
	t := a.tenants[r.Tenant]
	j := Job{
		Tenant: t, Letter: r.ID, Reference: r.Reference, Channel: r.Channel, Generation: r.Generation, Registered: r.Registered, Batch: r.Batch,
		MessageID: post.DerivedID(r.ID, r.Channel, r.Generation), CreatedAt: created.UTC(),
		Label: o.content.Title, Recipient: o.recipient, Originator: o.content.Originator, run: r.run,
	}
	switch {
	case r.DigitalOnly: // answers go to the person, who is the originator
	case r.Inquiry != "":
		j.SenderContactPoint = t.DPOContactPoint
	default:
		j.SenderContactPoint = t.ContactPoint
	}
	for i, d := range o.content.Documents {
		signed, sealed := m.Documents[i], r.Documents[i]
		j.Documents = append(j.Documents, Document{
			Filename: d.Filename, Label: d.Label, MediaType: d.MediaType, Language: d.Language,
			Size: signed.Size, SHA256: signed.SHA256,
			Open: func() (io.ReadCloser, error) {
				if kept := r.run.document(sealed, signed.Size, signed.SHA256); kept != nil {
					return kept.reader(), nil
				}
				rc, err := a.payload(ctx, sealed)
				if err != nil {
					return nil, err
				}
				return &exact{r: rc, c: rc, left: signed.Size, want: signed.SHA256, h: sha256.New(), bad: verify.ErrNotProven}, nil
			},
		})
	}
	return j
}

// exact gives bytes on only when they are exactly left bytes with the digest
// want. The last byte is held back until both are known.
type exact struct {
	r    io.Reader
	c    io.Closer
	left int64
	want [32]byte
	h    hash.Hash
	bad  error
	held []byte // the last byte, before the check
	err  error
}

// Read implements io.Reader.
func (e *exact) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if e.left > 1 {
		n, err := e.r.Read(p[:min(int64(len(p)), e.left-1)])
		e.h.Write(p[:n])
		e.left -= int64(n)
		if errors.Is(err, io.EOF) {
			e.err = e.bad // too short
			return n, e.err
		}
		if err != nil {
			e.err = err
		}
		return n, err
	}
	if err := e.finish(); err != nil {
		e.err = err
		return 0, err
	}
	e.err = io.EOF
	return copy(p, e.held), nil
}

// finish reads the last byte and the end, and compares.
func (e *exact) finish() error {
	last := make([]byte, e.left+1)
	n, err := io.ReadFull(e.r, last)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if int64(n) != e.left {
		return e.bad
	}
	e.h.Write(last[:n])
	if [32]byte(e.h.Sum(nil)) != e.want {
		return e.bad
	}
	e.held = last[:n]
	return nil
}

// Close implements io.Closer.
func (e *exact) Close() error { return e.c.Close() }
