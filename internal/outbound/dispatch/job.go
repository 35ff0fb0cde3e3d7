package dispatch

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

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
		kept := r.run.document(sealed, signed.Size, signed.SHA256) // now: a form may be rendered beside the run, which goes on
		j.Documents = append(j.Documents, Document{
			Filename: d.Filename, Label: d.Label, MediaType: d.MediaType, Language: d.Language,
			Size: signed.Size, SHA256: signed.SHA256,
			Open: func() (io.ReadCloser, error) {
				if kept != nil {
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
