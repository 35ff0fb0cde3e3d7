// Package intake takes what a person sends in: it keeps a draft, checks
// attachments, and accepts an inquiry (henvendelse).
//
// A draft lives at most 24 hours, sealed under a key that exists only in the
// memory of the portal. An attachment is checked in this order, and each step
// may only tighten: size, name, magic, structure, malware, then it is sealed.
// Nothing is ever on disk in clear. Accepting is one transaction: the inquiry,
// its sealed content, its ledger entry and the job that continues it stand
// together or not at all, and only then does the person see a receipt.
//
// It refuses what the faults POST-3nnn name, and a draft of somebody else is
// [post.ErrNotFound]. A draft's id becomes the inquiry's id, so that sending
// the same form twice makes one inquiry and shows one receipt.
//
// On failure nothing half-done is visible: sealed bytes that no record names
// are deleted, and if even that fails they stay unreadable, because the age
// header that opens them was never stored.
package intake

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// DraftLife is how long a draft may live, from its first word; the key that
// opens it lives no longer.
const DraftLife = 24 * time.Hour

// CopyLife is how long the person can fetch a copy of what was sent.
const CopyLife = 15 * time.Minute

// A Ring seals what the portal itself must read again, under keys that live
// only in memory and at most 24 hours. What it sealed under a dropped key
// cannot be opened again by anybody.
type Ring interface {
	Recipient() age.Recipient
	Small(plaintext []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)
	Payload(header []byte, payload io.Reader) (io.Reader, error)
}

// Blobs keeps sealed bytes. Put is durable on return; deleting a blob that
// does not exist is no error.
type Blobs interface {
	seal.Putter
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
	Delete(ctx context.Context, blob string) error
}

// A DraftRow is a draft as the database keeps it.
type DraftRow struct {
	ID        string // UUIDv7; becomes the inquiry's id
	Owner     []byte // keyed index of the person
	Version   int64  // 0 before it is first stored
	ExpiresAt time.Time
	Body      []byte   // sealed under the portal's ring
	Blobs     []string // sealed attachments, for whoever cleans up without a key
}

// Drafts keeps one open draft per owner.
type Drafts interface {
	// OpenDraft returns the owner's draft, or [post.ErrNotFound].
	OpenDraft(ctx context.Context, owner []byte) (DraftRow, error)
	// SaveDraft stores d when the stored version is d.Version (0: none is
	// stored), and answers [post.ErrStale] otherwise.
	SaveDraft(ctx context.Context, d DraftRow) error
	// DropDraft removes the draft when its version still is version, else
	// [post.ErrStale].
	DropDraft(ctx context.Context, id string, version int64) error
	// ExpiredDrafts returns up to n drafts that expired before now.
	ExpiredDrafts(ctx context.Context, now time.Time, n int) ([]DraftRow, error)
	// DropCopies removes the receipt copies that expired before now.
	DropCopies(ctx context.Context, now time.Time) error
}

// Accepted is everything that one acceptance writes.
type Accepted struct {
	Inquiry     Inquiry
	Inbox       post.InboxID
	Version     int64 // of the draft that it came from; the draft goes
	Object      seal.Object
	PersonIndex []byte
	Person      []byte // sealed [post.PersonRecord]
	Statement   []byte // signed, as the person gets it
	Event       ledger.Event
	Forward     bool   // postpone the job inquiry.forward
	Copy        []byte // sealed under the portal's ring
	CopyUntil   time.Time
}

// ErrReferenceTaken says that another inquiry bears the reference that was drawn.
// It has 35 bits, so among many thousands that happens now and then. It is sealed
// and signed with the inquiry, so another one is drawn before that is done again.
var ErrReferenceTaken = errors.New("intake: another inquiry bears this reference")

// Drawings is how often a reference is drawn before it is called a fault.
const Drawings = 8

// Inquiries keeps accepted inquiries and answers for the person's own.
type Inquiries interface {
	// AcceptInquiry writes a in one transaction. It answers [post.ErrStale]
	// when the draft has moved on or is gone, and [ErrReferenceTaken]; in both
	// cases nothing is written.
	AcceptInquiry(ctx context.Context, a Accepted) error
	// OwnInquiry returns the inquiry with this id or reference when its person
	// index is one of own, else [post.ErrNotFound].
	OwnInquiry(ctx context.Context, idOrReference string, own map[post.TenantID][]byte) (Inquiry, error)
	// OwnInquiries returns all such inquiries, newest first.
	OwnInquiries(ctx context.Context, own map[post.TenantID][]byte) ([]Inquiry, error)
}

// Receipts keeps what the person got in hand.
type Receipts interface {
	// InquiryStatement returns the signed statement of an inquiry.
	InquiryStatement(ctx context.Context, id post.InquiryID) ([]byte, error)
	// AcceptanceEvent returns the id of the ledger event that recorded the
	// acceptance, or [post.ErrNotFound].
	AcceptanceEvent(ctx context.Context, id post.InquiryID) (string, error)
	// InquiryCopy returns the sealed copy, or [post.ErrNotFound] once it expired.
	InquiryCopy(ctx context.Context, id post.InquiryID, now time.Time) ([]byte, error)
}

// An Inquiry is what may be shown of an accepted inquiry without opening it.
type Inquiry struct {
	ID          post.InquiryID
	Reference   string
	Tenant      post.TenantID
	Road        post.Road
	Kind        post.InquiryKind
	State       post.InquiryState
	AcceptedAt  time.Time
	DueAt       time.Time // zero on the Digital Post road
	Digest      []byte    // content digest, SHA-256
	Attachments int
	// Letter is where the last answer stands, and Channel on which it is; "" when
	// there is none.
	Letter  post.LetterState
	Channel post.Channel
}

// Config is what a [Desk] needs; every field but Limits is required.
type Config struct {
	Drafts    Drafts
	Inquiries Inquiries
	Receipts  Receipts
	Ledger    ledger.ProofSource
	Blobs     Blobs
	Ring      Ring
	Tenants   []post.Tenant
	// Inboxes gives the public recipients of each DPO office.
	Inboxes map[post.InboxID][]age.Recipient
	// Dispatcher opens the person's identity, and mail to the municipality.
	Dispatcher []age.Recipient
	IndexKey   []byte // 32 bytes; keyed look-up of persons
	Signing    Signing
	Scanner    Scanner
	Log        *slog.Logger
	Limits     Limits
}

// A Desk takes inquiries. It is safe for concurrent use.
type Desk struct {
	Config
	tenants map[post.TenantID]post.Tenant
	checks  chan struct{} // a slot for each attachment that may be in memory
}

// New returns a desk, or an error that names every gap of c.
func New(c Config) (*Desk, error) {
	var gaps []error
	need := func(ok bool, name string) {
		if !ok {
			gaps = append(gaps, errors.New("intake: "+name+" is required"))
		}
	}
	need(c.Drafts != nil, "Drafts")
	need(c.Inquiries != nil, "Inquiries")
	need(c.Blobs != nil, "Blobs")
	need(c.Ring != nil, "Ring")
	need(len(c.Tenants) > 0, "Tenants")
	need(len(c.Dispatcher) > 0, "Dispatcher")
	need(len(c.IndexKey) == 32, "IndexKey of 32 bytes")
	need(c.Receipts != nil, "Receipts")
	need(c.Ledger != nil, "Ledger")
	if err := c.Signing.check(time.Now()); err != nil {
		gaps = append(gaps, err)
	}
	need(c.Scanner != nil, "Scanner")
	need(c.Log != nil, "Log")
	tenants := map[post.TenantID]post.Tenant{}
	for _, t := range c.Tenants {
		need(len(c.Inboxes[t.Inbox]) > 0, "Inboxes entry "+string(t.Inbox)+" of tenant "+string(t.ID))
		tenants[t.ID] = t
	}
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	c.Limits = c.Limits.orDefault()
	return &Desk{Config: c, tenants: tenants, checks: make(chan struct{}, c.Limits.Parallel)}, nil
}
