// Package forward carries an inquiry to the municipality's own Digital Post: it
// opens the sealed inquiry and makes a letter of it, from the tenant's system
// to the tenant's own contact point, with the party concerned named as
// originator, so that the answer goes there and not to who wrote for it.
//
// It refuses an inquiry whose content is not what was accepted. When anything
// fails the inquiry stays where it is and is tried again, for ever: the person
// holds a receipt. Forwarding twice makes the same letter.
//
// It opens seals, so only dispatcher links it; what the database needs to know
// of its records stands in package letter.
package forward

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
	"sikkerpost.dk/gateway/internal/vault/unseal"
)

// Store keeps inquiries on the Digital Post road. Each method is one
// transaction and answers [post.ErrStale] when the lease is not the newest.
type Store interface {
	Lease(ctx context.Context, kind queue.Kind, id string, d time.Duration) (queue.Lease, bool, error)
	Release(ctx context.Context, l queue.Lease, due time.Time) error
	// InquiryToForward reads an inquiry that is being forwarded.
	InquiryToForward(ctx context.Context, l queue.Lease) (letter.Mail, error)
	// ForwardInquiry keeps the letter, unless it exists, moves the inquiry to
	// forwarded, and makes the letter's job instead of the inquiry's.
	ForwardInquiry(ctx context.Context, l queue.Lease, a letter.Accepted) error
	PutDataKey(ctx context.Context, id string, wrapped []byte) error
}

// Blobs yields and takes sealed bytes.
type Blobs interface {
	seal.Putter
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
}

// Config is what a [Forwarder] needs.
type Config struct {
	Store      Store
	Blobs      Blobs
	Identity   age.Identity  // opens mail
	Dispatcher age.Recipient // letters are sealed to it
	IndexKey   []byte
	Tenants    []post.Tenant
	Bell       letter.Bell
	Log        *slog.Logger
}

// A Forwarder makes letters of inquiries to the municipality's Digital Post:
// from the tenant's system to the tenant's own contact point, the person named
// as originator. Forwarding twice makes the same letter.
type Forwarder struct {
	Config
	keys    *letter.Keys
	tenants map[post.TenantID]post.Tenant
}

// New returns a forwarder, or an error that names every gap of c.
func New(c Config) (*Forwarder, error) {
	var gaps []error
	for _, g := range []struct {
		ok   bool
		what string
	}{
		{c.Store != nil, "Store"}, {c.Blobs != nil, "Blobs"}, {c.Identity != nil, "Identity"}, {c.Dispatcher != nil, "Dispatcher"},
		{len(c.IndexKey) == 32, "IndexKey of 32 bytes"}, {len(c.Tenants) > 0, "Tenants"}, {c.Bell != nil, "Bell"}, {c.Log != nil, "Log"},
	} {
		if !g.ok {
			gaps = append(gaps, errors.New("forward: "+g.what+" is required"))
		}
	}
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	f := &Forwarder{Config: c, keys: letter.NewKeys(c.Dispatcher, c.Store.PutDataKey), tenants: map[post.TenantID]post.Tenant{}}
	for _, t := range c.Tenants {
		f.tenants[t.ID] = t
	}
	return f, nil
}

// leaseTime bounds one forwarding: opening and sealing at most some tens of MB.
const leaseTime = 2 * time.Minute

// pause is how long a failed forwarding rests. It is tried for ever:
// the person holds a receipt, so the inquiry may not be given up by rule.
const pause = time.Minute

// Forward makes the letter of one inquiry. It does nothing when somebody else
// holds the inquiry or nothing is left to do.
//
// Crash before commit: the inquiry is still forwarding, and sealed objects that
// no row names are left to retention. After: the letter exists under its
// derived id and goes its own way.
func (f *Forwarder) Forward(ctx context.Context, id post.InquiryID) error {
	l, ok, err := f.Store.Lease(ctx, queue.ForwardInquiry, string(id), leaseTime)
	if err != nil || !ok {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTime*9/10)
	defer cancel()
	a, err := f.make(ctx, l)
	if err == nil {
		err = f.Store.ForwardInquiry(ctx, l, a)
	}
	if errors.Is(err, post.ErrStale) || errors.Is(err, errNothing) {
		return nil
	}
	if err != nil {
		f.Log.ErrorContext(ctx, "inquiry not forwarded", slog.String("inquiry", string(id)), slog.Any("error", err))
		return f.Store.Release(context.WithoutCancel(ctx), l, time.Now().Add(pause))
	}
	f.Log.InfoContext(ctx, "inquiry forwarded", slog.String("inquiry", string(id)), slog.String("letter", string(a.ID)))
	if err := f.Bell.Ring(ctx, queue.Ring{Kind: queue.AdvanceLetter, ID: string(a.ID)}); err != nil {
		f.Log.WarnContext(ctx, "ring lost", slog.String("letter", string(a.ID)), slog.Any("error", err))
	}
	return nil
}

// errNothing says that the inquiry is not waiting to be forwarded. A blob that
// is not there is no such thing: that is reported and tried again.
var errNothing = errors.New("nothing to forward")

// make opens the inquiry and seals the letter that carries it.
func (f *Forwarder) make(ctx context.Context, l queue.Lease) (letter.Accepted, error) {
	m, err := f.Store.InquiryToForward(ctx, l)
	if errors.Is(err, post.ErrNotFound) {
		return letter.Accepted{}, errNothing
	}
	if err != nil {
		return letter.Accepted{}, err
	}
	tenant, ok := f.tenants[m.Tenant]
	if !ok {
		return letter.Accepted{}, post.FaultTenant
	}
	key, err := f.keys.Current(ctx)
	if err != nil {
		return letter.Accepted{}, err
	}
	rc, err := f.Blobs.Get(ctx, m.Blob)
	if err != nil {
		return letter.Accepted{}, fmt.Errorf("get inquiry %s: %w", m.ID, err)
	}
	defer rc.Close()
	clear, err := unseal.Payload(m.Header, rc, f.Identity)
	if err != nil {
		return letter.Accepted{}, fmt.Errorf("open inquiry %s: %w", m.ID, err)
	}
	p, err := unseal.Unpack(clear, seal.Facts{V: seal.Version, Kind: "inquiry", Tenant: string(m.Tenant), Object: string(m.ID)})
	if err != nil {
		return letter.Accepted{}, fmt.Errorf("unpack inquiry %s: %w", m.ID, err)
	}
	a := letter.Accepted{ID: post.ForwardedLetterID(m.ID), Reference: post.NewReference(), Tenant: m.Tenant, Client: "dispatcher",
		Inquiry: m.ID, DigitalOnly: true}
	c, err := f.documents(ctx, key, p, m, &a)
	if err != nil {
		return letter.Accepted{}, fmt.Errorf("inquiry %s: %w", m.ID, err)
	}
	if sum := p.Digest(); string(sum[:]) != string(m.Digest) {
		return letter.Accepted{}, fmt.Errorf("inquiry %s: content is not what was accepted", m.ID)
	}
	to := post.PartyRecord{IDType: "CVR", ID: string(tenant.CVR), Name: tenant.Name, ContactPoint: tenant.ContactPoint}
	if a.Digest, err = letter.Digest(f.IndexKey, m.Tenant, letter.Told{Recipient: &to, Inquiry: m.ID, Content: c}); err != nil {
		return letter.Accepted{}, err
	}
	if a.Recipient, err = letter.SealJSON(to, key); err != nil {
		return letter.Accepted{}, err
	}
	a.Content, err = letter.SealJSON(c, key)
	return a, err
}

// documents seals the message as the main document and each attachment after it.
func (f *Forwarder) documents(ctx context.Context, key age.Recipient, p *unseal.Package, m letter.Mail, a *letter.Accepted) (letter.Content, error) {
	text := render(p.Message)
	main, err := letter.SealBytes(ctx, f.Blobs, key, text)
	if err != nil {
		return letter.Content{}, err
	}
	sum := sha256.Sum256(text)
	a.Documents = []letter.Sealed{main}
	docs := []letter.ContentDocument{{Filename: "henvendelse-" + m.Reference + ".txt", Label: title(p.Message), MediaType: "text/plain",
		Language: p.Message.Language, SHA256: hex.EncodeToString(sum[:])}}
	for {
		part, r, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return letter.Content{}, err
		}
		if len(docs) > post.MaxAdditionalDocuments {
			return letter.Content{}, post.FaultLetterDocuments
		}
		h := sha256.New()
		var n int64
		o, err := seal.Stream(ctx, f.Blobs, []age.Recipient{key}, func(w io.Writer) error {
			n, err = io.Copy(io.MultiWriter(w, h), r)
			return err
		})
		if err != nil {
			return letter.Content{}, fmt.Errorf("seal attachment: %w", err)
		}
		a.Documents = append(a.Documents, letter.Sealed{Object: o, Clear: n})
		docs = append(docs, letter.ContentDocument{Filename: part.Name, Label: part.Name, MediaType: part.MediaType,
			Language: p.Message.Language, SHA256: hex.EncodeToString(h.Sum(nil))})
	}
	c := letter.NewContent(title(p.Message), docs)
	// The answer goes to the originator; the text names who wrote, too.
	concerned := p.Message.Person.Subject()
	c.Originator = &concerned
	return c, nil
}

// title is the subject, or the reference when the person gave none.
func title(m seal.Message) string {
	if letter.CheckTitle(m.Subject) == nil {
		return m.Subject
	}
	return "Henvendelse " + m.Reference
}

// render writes the message as the plain text that the municipality reads. It
// is Danish, the language of the authority, whatever the person's page was.
func render(m seal.Message) []byte {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	line("Henvendelse", m.Reference)
	line("Modtaget", m.AcceptedAt.UTC().Format("2006-01-02 15:04 UTC"))
	line("Fra", m.Person.Actor.Name)
	line(m.Person.Actor.IDType, m.Person.Actor.ID)
	if o := m.Person.OnBehalfOf; o != nil {
		line("På vegne af", o.Name)
		line(o.IDType, o.ID)
	}
	line("Emne", m.Subject)
	b.WriteString("\r\n")
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(m.Text, "\r\n", "\n"), "\n", "\r\n"))
	b.WriteString("\r\n")
	return []byte(b.String())
}
