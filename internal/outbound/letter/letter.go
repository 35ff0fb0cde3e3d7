// Package letter takes a letter (brev) into the house: one letter, one
// recipient, one main document and up to ten more. It validates, seals and
// commits; the caller gets an id only when letter, documents, job and ledger
// entry are durable together.
//
// It refuses everything that is not a readable, unprotected PDF within the
// size limits, and a key of the caller's that was used for other content. The
// same key with the same content is answered with the first letter.
//
// Nothing is on disk in clear. Title, recipient, file names and the digests of
// the documents are one sealed value; each document is a sealed object. The
// caller's own key is kept as a keyed index, because callers put case numbers,
// and worse, into it.
//
// A reply names an inquiry and no recipient: the sealed identity of the person
// is copied from the inquiry as it is, and whoever replies never sees it. It
// goes to the person whom the inquiry concerns: the company rather than its
// employee, the grantor of a power of attorney rather than the holder.
//
// On failure nothing of the letter exists, except sealed objects that no row
// refers to; retention removes those.
package letter

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Limits of one letter.
const (
	MaxDocument = 25 << 20 // bytes of one document
	MaxLetter   = 70 << 20 // bytes of all documents together
	maxAhead    = 366 * 24 * time.Hour
)

// A Document is one file as the caller gives it. The first of a submission is
// the main document.
type Document struct {
	Filename  string // plain name, no path
	Label     string // shown to the recipient; the file name when empty
	MediaType string // application/pdf, or empty for the same
	Language  string // two letters; "da" when empty
	// Open yields the bytes. It is called twice and must yield the same.
	Open func() (io.ReadCloser, error)
}

// A Submission asks for one letter to be sent.
type Submission struct {
	Tenant post.TenantID
	Client post.ClientID
	// BusinessKey is the caller's own key, unique within the tenant: a repeated
	// request repeats it and gets the first letter.
	BusinessKey string
	Title       string
	// Recipient, or Inquiry for a reply: exactly one of the two.
	Recipient *post.PartyRecord
	Inquiry   post.InquiryID
	Documents []Document
	// NotBefore holds the letter back until then; zero means at once.
	NotBefore time.Time
	// Arrive is the latest day of arrival; "" is none.
	Arrive post.Day
	// Urgent letters (breach notifications, GDPR art. 34) have a lane of their
	// own, so that they never wait behind a month-end.
	Urgent bool
	// Registered: on paper, by registered post (rekommanderet). It says nothing
	// of a letter that Digital Post takes.
	Registered bool
}

// A Receipt says that a letter is durable.
type Receipt struct {
	ID        post.LetterID    `json:"id"`
	Reference string           `json:"reference"`
	State     post.LetterState `json:"state"`
	Repeated  bool             `json:"repeated"` // the key and the content were known already
	// Timing is said of a new letter with a latest day of arrival.
	Timing Timing `json:"timing,omitempty"`
}

// Accepted is what [Store] keeps of a letter.
type Accepted struct {
	ID        post.LetterID
	Reference string
	Tenant    post.TenantID
	Client    post.ClientID
	Key       []byte // keyed index of the caller's key; nil when there is none
	Digest    []byte // keyed digest of the content
	Inquiry   post.InquiryID
	Recipient []byte // sealed [post.PartyRecord]; nil for a reply
	Content   []byte // sealed [Content]
	NotBefore time.Time
	Documents []Sealed
	// DigitalOnly: the recipient is the tenant's own contact point; never paper.
	DigitalOnly bool
	Arrive      post.Day
	Urgent      bool
	Registered  bool
}

// Sealed is one document under seal.
type Sealed struct {
	seal.Object
	Clear int64 // bytes of the plaintext
}

// First is the letter that a key named first.
type First struct {
	ID        post.LetterID
	Reference string
	State     post.LetterState
	Digest    []byte
	Batch     post.BatchID // that it came in; "" when it came by itself
}

// A Bell wakes a worker. A ring that is lost costs time, nothing else.
type Bell interface {
	Ring(ctx context.Context, r queue.Ring) error
}

// Store keeps letters. Each method is one transaction: all of it happens or
// nothing does.
type Store interface {
	// PutDataKey keeps a wrapped data key; a key is stored before its first use.
	PutDataKey(ctx context.Context, id string, wrapped []byte) error
	// LetterByKey finds the letter that key named first, or [post.ErrNotFound].
	LetterByKey(ctx context.Context, tenant post.TenantID, key []byte) (First, error)
	// AcceptLetter keeps a letter, its documents, its job and its ledger entry,
	// and moves the inquiry that it answers. When key is taken it changes
	// nothing and returns the first letter and fresh=false. An inquiry that
	// cannot be answered is [post.FaultNotAnswerable]; one of another tenant is
	// [post.ErrNotFound].
	AcceptLetter(ctx context.Context, a Accepted) (first First, fresh bool, err error)
}

// Config is what a [Desk] needs.
type Config struct {
	Store      Store
	Records    Records
	Holds      Holds // nil: this desk places none
	Blobs      seal.Putter
	Dispatcher age.Recipient // letters are sealed to it
	IndexKey   []byte        // 32 bytes; the database does not hold it
	Tenants    []post.Tenant
	Bell       Bell
	Log        *slog.Logger
	// Preflight looks at documents as they will be printed; nil: nobody does.
	Preflight *preflight.Checker

	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// NewID and NewReference name a new letter; nil is [post.NewID] and
	// [post.NewReference].
	NewID, NewReference func() string
}

// A Desk takes letters and shows them.
type Desk struct {
	Config
	keys    *Keys
	tenants map[post.TenantID]post.Tenant
	reading chan struct{} // bounds how many documents are held in memory
}

// New returns a desk, or an error that names every gap of c.
func New(c Config) (*Desk, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, errors.New("letter: "+what+" is required"))
		}
	}
	need(c.Store != nil, "Store")
	need(c.Records != nil, "Records")
	need(c.Blobs != nil, "Blobs")
	need(c.Dispatcher != nil, "Dispatcher")
	need(len(c.IndexKey) == 32, "IndexKey of 32 bytes")
	need(len(c.Tenants) > 0, "Tenants")
	need(c.Bell != nil, "Bell")
	need(c.Log != nil, "Log")
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = post.NewID
	}
	if c.NewReference == nil {
		c.NewReference = post.NewReference
	}
	d := &Desk{Config: c, tenants: map[post.TenantID]post.Tenant{}, reading: make(chan struct{}, 2)}
	d.keys = NewKeys(c.Dispatcher, c.Store.PutDataKey)
	for _, t := range c.Tenants {
		d.tenants[t.ID] = t
	}
	return d, nil
}
