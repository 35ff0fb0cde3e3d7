package dispatch

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"sync"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
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
