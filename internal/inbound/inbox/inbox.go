// Package inbox is where inquiries wait for a DPO and are taken over. It
// lists, leases, opens and acknowledges.
//
// A lease is the sole right to open and settle one inquiry, for five minutes
// at a time. Its token is opaque, belongs to one client and one lease, and
// stands for a fencing number that grows with every lease: when a lease has
// run out anybody may take the next, and the old token is refused from then on
// ([post.FaultLeaseOver]), whatever its holder believes. Two tools never hold
// the same inquiry; the second is told so ([post.FaultInquiryHeld]).
//
// Custody is "tool" only: content leaves as it was sealed, the age header
// followed by the payload, and this package could not open it. The tool opens
// it with its own key, computes the content digest, and acknowledges with it;
// another digest changes nothing ([post.FaultDigest]).
//
// Each step is one compare-and-swap and one ledger event in one transaction.
// Each opening is an event too ("inquiry.opened"): the person can see it.
// Nothing here ever deletes an inquiry, and nothing that waits expires. An
// inbox sees only its own inquiries on the road to the DPO; any other is not
// found ([post.FaultNotFound]).
package inbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// LeaseTime is how long a lease lasts, and how far each extension reaches.
const LeaseTime = 5 * time.Minute

// MaxPage is the most entries that one page holds.
const MaxPage = 500

// Caller is a client and the inbox that it may see.
type Caller struct {
	Client post.ClientID
	Inbox  post.InboxID
}

// Entry is one inquiry, without its content.
type Entry struct {
	ID          post.InquiryID
	Reference   string
	Tenant      post.TenantID
	Kind        post.InquiryKind
	State       post.InquiryState // a lease that ran out counts as waiting
	AcceptedAt  time.Time
	DueAt       time.Time
	Attachments int
	Size        int64     // bytes of sealed content, header included
	SettledAt   time.Time // acknowledged or rejected
	Reason      string
	Letter      post.LetterID // the last reply
	Digest      []byte        // content digest, fixed at accept
	Lease       Lease         // the newest, over or not
}

// Lease is a lease as it is kept: the token's secret only as a hash.
type Lease struct {
	Client post.ClientID
	Fence  int64
	Secret string // hex SHA-256
	Until  time.Time
}

// Query chooses a page of entries, ordered by (DueAt, ID).
type Query struct {
	Inbox  post.InboxID
	States []post.InquiryState
	Tenant post.TenantID // "" is every one
	After  Key
	Limit  int
	Now    time.Time // leases that ended before count as waiting
}

// Key is a place in the order of a list.
type Key struct {
	DueAt time.Time
	ID    post.InquiryID
}

// Sealed is content as it is kept.
type Sealed struct {
	Header []byte // age header
	Blob   string
	SHA256 []byte // of the payload
	Size   int64  // of the payload
}

// Lister reads. It answers [post.ErrNotFound] for what the inbox may not see.
type Lister interface {
	// Inquiries returns up to q.Limit entries after q.After.
	Inquiries(ctx context.Context, q Query) ([]Entry, error)
	// InquiryEntry returns one entry by id or by reference.
	InquiryEntry(ctx context.Context, inbox post.InboxID, idOrReference string, now time.Time) (Entry, error)
}

// Store moves inquiries. Each method is one transaction that also records e,
// and answers [post.ErrStale], changing nothing, when the inquiry is not (any
// longer) as the method requires.
type Store interface {
	// LeaseInquiry requires that the inquiry waits or its lease ended before
	// now. It returns the new fence, one higher than the last.
	LeaseInquiry(ctx context.Context, inbox post.InboxID, id post.InquiryID, l Lease, now time.Time, e ledger.Event) (int64, error)
	// ExtendInquiryLease requires that held is the newest lease and not over at now.
	ExtendInquiryLease(ctx context.Context, inbox post.InboxID, id post.InquiryID, held Lease, until, now time.Time, e ledger.Event) error
	// OpenInquiry requires the same, and returns where the content is.
	OpenInquiry(ctx context.Context, inbox post.InboxID, id post.InquiryID, held Lease, now time.Time, e ledger.Event) (Sealed, error)
	// SettleInquiry requires the same, and that s.Digest is the content's.
	SettleInquiry(ctx context.Context, inbox post.InboxID, id post.InquiryID, held Lease, s Settlement, e ledger.Event) error
}

// Settlement is how a lease ends well.
type Settlement struct {
	State  post.InquiryState // acknowledged or rejected
	Reason string            // of a rejection
	Digest []byte
	At     time.Time
}

// Blobs gives back sealed payloads.
type Blobs interface {
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
}

// Config is what a Desk needs.
type Config struct {
	Lister Lister
	Store  Store
	Blobs  Blobs
	Log    *slog.Logger
	Lease  time.Duration // [LeaseTime] when 0
}

// Desk serves the inboxes. It is safe for concurrent use.
type Desk struct{ c Config }

// New returns a desk, or names every gap in c.
func New(c Config) (*Desk, error) {
	var gaps []error
	for name, missing := range map[string]bool{
		"Lister": c.Lister == nil, "Store": c.Store == nil, "Blobs": c.Blobs == nil, "Log": c.Log == nil,
	} {
		if missing {
			gaps = append(gaps, fmt.Errorf("inbox: %s is required", name))
		}
	}
	if c.Lease == 0 {
		c.Lease = LeaseTime
	}
	return &Desk{c}, errors.Join(gaps...)
}

// List returns one page, the most urgent first, and the place to go on from.
// The zero After begins; a zero next ends.
func (d *Desk) List(ctx context.Context, who Caller, q Query) (page []Entry, next Key, err error) {
	if q.Limit <= 0 || q.Limit > MaxPage {
		q.Limit = 100
	}
	if len(q.States) == 0 {
		q.States = []post.InquiryState{post.InquiryWaiting, post.InquiryLeased}
	}
	limit := q.Limit
	q.Inbox, q.Now, q.Limit = who.Inbox, time.Now(), limit+1
	page, err = d.c.Lister.Inquiries(ctx, q)
	if err != nil {
		return nil, Key{}, fmt.Errorf("list inbox %s: %w", who.Inbox, err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = Key{page[limit-1].DueAt, page[limit-1].ID}
	}
	return page, next, nil
}

// Find returns one entry by its id or reference.
func (d *Desk) Find(ctx context.Context, who Caller, idOrReference string) (Entry, error) {
	key := strings.ToLower(idOrReference)
	if !post.ValidUUID(key) {
		ref, ok := post.ParseReference(idOrReference)
		if !ok {
			return Entry{}, post.FaultNotFound
		}
		key = ref
	}
	e, err := d.c.Lister.InquiryEntry(ctx, who.Inbox, key, time.Now())
	if errors.Is(err, post.ErrNotFound) {
		return Entry{}, post.FaultNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("find inquiry: %w", err)
	}
	return e, nil
}

// Lease takes the inquiry for who and returns the token of the lease.
func (d *Desk) Lease(ctx context.Context, who Caller, idOrReference string) (Entry, string, error) {
	e, err := d.Find(ctx, who, idOrReference)
	if err != nil {
		return Entry{}, "", err
	}
	secret := make([]byte, 18)
	rand.Read(secret)
	now := time.Now()
	l := Lease{Client: who.Client, Secret: hashed(secret), Until: now.Add(d.c.Lease)}
	l.Fence, err = d.c.Store.LeaseInquiry(ctx, who.Inbox, e.ID, l, now, event("inquiry.leased", who, e, ""))
	if errors.Is(err, post.ErrStale) {
		return Entry{}, "", d.explain(ctx, who, e.ID, Lease{})
	}
	if err != nil {
		return Entry{}, "", fmt.Errorf("lease inquiry %s: %w", e.ID, err)
	}
	d.log(ctx, "inquiry leased", who, e)
	e.State, e.Lease = post.InquiryLeased, l
	return e, token(l.Fence, secret), nil
}

// Extend makes the lease last from now as long as a new one would.
func (d *Desk) Extend(ctx context.Context, who Caller, idOrReference, token string) (Entry, error) {
	e, held, err := d.held(ctx, who, idOrReference, token)
	if err != nil {
		return Entry{}, err
	}
	now := time.Now()
	until := now.Add(d.c.Lease)
	err = d.c.Store.ExtendInquiryLease(ctx, who.Inbox, e.ID, held, until, now, event("inquiry.extended", who, e, ""))
	if errors.Is(err, post.ErrStale) {
		return Entry{}, d.explain(ctx, who, e.ID, held)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("extend lease of inquiry %s: %w", e.ID, err)
	}
	e.State, e.Lease.Until = post.InquiryLeased, until
	return e, nil
}

// Content returns the sealed content under a lease; the opening is on record
// before the first byte is given. The caller closes the payload, whose reader
// fails before its end when the bytes are not those that were accepted.
func (d *Desk) Content(ctx context.Context, who Caller, idOrReference, token string) (Sealed, io.ReadCloser, error) {
	e, held, err := d.held(ctx, who, idOrReference, token)
	if err != nil {
		return Sealed{}, nil, err
	}
	s, err := d.c.Store.OpenInquiry(ctx, who.Inbox, e.ID, held, time.Now(), event("inquiry.opened", who, e, ""))
	if errors.Is(err, post.ErrStale) {
		return Sealed{}, nil, d.explain(ctx, who, e.ID, held)
	}
	if err != nil {
		return Sealed{}, nil, fmt.Errorf("open inquiry %s: %w", e.ID, err)
	}
	r, err := d.c.Blobs.Get(ctx, s.Blob)
	if err != nil {
		return Sealed{}, nil, fmt.Errorf("open inquiry %s: %w", e.ID, err)
	}
	d.log(ctx, "inquiry opened", who, e)
	return s, verified(r, s), nil
}

// Reasons for a rejection. They are codes: a free text could hold anything.
func Reasons() []string {
	return []string{"not-for-us", "not-understood", "duplicate", "unreadable", "abuse"}
}

// Acknowledge settles the inquiry under a lease: reason "" accepts, a reason
// from [Reasons] rejects. Repeating it with the same token, digest and reason
// gives the same answer and changes nothing.
func (d *Desk) Acknowledge(ctx context.Context, who Caller, idOrReference, token string, digest []byte, reason string) (Entry, error) {
	s := Settlement{State: post.InquiryAcknowledged, Digest: digest, At: time.Now().UTC().Truncate(time.Microsecond)}
	if reason != "" {
		if !slices.Contains(Reasons(), reason) {
			return Entry{}, post.FaultReason
		}
		s.State, s.Reason = post.InquiryRejected, reason
	}
	e, held, err := d.held(ctx, who, idOrReference, token)
	if err != nil {
		return Entry{}, err
	}
	ev := event("inquiry."+string(s.State), who, e, reason)
	ev.Digest = hex.EncodeToString(digest)
	err = d.c.Store.SettleInquiry(ctx, who.Inbox, e.ID, held, s, ev)
	if errors.Is(err, post.ErrStale) {
		return d.settledBefore(ctx, who, e.ID, held, s)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("acknowledge inquiry %s: %w", e.ID, err)
	}
	d.log(ctx, "inquiry "+string(s.State), who, e)
	e.State, e.SettledAt, e.Reason = s.State, s.At, s.Reason
	return e, nil
}

// Replyable returns the entry when a reply to it may be submitted.
func (d *Desk) Replyable(ctx context.Context, who Caller, idOrReference string) (Entry, error) {
	e, err := d.Find(ctx, who, idOrReference)
	if err != nil {
		return Entry{}, err
	}
	if !e.State.May(post.InquiryAnswered) {
		return Entry{}, post.FaultNotAnswerable
	}
	return e, nil
}
