// Package batch takes many letters with one approval (masseforsendelse). Lines
// announce their documents by digest; documents follow, each once however many
// lines share it; closing turns every line into a held letter; approval by a
// second person releases them.
//
// It refuses a batch with a faulty line and names every fault at once; a
// document that no line announces or whose bytes have another digest; closing
// while documents are missing; approval by the submitter. The same key with the
// same lines is the same batch and changes nothing.
//
// Ids of letters are drawn when the batch is opened, and each line is sealed
// then, so closing and releasing copy rows in transactions of 100 and go on
// after a crash where they stopped.
package batch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// MaxLines is how many lines one batch may have.
const MaxLines = 10_000

// State is where a batch stands.
type State string

// The states of a batch.
const (
	Open     State = "open"     // takes documents
	Closing  State = "closing"  // lines become letters
	Closed   State = "closed"   // every line is a held letter; waits for approval
	Approved State = "approved" // letters are being released
	Released State = "released" // every letter is on its way
)

// A Line is one letter of the batch: one recipient, one document.
type Line struct {
	Key       string           `json:"key"` // the caller's key of the letter, unique within the tenant
	Recipient post.PartyRecord `json:"recipient"`
	Title     string           `json:"title"`
	Filename  string           `json:"filename"`
	SHA256    string           `json:"sha256"` // hex, of the document's bytes
	Language  string           `json:"language,omitempty"`
}

// A View is what may be shown of a batch.
type View struct {
	ID        post.BatchID             `json:"id"`
	Tenant    post.TenantID            `json:"tenant"`
	State     State                    `json:"state"`
	Lines     int                      `json:"lines"`
	Missing   []string                 `json:"missing,omitempty"` // digests of documents not yet here, at most 1,000
	Letters   map[post.LetterState]int `json:"letters,omitempty"`
	Submitter post.ClientID            `json:"submitter"`
	Approver  post.ClientID            `json:"approver,omitempty"`
	OpenedAt  time.Time                `json:"opened_at"`
	Repeated  bool                     `json:"repeated,omitempty"` // the key and the lines were known already
}

// Opened is what [Store] keeps of a new batch.
type Opened struct {
	ID     post.BatchID
	Tenant post.TenantID
	Client post.ClientID
	Key    []byte // keyed index of the caller's key
	Digest []byte // keyed digest of all lines
	Lines  []SealedLine
}

// SealedLine is a line as the database has it.
type SealedLine struct {
	N         int // from 1
	Letter    post.LetterID
	Reference string
	Key       []byte // keyed index of the line's key
	Digest    []byte // keyed digest of the letter's content
	Document  string // hex SHA-256
	Recipient []byte // sealed [post.PartyRecord]
	Content   []byte // sealed [letter.Content]
}

// Store keeps batches. Each method is one transaction.
type Store interface {
	// OpenBatch keeps a batch with its lines. When the key is taken it changes
	// nothing and returns the first batch with Repeated set, or
	// [post.FaultBatchKeyUsed] when that one has other lines. Lines whose keys
	// name letters already are refused with [post.FaultLineKeyUsed], all named.
	OpenBatch(ctx context.Context, o Opened) (View, error)
	// BatchView returns a batch, or [post.ErrNotFound].
	BatchView(ctx context.Context, tenant post.TenantID, id post.BatchID) (View, error)
	// PutBatchDocument keeps a sealed document that the batch waits for. One
	// that is here already is left as it is.
	PutBatchDocument(ctx context.Context, tenant post.TenantID, id post.BatchID, sha256 string, doc letter.Sealed) error
	// CloseBatch moves an open batch to closing, or answers
	// [post.FaultDocumentsMissing]; and makes held letters of up to n lines. It
	// returns how many lines are left; at 0 the batch is closed.
	CloseBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, n int) (left int, err error)
	// ApproveBatch records the approval of a closed batch (when approver is not
	// "") and releases up to n held letters. It returns how many are left.
	ApproveBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, approver post.ClientID, n int) (left int, err error)
}

// Config is what a [Desk] needs.
type Config struct {
	Store      Store
	PutDataKey func(ctx context.Context, id string, wrapped []byte) error
	Blobs      seal.Putter
	Dispatcher age.Recipient
	IndexKey   []byte // 32 bytes
	Tenants    []post.Tenant
	Log        *slog.Logger
}

// A Desk takes batches.
type Desk struct {
	Config
	keys    *letter.Keys
	tenants map[post.TenantID]bool
}

// New returns a desk, or an error that names every gap of c.
func New(c Config) (*Desk, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, errors.New("batch: "+what+" is required"))
		}
	}
	need(c.Store != nil, "Store")
	need(c.PutDataKey != nil, "PutDataKey")
	need(c.Blobs != nil, "Blobs")
	need(c.Dispatcher != nil, "Dispatcher")
	need(len(c.IndexKey) == 32, "IndexKey of 32 bytes")
	need(len(c.Tenants) > 0, "Tenants")
	need(c.Log != nil, "Log")
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	d := &Desk{Config: c, keys: letter.NewKeys(c.Dispatcher, c.PutDataKey), tenants: map[post.TenantID]bool{}}
	for _, t := range c.Tenants {
		d.tenants[t.ID] = true
	}
	return d, nil
}
