// Package mailroom takes in what citizens and companies send by Digital Post to
// a contact point (kontaktpunkt) of ours, and makes inquiries of it.
//
// A message is sealed and stored as it came before anything is read of it; only
// after that commit is the carrier told that we have it. Then it is opened,
// read strictly, its files pass the checks that the portal's attachments pass,
// and one transaction makes it an inquiry in the inbox of its contact point:
// sealed to that inbox, the person's identity also to the dispatcher, with the
// ledger entry, the signed statement and the legal clock of any other inquiry.
// The raw message is erased then.
//
// The person is the sender whom the carrier has authenticated; an answer goes to
// nobody else. What a message claims besides (a representative, people in its
// thread, whom its content is about) is read and moves nothing: it names a letter
// of ours that it answers only when that letter went to the same person.
//
// The clock starts when the message was written: Digital Post delivers at once,
// and what it has is received though our system be away (lov om Digital Post
// § 10). The sender's clock is believed within the days for which a system may
// be away, and never beyond the time at which the message was stored.
//
// The contact point alone decides the inbox. What cannot be read, is meant for
// another authority, names a contact point that is not ours or carries malware
// is parked: kept sealed, reported until a person has dealt with it, and tried
// again when the program starts. It never lands in another inbox, and nothing
// is ever dropped. The same message is one inquiry however often it comes. An
// inquiry that we sent on to the municipality ourselves and that comes back, for
// a contact point that leads to us, is parked as well: it would name the
// municipality as the person to answer.
//
// A file that the portal would refuse for its form (a type that is not on the
// list, a broken or active PDF) is passed on marked as unchecked, because its
// sender cannot be asked for another; malware is not passed on.
//
// On failure the message waits and is tried again, for ever, and is reported. One
// whose reading breaks this program is parked as well.
package mailroom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// MaxMessage bounds one message, in bytes as it travels. Digital Post takes up
// to 99.5 MB; were that counted before encoding, it would be 130 MB.
const MaxMessage = 130_000_000

// A Source is a carrier at which messages wait for the tenants' recipient
// systems.
type Source interface {
	// Carrier names the carrier, e.g. "digitalpost".
	Carrier() string
	// Waiting returns the ids of some of the messages that wait for tenant. Those
	// beside an error are fetched; without any, the carrier was not reached.
	Waiting(ctx context.Context, tenant post.TenantID) ([]string, error)
	// Fetch writes one message as it is. What it wrote before an error is
	// worth nothing.
	Fetch(ctx context.Context, tenant post.TenantID, id string, w io.Writer) error
	// Answer tells the carrier that the message is safe with us. It is called
	// only after commit, and may be called again. listed says that the carrier
	// offers the message although it was answered before.
	Answer(ctx context.Context, tenant post.TenantID, id string, listed bool) error
}

// A Reader understands a carrier's messages.
type Reader interface {
	// ReadMail reads one message and hands each of its files to file, in their
	// order. What is not a message that we understand is an [*Unreadable]; any
	// other error comes from r or from file.
	ReadMail(r io.Reader, file func(f File, content io.Reader) error) (Mail, error)
}

// An Unreadable says why a message cannot be read. Code is from a closed list.
type Unreadable struct{ Code string }

// Error implements error.
func (u *Unreadable) Error() string { return "message is not readable: " + u.Code }

// Mail is what a message says, its files apart.
type Mail struct {
	MessageID    string // lower case
	RecipientID  string // CVR of the authority
	ContactPoint string
	// Person's Subject is the sender whom the carrier has authenticated.
	Person  post.PersonRecord
	Subject string
	Written time.Time // by the sender's clock
	// Answers are the ids of messages that this one may answer, nearest first.
	Answers []string
	// Thread is what a reply must give back, in the carrier's form; it may name
	// the person.
	Thread []byte
}

// A File describes one file of a message.
type File struct {
	Main      bool   // the letter itself
	Name      string // as sent; never a path
	MediaType string
}

// An Arrival is a message as it is kept.
type Arrival struct {
	ID        string // UUIDv7; becomes the inquiry's id
	Carrier   string
	Tenant    post.TenantID // whose system received it
	MessageID string        // lower case
	Digest    []byte        // keyed, of the bytes
	At        time.Time
	Object    seal.Object // sealed to the dispatcher
	Attempts  int         // since it was last left in an orderly way
	Cut       bool        // beyond [MaxMessage]; the rest stays with the carrier
	Answered  bool
	Filed     bool // an operator says that it is for the DPO of its tenant; see [Hands.File]
}

// Shelf keeps messages as they came. Each method is one transaction.
type Shelf interface {
	// KnownMail returns the message that was kept first under this id, or
	// [post.ErrNotFound].
	KnownMail(ctx context.Context, carrier string, tenant post.TenantID, messageID string) (Arrival, error)
	// KeepMail stores a and records e. It answers fresh=false, and has changed
	// nothing, when the same bytes are kept under the same id.
	KeepMail(ctx context.Context, a Arrival, e ledger.Event) (fresh bool, err error)
	// UnansweredMail returns up to n messages to tenant of which carrier is to be
	// told, and puts each off by pause.
	UnansweredMail(ctx context.Context, carrier string, tenant post.TenantID, now time.Time, pause time.Duration, n int) ([]Arrival, error)
	// MailAnswered records that the carrier knows.
	MailAnswered(ctx context.Context, id string) error
	// MailContact records that the carrier answered for tenant, and returns
	// when it did so before; the zero time the first time. A zero at only asks.
	MailContact(ctx context.Context, carrier string, tenant post.TenantID, at time.Time) (time.Time, error)
}

// Taken is everything that making an inquiry of a message writes.
type Taken struct {
	intake.Accepted
	Letter post.LetterID // of ours that it answers, or ""
	Thread []byte        // sealed to the dispatcher, or nil
}

// Desk moves what is kept. Each method is one transaction.
type Desk interface {
	// ClaimMail returns up to n kept messages that are due, oldest first, makes
	// each due again after hold and counts the attempt.
	ClaimMail(ctx context.Context, now time.Time, hold time.Duration, n int) ([]Arrival, error)
	// AnsweredLetter returns the first letter of tenant that went out as one of
	// the messages, or [post.ErrNotFound].
	AnsweredLetter(ctx context.Context, tenant post.TenantID, messageIDs []string) (Answered, error)
	// SentOn reports whether a message of this id carried an inquiry of tenant to
	// its municipality.
	SentOn(ctx context.Context, tenant post.TenantID, messageID string) (bool, error)
	// LeaveMail records that a message in hand could not be taken for a fault of
	// ours: Attempts counts from 0 again.
	LeaveMail(ctx context.Context, id string) error
	// TakeMail makes the inquiry and erases the seal of the raw message. It
	// answers [post.ErrStale], changing nothing, when somebody else was first, and
	// [intake.ErrReferenceTaken] likewise.
	TakeMail(ctx context.Context, t Taken) error
	// ParkMail leaves the message to a person, and records e. A message that is
	// not kept (any longer) is [post.ErrStale].
	ParkMail(ctx context.Context, id, code string, e ledger.Event) error
	// ParkedMail counts what is parked, since when; retry makes all of it kept
	// again.
	ParkedMail(ctx context.Context, retry bool) (n int, since time.Time, err error)
	// UnreadMail returns when the oldest message came in that is kept and
	// neither taken nor parked; the zero time when there is none.
	UnreadMail(ctx context.Context) (time.Time, error)
}

// Answered is a letter of ours that a message may answer.
type Answered struct {
	Letter    post.LetterID
	Reference string
	Recipient []byte // sealed to the dispatcher or to a data key of its
}

// Blobs keeps sealed bytes.
type Blobs interface {
	seal.Putter
	Get(ctx context.Context, blob string) (io.ReadCloser, error)
	Delete(ctx context.Context, blob string) error
}

// An Opener opens what was sealed to the dispatcher.
type Opener interface {
	Payload(header []byte, payload io.Reader) (io.Reader, error)
	Small(sealed []byte) ([]byte, error)
}

// A Point is a contact point of ours.
type Point struct {
	Tenant post.TenantID
	Inbox  post.InboxID
	Kind   post.InquiryKind // [post.Question] when ""
}

// Config is what a [Room] needs; every field is required but Limits and Now.
type Config struct {
	Shelf      Shelf
	Desk       Desk
	Sources    []Source
	Reader     Reader
	Blobs      Blobs
	Opener     Opener
	Dispatcher age.Recipient
	Tenants    []post.Tenant
	// Points are the contact points, by their ids. [Points] gives those that
	// follow from the tenants.
	Points map[string]Point
	// Inboxes gives the public recipients of each DPO office.
	Inboxes  map[post.InboxID][]age.Recipient
	IndexKey []byte
	// Sign signs statements to persons and returns them with what vouches for
	// the key, ready to be handed out.
	Sign    func(ledger.Statement) (receipt []byte, digest string, err error)
	Scanner intake.Scanner
	Log     *slog.Logger
	Limits  intake.Limits // Bytes: 100 MB when 0
	Now     func() time.Time
}

// A Room takes mail in. It is safe for concurrent use, and any number of
// programs may run one over the same database.
type Room struct {
	Config
	tenants map[post.TenantID]post.Tenant
	points  map[string]Point // by id in lower case
	wake    chan struct{}
	reading chan struct{} // one message is read at a time: its files are in memory
	twice   twice
}

// Points returns the contact points of the DPO offices of tenants.
func Points(tenants []post.Tenant) map[string]Point {
	all := map[string]Point{}
	for _, t := range tenants {
		if t.DPOContactPoint != "" {
			all[t.DPOContactPoint] = Point{Tenant: t.ID, Inbox: t.Inbox}
		}
	}
	return all
}

// New returns a room, or an error that names every gap of c.
func New(c Config) (*Room, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, errors.New("mailroom: "+what+" is required"))
		}
	}
	need(c.Shelf != nil, "Shelf")
	need(c.Desk != nil, "Desk")
	need(c.Reader != nil, "Reader")
	need(c.Blobs != nil, "Blobs")
	need(c.Opener != nil, "Opener")
	need(c.Dispatcher != nil, "Dispatcher")
	need(len(c.Tenants) > 0, "Tenants")
	need(len(c.Points) > 0, "Points")
	need(len(c.IndexKey) == 32, "IndexKey of 32 bytes")
	need(c.Sign != nil, "Sign")
	need(c.Scanner != nil, "Scanner")
	need(c.Log != nil, "Log")
	r := &Room{Config: c, tenants: map[post.TenantID]post.Tenant{}, points: map[string]Point{}, wake: make(chan struct{}, 1), reading: make(chan struct{}, 1)}
	for _, t := range c.Tenants {
		r.tenants[t.ID] = t
	}
	for id, p := range c.Points {
		r.points[strings.ToLower(id)] = p
		_, known := r.tenants[p.Tenant]
		need(known, fmt.Sprintf("tenant %s of contact point %s", p.Tenant, id))
		need(len(c.Inboxes[p.Inbox]) > 0, fmt.Sprintf("Inboxes entry %s of contact point %s", p.Inbox, id))
	}
	if len(gaps) > 0 {
		return nil, errors.Join(gaps...)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Limits.Bytes == 0 {
		r.Limits.Bytes = 100 << 20
	}
	return r, nil
}
