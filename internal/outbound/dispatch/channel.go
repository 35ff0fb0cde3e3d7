package dispatch

import (
	"context"
	"io"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A Job is one opened and verified letter on its way to one carrier. Every
// field is fixed before the first attempt and stored or derived, so that a
// retry after any crash yields the same job.
type Job struct {
	Tenant     post.Tenant
	Letter     post.LetterID
	Reference  string // what the public check page knows; MeMo messageID, print data line
	Channel    post.Channel
	Generation int
	// Registered: what is printed goes by registered post. A channel without
	// paper has nothing to do with it.
	Registered bool
	// Batch is the batch that the letter came in; "" is none.
	Batch post.BatchID
	// MessageID is [post.DerivedID]: MeMo messageUUID, print-job id.
	MessageID string
	// CreatedAt is the time of the committed intent, whole seconds, UTC. It is
	// the only time that a rendered form may contain.
	CreatedAt time.Time
	Label     string // title that the recipient sees
	Recipient post.PartyRecord
	// SenderContactPoint is where answers come back; "" when none are taken.
	SenderContactPoint string
	// Originator is the person for whom the tenant's system sends, when an
	// inquiry is carried to the municipality's own contact point; else nil.
	Originator *post.PartyRecord
	// Thread is what a reply continues, in the form of memo.ThreadOf; nil when the
	// letter answers nothing that came by mail.
	Thread    []byte
	Documents []Document // the main document first, then up to 10 more

	run *run // counts what is kept of its form; nil: not counted
}

// A Document is one file of a letter.
type Document struct {
	Filename  string
	Label     string
	MediaType string // MIME type, e.g. application/pdf
	Language  string // two letters, e.g. "da"
	Size      int64  // bytes
	SHA256    [32]byte
	// Open yields exactly Size bytes whose digest is SHA256, or an error.
	Open func() (io.ReadCloser, error)
}

// A Form is a carrier's form of a job, already rendered once: its size and
// digest were committed with the intent.
type Form struct {
	Size   int64
	SHA256 [32]byte
	// Open renders again. When the bytes differ from those committed, the
	// reader fails before it gives its last byte, so nothing complete leaves.
	Open func() io.ReadCloser
}

// A Channel carries a letter out of the house.
type Channel interface {
	// Render writes the carrier's form of j. The same job yields the same
	// bytes, in every process, for ever. An error that no retry can cure (the
	// carrier has no such form) wraps [post.ErrPermanent].
	Render(ctx context.Context, j Job, w io.Writer) error
	// HandOver gives the form to the carrier. Handing the same job over twice
	// must not deliver it twice: the carrier knows it by MessageID. It never
	// fails: whatever happened is an outcome.
	HandOver(ctx context.Context, j Job, f Form) Outcome
}

// An Outcome is what is known after a hand-over.
type Outcome struct {
	Verdict Verdict
	Code    string // the carrier's or our reason, from a closed set of characters; no personal data
	// Transmission is the carrier's own id of the hand-over, if it gave one.
	Transmission string
	At           time.Time // the carrier's time, or ours
}

// Verdict says what may be done next.
type Verdict string

// Verdicts. When in doubt a channel answers Unknown.
const (
	// Taken: the carrier has taken charge. It is a hand-over, not a delivery.
	// An answer "I have this already" is Taken.
	Taken Verdict = "taken"
	// NotTaken: the carrier certainly has nothing (no connection was made, or
	// it said "try later" before it read). The same ids are sent later.
	NotTaken Verdict = "not-taken"
	// RefusedRecipient: definite; this recipient cannot receive here.
	RefusedRecipient Verdict = "refused-recipient"
	// RefusedContent: definite; this form will never be accepted as it is.
	RefusedContent Verdict = "refused-content"
	// Unknown: bytes went out and no clear answer came back.
	Unknown Verdict = "unknown"
)

// A Directory knows who can receive Digital Post.
type Directory interface {
	// Look asks for recipient at this moment. A failed look-up is Unsure with a
	// code, never a guess; the answer is not kept beyond the hand-over.
	Look(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord) Reach
}

// Reach is the answer of a [Directory].
type Reach struct {
	Answer Answer
	Code   string // the directory's own word, e.g. "EXEMPT"; no personal data
}

// Answer is whether a recipient can receive Digital Post.
type Answer string

// Answers.
const (
	Reachable   Answer = "reachable"
	Unreachable Answer = "unreachable" // definite: exempt, closed, not registered
	Unsure      Answer = "unsure"      // not known, or the look-up failed
)
