package intake_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
)

// crowded is a store in which so many references that are drawn are another's.
type crowded struct {
	intake.Inquiries
	taken int
	asked []intake.Accepted
}

func (c *crowded) AcceptInquiry(ctx context.Context, a intake.Accepted) error {
	c.asked = append(c.asked, a)
	if len(c.asked) <= c.taken {
		return intake.ErrReferenceTaken
	}
	return c.Inquiries.AcceptInquiry(ctx, a)
}

func TestAReferenceThatIsTakenIsDrawnAgainBeforeItIsSealedAndSigned(t *testing.T) {
	for _, road := range []post.Road{post.ToDPO, post.ToDigitalPost} {
		var c *crowded
		r := newRoom(t, func(cf *intake.Config) {
			c = &crowded{Inquiries: cf.Inquiries, taken: 2}
			cf.Inquiries = c
		})
		p, d := r.filled(t, "nancy", road)
		q, err := r.Accept(t.Context(), p, d.ID, "Aktindsigt", "da")
		if err != nil {
			t.Fatal(err)
		}
		if len(c.asked) != 3 || q.Reference != c.asked[2].Inquiry.Reference || q.Reference == c.asked[0].Inquiry.Reference || q.Reference == c.asked[1].Inquiry.Reference {
			t.Fatalf("asked %d times, at last %s", len(c.asked), q.Reference)
		}
		if last := c.asked[2]; !bytes.Contains(last.Statement, []byte(q.Reference)) || bytes.Equal(last.Inquiry.Digest, c.asked[1].Inquiry.Digest) {
			t.Error("the statement, or what is sealed, bears the reference of another")
		}
		for _, a := range c.asked[:2] { // nothing of the former is left
			if _, err := r.blobs.Get(t.Context(), a.Object.Blob); !errors.Is(err, post.ErrNotFound) {
				t.Errorf("what was sealed under a reference that is taken is kept: %v", err)
			}
		}
	}
}

func TestReferencesThatAreAllTakenAreAFaultAndTheDraftStays(t *testing.T) {
	var c *crowded
	r := newRoom(t, func(cf *intake.Config) {
		c = &crowded{Inquiries: cf.Inquiries, taken: 1000}
		cf.Inquiries = c
	})
	p, d := r.filled(t, "nancy", post.ToDPO)
	if _, err := r.Accept(t.Context(), p, d.ID, "Aktindsigt", "da"); !errors.Is(err, intake.ErrReferenceTaken) || len(c.asked) != intake.Drawings {
		t.Fatalf("after %d drawings: %v", len(c.asked), err)
	}
	if have, err := r.Draft(t.Context(), p); err != nil || have.ID != d.ID {
		t.Errorf("the draft: %v", err)
	}
}
