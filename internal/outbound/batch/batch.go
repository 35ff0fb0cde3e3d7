// Package batch takes many letters with one approval (masseforsendelse). Lines
// announce their documents by digest; documents follow, each once however many
// lines share it; closing turns every line into a held letter; approval by a
// second person releases them, all at once or a canary first.
//
// Lines come in one piece, or, for a large batch, announced by their number and
// then in parts of a thousand. Neither the desk nor the database reads more
// than a part at a time, so memory does not grow with the batch. Documents come
// one by one, or many in a row that are made durable in groups.
//
// It refuses a batch with a faulty line and names every fault at once; a part
// that was sent before with other lines; a document that no line announces or
// whose bytes have another digest; closing while lines or documents are
// missing; approval by the submitter. The same key with the same lines is the
// same batch and changes nothing.
//
// Ids of letters are drawn and lines are sealed when they come, so closing,
// releasing and stopping copy and move rows in transactions of 100 and go on
// after a crash where they stopped. A paused batch hands over nothing that is
// not on its way already; a stopped one cancels what can be and says how many
// could not.
package batch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Limits of one batch.
const (
	MaxLines     = 10_000  // in one piece
	MaxAnnounced = 100_000 // in parts
	PartLines    = 1_000   // of one part; the last may have fewer
)

// State is where a batch stands.
type State string

// The states of a batch.
const (
	Receiving State = "receiving" // takes parts
	Open      State = "open"      // takes documents
	Closing   State = "closing"   // lines become letters
	Closed    State = "closed"    // every line is a held letter; waits for approval
	Approved  State = "approved"  // letters are being signed and released, or a canary is looked at
	Released  State = "released"  // every letter is on its way
	Stopping  State = "stopping"  // letters that are not handed over are being cancelled
	Stopped   State = "stopped"   // nothing more of it is sent
)

// A Line is one letter of the batch: one recipient, one document.
type Line struct {
	Key       string           `json:"key"` // the caller's key of the letter, unique within the tenant
	Recipient post.PartyRecord `json:"recipient"`
	Title     string           `json:"title"`
	Filename  string           `json:"filename"`
	SHA256    string           `json:"sha256"` // hex, of the document's bytes
	Language  string           `json:"language,omitempty"`
	Arrive    string           `json:"arrive_by,omitempty"` // latest day of arrival, 2026-12-28
	// Registered: on paper, by registered post (rekommanderet), as of
	// [letter.Submission].
	Registered bool `json:"registered,omitempty"`
}

// Options are what may be chosen for a batch. The zero value is the tenant's
// signing policy, the ordinary lane and no canary.
type Options struct {
	Policy post.SigningPolicy
	// Urgent letters (breach notifications, GDPR art. 34) have a lane of their
	// own, so that they never wait behind a month-end.
	Urgent bool
	// Canary is how many letters approval releases; the rest waits for
	// [Desk.Continue]. 0 releases all.
	Canary int
}

// A View is what may be shown of a batch.
type View struct {
	ID        post.BatchID             `json:"id"`
	Tenant    post.TenantID            `json:"tenant"`
	State     State                    `json:"state"`
	Lines     int                      `json:"lines"`
	Received  int                      `json:"received"`
	Parts     []int                    `json:"parts,omitempty"`   // that are here, while receiving
	Missing   []string                 `json:"missing,omitempty"` // digests of documents not yet here, at most 1,000
	Letters   map[post.LetterState]int `json:"letters,omitempty"`
	Policy    post.SigningPolicy       `json:"signing_policy"`
	Signed    bool                     `json:"signed,omitempty"` // under policy batch: the root is signed
	Urgent    bool                     `json:"urgent,omitempty"`
	Canary    int                      `json:"canary,omitempty"`
	Waiting   int                      `json:"waiting,omitempty"` // approved lines that wait for the canary's verdict
	Paused    bool                     `json:"paused,omitempty"`
	Submitter post.ClientID            `json:"submitter"`
	Approver  post.ClientID            `json:"approver,omitempty"`
	OpenedAt  time.Time                `json:"opened_at"`
	Repeated  bool                     `json:"repeated,omitempty"` // the key and the lines were known already
}

// UnderWay is how many of the batch's letters are being handed over, or may have
// been taken by a carrier whose answer was lost: what a pause or a stop comes too
// late for.
func (v View) UnderWay() int {
	return v.Letters[post.LetterHandingOver] + v.Letters[post.LetterOutcomeUnknown]
}

// Opened is what [Store] keeps of a new batch.
type Opened struct {
	Options
	ID     post.BatchID
	Tenant post.TenantID
	Client post.ClientID
	Key    []byte // keyed index of the caller's key
	Digest []byte // keyed digest of what makes it this batch
	Count  int    // lines announced
	Lines  []SealedLine
	// Refuse is why a new batch is not taken: lines that would come too late, or
	// ask for registered post that nobody offers. A batch that is here already is
	// answered as it stands.
	Refuse error
}

// A Part is a slice of the lines of an announced batch.
type Part struct {
	N      int // from 1
	Digest []byte
	Lines  []SealedLine
	Refuse error // as of [Opened]
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
	Arrive    post.Day
	// Registered: the letter of the line asks for registered post.
	Registered bool
}

// Intake keeps batches that come in. Each method is one transaction.
type Intake interface {
	// OpenBatch keeps a batch: with its lines (state open), or without
	// (receiving). When the key is taken it changes nothing and returns the
	// first batch with Repeated set, or [post.FaultBatchKeyUsed] when that one
	// has other lines. Lines whose keys name letters already are refused with
	// [post.FaultLineKeyUsed], all named.
	OpenBatch(ctx context.Context, o Opened) (View, error)
	// PutBatchLines keeps a part of a receiving batch; with the last part the
	// batch is open. A part that is here already is repeated=true, or
	// [post.FaultBatchPartChanged] when it was another. A key that another line
	// has is [post.FaultLineKeyTwice], one of a letter [post.FaultLineKeyUsed],
	// all named.
	PutBatchLines(ctx context.Context, tenant post.TenantID, id post.BatchID, p Part) (repeated bool, err error)
	// BatchDocuments says what an open batch needs of the documents named by
	// sha256 (hex), or answers [post.ErrNotFound] or [post.FaultBatchState]. With
	// no names it only asks that.
	BatchDocuments(ctx context.Context, tenant post.TenantID, id post.BatchID, sha256 []string) (map[string]Need, error)
	// PutBatchDocuments keeps sealed documents that an open batch waits for, all
	// or none. One that is here already is left as it is.
	PutBatchDocuments(ctx context.Context, tenant post.TenantID, id post.BatchID, docs []KeptDocument) error
	// CloseBatch moves an open batch to closing, or answers
	// [post.FaultDocumentsMissing]; and makes held letters of up to n lines. It
	// answers left=0 when the batch is closed.
	CloseBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, n int) (left int, err error)
}

// Steering moves batches that are in. Each method is one transaction.
type Steering interface {
	// BatchView returns a batch, or [post.ErrNotFound].
	BatchView(ctx context.Context, tenant post.TenantID, id post.BatchID) (View, error)
	// ApproveBatch records the approval of a closed batch (when approver is not
	// "") and releases up to n held letters that may go. It answers left=0 when
	// none of them is left, or when the batch must be signed first, and
	// [post.ErrStale], with nothing done, when another released them meanwhile.
	ApproveBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, approver post.ClientID, n int) (left int, err error)
	// ContinueBatch lets the rest go after the canary.
	ContinueBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID) error
	// PauseBatch holds an approved batch where it is, or lets it go on. Once it has
	// answered, no intent of it is committed until it goes on. Letting it go on wakes
	// the letters that wait for that.
	PauseBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID, pause bool) error
	// StopBatch ends a batch and cancels up to n letters that can be. It answers
	// left=0 when none is left whose fate is open, and [post.ErrStale], with nothing
	// done, when one of them moved meanwhile. Once it has answered, no intent of the
	// batch is committed any more.
	StopBatch(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID, n int) (left int, err error)
}

// Store keeps batches.
type Store interface {
	Intake
	Steering
}

// Blobs keeps sealed bytes.
type Blobs interface {
	seal.Putter
	// PutGroup stores what fill puts, at little more than the cost of one blob.
	// When it returns without error all of it is durable; when it fails, or when
	// fill does, nothing of it is kept. What fill's group answers is true only
	// once PutGroup has returned.
	PutGroup(ctx context.Context, fill func(seal.Group) error) error
}

// Config is what a [Desk] needs.
type Config struct {
	Store      Store
	PutDataKey func(ctx context.Context, id string, wrapped []byte) error
	Blobs      Blobs
	Dispatcher age.Recipient
	IndexKey   []byte // 32 bytes
	Tenants    []post.Tenant
	Log        *slog.Logger
	// Preflight looks at documents as they will be printed; nil: nobody does.
	Preflight *preflight.Checker
	// Patience is how long one call makes or moves letters before it answers
	// with what is left; 20 s when 0. The caller asks again, or the dispatcher
	// goes on.
	Patience time.Duration
	// NewID and NewReference name batches and letters; nil is [post.NewID] and
	// [post.NewReference].
	NewID, NewReference func() string
}

// A Desk takes batches.
type Desk struct {
	Config
	keys    *letter.Keys
	tenants map[post.TenantID]post.Tenant
	reading chan struct{} // bounds how many single documents are held in memory
	space   chan []byte   // memory for one document of each group that comes in
	wait    time.Duration // for one of them
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
	if c.Patience == 0 {
		c.Patience = 20 * time.Second
	}
	if c.NewID == nil {
		c.NewID = post.NewID
	}
	if c.NewReference == nil {
		c.NewReference = post.NewReference
	}
	d := &Desk{Config: c, keys: letter.NewKeys(c.Dispatcher, c.PutDataKey), tenants: map[post.TenantID]post.Tenant{}, reading: make(chan struct{}, 2),
		space: make(chan []byte, groups), wait: min(spaceWait, c.Patience)}
	for range groups {
		d.space <- nil
	}
	for _, t := range c.Tenants {
		d.tenants[t.ID] = t
	}
	return d, nil
}

// Codes that a letter shows when its batch holds or stops it.
const (
	CodeHeld    = letter.CodeHeld
	CodeStopped = "batch-stopped"
)
