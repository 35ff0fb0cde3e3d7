package letter

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Submit takes one letter. On success the letter is durable and its receipt
// says so; on failure there is no letter.
//
// The documents are read twice: once for their digests, so that a repeated
// submission costs no sealing; once to check and seal them. Bytes that differ
// between the two are refused.
func (d *Desk) Submit(ctx context.Context, s Submission) (Receipt, error) {
	content, err := d.check(s)
	if err != nil {
		return Receipt{}, err
	}
	if err := d.announce(s, &content); err != nil {
		return Receipt{}, err
	}
	if s.Recipient != nil {
		r := NormalRecipient(*s.Recipient)
		s.Recipient = &r
	}
	digest, err := Digest(d.IndexKey, s.Tenant, Told{Recipient: s.Recipient, Inquiry: s.Inquiry, Content: content, Arrive: s.Arrive, Registered: s.Registered})
	if err != nil {
		return Receipt{}, err
	}
	key := KeyIndex(d.IndexKey, s.Tenant, s.BusinessKey)
	first, err := d.Store.LetterByKey(ctx, s.Tenant, key)
	if err == nil {
		return repeated(first, digest)
	}
	if !errors.Is(err, post.ErrNotFound) {
		return Receipt{}, fmt.Errorf("submit letter: %w", err)
	}
	// Only now: a letter that is here already may be asked after when its day is
	// over, or its carrier another.
	budget, timed, err := CheckArrive(string(s.Arrive), s.NotBefore, d.Now(), d.tenants[s.Tenant].TimesBy(""))
	if err != nil {
		return Receipt{}, err
	}
	if s.Registered && !d.tenants[s.Tenant].Registered {
		return Receipt{}, post.FaultRegistered
	}
	a := Accepted{
		ID: post.LetterID(d.NewID()), Reference: d.NewReference(), Tenant: s.Tenant, Client: s.Client,
		Key: key, Digest: digest, Inquiry: s.Inquiry, NotBefore: s.NotBefore, Arrive: s.Arrive, Urgent: s.Urgent, Registered: s.Registered,
	}
	if err := d.seal(ctx, s, content, &a); err != nil {
		return Receipt{}, fmt.Errorf("submit letter: %w", err)
	}
	first, fresh, err := d.Store.AcceptLetter(ctx, a)
	if err != nil {
		return Receipt{}, fmt.Errorf("submit letter: %w", err)
	}
	if !fresh {
		return repeated(first, digest)
	}
	d.Log.InfoContext(ctx, "letter accepted", slog.String("letter", string(a.ID)), slog.String("tenant", string(a.Tenant)))
	d.ring(ctx, a.ID, 0)
	r := Receipt{ID: first.ID, Reference: first.Reference, State: first.State}
	if timed {
		r.Timing = budget.Timing(View{State: first.State}, later(d.Now(), s.NotBefore))
	}
	return r, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// repeated answers a submission whose key is known.
func repeated(first First, digest []byte) (Receipt, error) {
	if subtle.ConstantTimeCompare(first.Digest, digest) != 1 {
		which := "letter " + string(first.ID)
		if first.Batch != "" {
			which += " of batch " + string(first.Batch)
		}
		return Receipt{}, post.FaultLetterKeyUsed.At("first used for %s", which)
	}
	return Receipt{ID: first.ID, Reference: first.Reference, State: first.State, Repeated: true}, nil
}

// check refuses what can be refused without reading a document.
func (d *Desk) check(s Submission) (Content, error) {
	if _, ok := d.tenants[s.Tenant]; !ok {
		return Content{}, post.FaultTenant
	}
	if err := CheckKey(s.BusinessKey, post.FaultLetterKey); err != nil {
		return Content{}, err
	}
	if err := CheckTitle(s.Title); err != nil {
		return Content{}, err
	}
	if (s.Recipient == nil) == (s.Inquiry == "") {
		return Content{}, post.FaultLetterRecipient
	}
	if s.Recipient != nil {
		if err := CheckRecipient(*s.Recipient); err != nil {
			return Content{}, err
		}
	}
	if s.NotBefore.Sub(d.Now()) > maxAhead {
		return Content{}, post.FaultNotBefore
	}
	if n := len(s.Documents); n < 1 || n > 1+post.MaxAdditionalDocuments {
		return Content{}, post.FaultLetterDocuments.At("%d documents", n)
	}
	var docs []ContentDocument
	for i, doc := range s.Documents {
		c, err := Describe(doc.Filename, doc.Label, doc.MediaType, doc.Language)
		if err != nil {
			return Content{}, at(err, i)
		}
		docs = append(docs, c)
	}
	return NewContent(s.Title, docs), nil
}

// announce reads the documents a first time, for their sizes and digests.
func (d *Desk) announce(s Submission, c *Content) error {
	var total int64
	for i, doc := range s.Documents {
		r, err := doc.Open()
		if err != nil {
			return fmt.Errorf("open document %d: %w", i+1, err)
		}
		h := sha256.New()
		n, err := io.Copy(h, io.LimitReader(r, MaxDocument+1))
		r.Close()
		if err != nil {
			return fmt.Errorf("read document %d: %w", i+1, err)
		}
		if n > MaxDocument {
			return at(post.FaultDocumentSize, i)
		}
		if total += n; total > MaxLetter {
			return post.FaultLetterSize
		}
		c.Documents[i].SHA256 = hex.EncodeToString(h.Sum(nil))
	}
	return nil
}

// seal reads the documents a second time, checks and seals them, then seals
// content and recipient.
func (d *Desk) seal(ctx context.Context, s Submission, c Content, a *Accepted) error {
	key, err := d.keys.Current(ctx)
	if err != nil {
		return err
	}
	pages := 0
	for i := range s.Documents {
		sealed, n, err := d.sealDocument(ctx, key, s, i, c.Documents[i].SHA256)
		if err != nil {
			return at(err, i)
		}
		pages += n
		a.Documents = append(a.Documents, sealed)
	}
	if err := d.Preflight.Fits(s.Tenant, pages); err != nil {
		return err
	}
	if a.Content, err = SealJSON(c, key); err != nil {
		return err
	}
	if s.Recipient != nil {
		a.Recipient, err = SealJSON(*s.Recipient, key)
	}
	return err
}

// sealDocument reads, checks and seals the i-th document. It returns its pages,
// where the tenant's documents are looked at as paper; else 0.
func (d *Desk) sealDocument(ctx context.Context, key age.Recipient, s Submission, i int, digest string) (Sealed, int, error) {
	select { // at most cap(reading) documents are in memory
	case d.reading <- struct{}{}:
		defer func() { <-d.reading }()
	case <-ctx.Done():
		return Sealed{}, 0, ctx.Err()
	}
	r, err := s.Documents[i].Open()
	if err != nil {
		return Sealed{}, 0, fmt.Errorf("open document: %w", err)
	}
	defer r.Close()
	b, err := ReadPDF(r)
	if err != nil {
		return Sealed{}, 0, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != digest {
		return Sealed{}, 0, post.FaultDocumentChanged
	}
	look := preflight.Document{Content: b}
	if s.Recipient != nil && i == 0 {
		look.Address = preflight.WindowLines(*s.Recipient)
	}
	pages, err := d.Preflight.One(ctx, s.Tenant, look, i == 0)
	if err != nil {
		return Sealed{}, 0, err
	}
	sealed, err := SealBytes(ctx, d.Blobs, key, b)
	return sealed, pages, err
}

// SealBytes seals b as an object of its own.
func SealBytes(ctx context.Context, p seal.Putter, key age.Recipient, b []byte) (Sealed, error) {
	o, err := seal.Stream(ctx, p, []age.Recipient{key}, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return Sealed{}, fmt.Errorf("seal document: %w", err)
	}
	return Sealed{Object: o, Clear: int64(len(b))}, nil
}

// SealJSON seals the JSON form of v as one small value.
func SealJSON(v any, key age.Recipient) ([]byte, error) {
	clear, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode sealed value: %w", err)
	}
	sealed, err := seal.Small(clear, key)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	return sealed, nil
}

// ring wakes a worker. A lost ring is made up for by the sweeper. The first
// ring of a letter is attempt 0.
func (d *Desk) ring(ctx context.Context, id post.LetterID, attempt int64) {
	if err := d.Bell.Ring(context.WithoutCancel(ctx), queue.Ring{Kind: queue.AdvanceLetter, ID: string(id), Attempt: attempt}); err != nil {
		d.Log.WarnContext(ctx, "ring lost", slog.String("letter", string(id)), slog.Any("error", err))
	}
}

// at says which document, counted from 1, a fault speaks of.
func at(err error, i int) error {
	var f *post.Fault
	var place *post.Refusal
	switch {
	case errors.As(err, &place) && place.Detail != "":
		return place.Fault.At("document %d, %s", i+1, place.Detail)
	case errors.As(err, &f):
		return f.At("document %d", i+1)
	}
	return fmt.Errorf("document %d: %w", i+1, err)
}
