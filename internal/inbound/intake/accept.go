package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// A Copy is what the person may see of the content shortly after acceptance.
// It is sealed under the portal's ring and dropped after [CopyLife].
type Copy struct {
	Subject string     `json:"subject"`
	Text    string     `json:"text"`
	Files   []SentFile `json:"files"`
}

// A SentFile is one file as the receipt page names it.
type SentFile struct {
	Name   string  `json:"name"`
	Size   int64   `json:"size"`
	SHA256 []byte  `json:"sha256"`
	Scan   Verdict `json:"scan"`
}

// Accept takes the person's draft with this id as an inquiry. subject is the
// heading the recipient reads on the road to a DPO (the topic in words);
// language is "da" or "en". It returns only once everything is durable.
//
// Repeating it, also at the same time from two windows, yields the inquiry
// that the first made. A draft that is incomplete, gone or somebody else's is
// refused and changes nothing.
func (d *Desk) Accept(ctx context.Context, p post.Person, id, subject, language string) (Inquiry, error) {
	draft, err := d.Draft(ctx, p)
	if errors.Is(err, post.ErrNotFound) || err == nil && draft.ID != id {
		return d.acceptedBefore(ctx, p, id)
	}
	if err != nil {
		return Inquiry{}, err
	}
	if err := draft.Missing(); err != nil {
		return Inquiry{}, err
	}
	if draft.Road == post.ToDigitalPost {
		subject = draft.Subject
	}
	var a Accepted
	for n := 1; ; n++ {
		if a, err = d.prepare(ctx, p, draft, subject, language); err != nil {
			return Inquiry{}, err
		}
		if err = d.Inquiries.AcceptInquiry(ctx, a); !errors.Is(err, ErrReferenceTaken) || n == Drawings {
			break
		}
		d.deleteBlobs(ctx, a.Object.Blob)
	}
	if err == nil {
		for _, f := range draft.Files {
			d.deleteBlobs(ctx, f.Blob)
		}
		return a.Inquiry, nil
	}
	if !errors.Is(err, post.ErrStale) {
		// The commit may have succeeded although its answer was lost; only
		// what is certainly not in use may go.
		if own, lookErr := d.acceptedBefore(context.WithoutCancel(ctx), p, id); lookErr == nil {
			return own, nil
		} else if !errors.Is(lookErr, post.FaultDraftGone) {
			return Inquiry{}, fmt.Errorf("accept inquiry %s: %w", id, err)
		}
		d.deleteBlobs(ctx, a.Object.Blob)
		return Inquiry{}, fmt.Errorf("accept inquiry %s: %w", id, err)
	}
	d.deleteBlobs(ctx, a.Object.Blob)
	own, lookErr := d.acceptedBefore(ctx, p, id)
	if errors.Is(lookErr, post.FaultDraftGone) {
		return Inquiry{}, post.FaultStale // another tab changed the draft; nothing was sent
	}
	return own, lookErr
}

// acceptedBefore returns the inquiry that this draft became, or says that the
// draft is gone.
func (d *Desk) acceptedBefore(ctx context.Context, p post.Person, id string) (Inquiry, error) {
	q, err := d.Inquiries.OwnInquiry(ctx, id, d.own(p))
	if errors.Is(err, post.ErrNotFound) {
		return Inquiry{}, post.FaultDraftGone
	}
	if err != nil {
		return Inquiry{}, fmt.Errorf("look up inquiry %s: %w", id, err)
	}
	return q, nil
}

// prepare seals everything and signs the statement. After it only the
// transaction is left.
func (d *Desk) prepare(ctx context.Context, p post.Person, f Draft, subject, language string) (Accepted, error) {
	tenant := d.tenants[f.Tenant]
	event := ledger.New("inquiry.accepted", f.Tenant, f.ID)
	event.Actor = "person"
	q := Inquiry{
		ID: post.InquiryID(f.ID), Reference: post.NewReference(), Tenant: f.Tenant, Road: f.Road, Kind: f.Kind,
		State: post.InquiryWaiting, AcceptedAt: event.At, DueAt: Due(f.Road, f.Kind, event.At), Attachments: len(f.Files),
	}
	recipients := d.Inboxes[tenant.Inbox]
	if f.Road == post.ToDigitalPost {
		q.State, recipients = post.InquiryForwarding, d.Dispatcher
	}
	event.Outcome = string(q.State)
	object, digest, err := d.pack(ctx, p, f, q, recipients, subject, language)
	if err != nil {
		return Accepted{}, fmt.Errorf("seal inquiry %s: %w", f.ID, err)
	}
	q.Digest = digest[:]
	a := Accepted{
		Inquiry: q, Inbox: tenant.Inbox, Version: f.version, Object: object, Event: event,
		PersonIndex: d.own(p)[f.Tenant], Forward: f.Road == post.ToDigitalPost, CopyUntil: event.At.Add(CopyLife),
	}
	if err := d.sealSmall(&a, p, f, subject); err != nil {
		d.deleteBlobs(ctx, object.Blob)
		return Accepted{}, err
	}
	return a, nil
}

// pack writes the inquiry's package straight from the sealed draft into the
// seal of its readers; the clear text is in memory only, a buffer at a time.
func (d *Desk) pack(ctx context.Context, p post.Person, f Draft, q Inquiry, to []age.Recipient, subject, language string) (o seal.Object, digest [32]byte, err error) {
	facts := seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: string(q.Tenant), Object: string(q.ID)}
	message := seal.Message{
		Kind: q.Kind, Road: q.Road, Language: language, Subject: subject, Text: f.Text,
		Person: p.Record(), AcceptedAt: q.AcceptedAt, Reference: q.Reference,
	}
	var parts []seal.Part
	for _, a := range f.Files {
		parts = append(parts, seal.Part{
			Name: a.Name, MediaType: a.MediaType, Size: a.Size,
			Open: func() (io.ReadCloser, error) { return d.openAttachment(ctx, a) },
		})
	}
	o, err = seal.Stream(ctx, d.Blobs, to, func(w io.Writer) (err error) {
		digest, err = seal.Pack(w, facts, message, parts)
		return err
	})
	return o, digest, err
}

// openAttachment reads a sealed file of the draft. The reader fails when the
// bytes are not those that were checked.
func (d *Desk) openAttachment(ctx context.Context, a Attachment) (io.ReadCloser, error) {
	blob, err := d.Blobs.Get(ctx, a.Blob)
	if err != nil {
		return nil, fmt.Errorf("open attachment %s: %w", a.ID, err)
	}
	defer blob.Close()
	plain, err := d.Ring.Payload(a.Header, blob)
	if err != nil {
		return nil, fmt.Errorf("open attachment %s: %w", a.ID, err)
	}
	// A file is at most Limits.Bytes; holding it keeps the digest check before
	// the first byte goes out.
	data, err := io.ReadAll(io.LimitReader(plain, d.Limits.Bytes+1))
	if err != nil {
		return nil, fmt.Errorf("open attachment %s: %w", a.ID, err)
	}
	if sum := sha256.Sum256(data); !bytes.Equal(sum[:], a.SHA256) {
		return nil, fmt.Errorf("open attachment %s: digest differs from what was checked", a.ID)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// sealSmall fills in what the row itself carries sealed or signed.
func (d *Desk) sealSmall(a *Accepted, p post.Person, f Draft, subject string) error {
	id := a.Inquiry.ID
	person, err := json.Marshal(p.Record())
	if err != nil {
		return fmt.Errorf("encode person of inquiry %s: %w", id, err)
	}
	if a.Person, err = seal.Small(person, d.Dispatcher...); err != nil {
		return fmt.Errorf("seal person of inquiry %s: %w", id, err)
	}
	sent := Copy{Subject: subject, Text: f.Text}
	for _, x := range f.Files {
		sent.Files = append(sent.Files, SentFile{x.Name, x.Size, x.SHA256, x.Scan})
	}
	copied, err := json.Marshal(sent)
	if err != nil {
		return fmt.Errorf("encode copy of inquiry %s: %w", id, err)
	}
	if a.Copy, err = d.Ring.Small(copied); err != nil {
		return fmt.Errorf("seal copy of inquiry %s: %w", id, err)
	}
	if a.Statement, err = ledger.SignStatement(a.Inquiry.Statement(), d.Signing.Key); err != nil {
		return err
	}
	// The statement holds the content digest, so the event vouches for both.
	a.Event.Digest = ledger.StatementDigest(a.Statement)
	return nil
}
