// Package memo reads and writes MeMo, the message format of Digital Post.
//
// It reads and writes versions 1.1 and 1.2. One table ([schema.go]) states
// the format: order, cardinality and type of every element. The writer and the
// reader both walk it, so that nothing leaves or enters that the table does not
// allow. The first breach is an [*Invalid] with the element's path and a stable
// code; it never repeats content.
//
// Files stream in both directions: memory does not grow with their size. The
// same message yields the same bytes. The reader takes elements by namespace,
// never by prefix, and refuses DOCTYPE, processing instructions, encodings other
// than UTF-8, and anything beyond its [Limits].
//
// The model holds both versions whole, so that what was read can be written
// again; white space between elements, comments and prefixes are not kept.
// Writing in a version that has no place for something is refused
// ([CodeLoses]), never done without it.
//
// Many messages travel in a container, <uuid>.tar.lzma: see [ReadContainer].
package memo

import (
	"io"
	"time"
)

// The namespaces of MeMo 1.x; the version is in an attribute, not in the name.
const (
	Namespace     = "https://DigitalPost.dk/MeMo-1"
	NamespaceCore = "https://data.gov.dk/model/core/"
)

// Version is what [Write] writes; [WriteAs] takes either.
const (
	Version   = "1.2"
	Version11 = "1.1"
)

// Types of message.
const (
	DigitalPost = "DIGITALPOST"
	NemSMS      = "NEMSMS"
)

// MaxText is the length of memoTextType, in characters.
const MaxText = 256

// MaxMessage is the largest message that Digital Post takes, in bytes. The rule
// does not say whether it counts the message or the files before encoding; we
// count the message, which is safe under both readings.
const MaxMessage = 99_500_000

// A Message is one MeMo message.
type Message struct {
	// Version as read, e.g. "1.1"; the writer ignores it.
	Version string
	Header  Header
	Body    *Body // nil in a NemSMS, and only there
}

// Header is MessageHeader.
type Header struct {
	Type         string // DIGITALPOST or NEMSMS
	UUID         string // messageUUID, version 4; the key of idempotency
	ID           string // messageID: the sender's own, comes back in receipts
	Code         string // messageCode
	Label        string // title that the recipient sees
	Notification string // at most 150 characters; the text of a NemSMS
	// AdditionalNotification is shown besides.
	AdditionalNotification string
	Reply                  bool // may the recipient answer?
	ReplyBy                time.Time
	// DeliverFrom is doNotDeliverUntilDate, a Danish calendar date as
	// YYYY-MM-DD; "" is at once.
	DeliverFrom string
	Mandatory   bool // may go to those who are exempt; needs a right of its own
	Legal       bool // forkyndelse; needs a right of its own
	PostType    string
	Sender      Party
	Recipient   Party
	Content     *ContentData
	Forward     *ForwardData
	Replies     []ReplyData // the thread's log, one entry per message
}

// Party is Sender or Recipient.
type Party struct {
	ID           string
	IDType       string  // CPR or CVR
	IDTypeLabel  string  // MeMo 1.1 only
	Label        string  // required of a sender
	Attention    []Block // AttentionData, in the order of the schema
	ContactPoint *ContactPoint
	// Representative acts for a sender (MeMo 1.2); nil for a recipient.
	Representative *Representative
}

// ContactPoint is where in an authority a message goes, or answers come back.
type ContactPoint struct {
	Group, ID, Label string
	Info             []ContactInfo // at most two
}

// ContactInfo is what a contact point wants to know of who writes to it; it is
// personal data more often than not.
type ContactInfo struct{ Label, Value string }

// A Block is an element that the gateway carries and does not use: attention
// data, case and subject keys, addresses. It has a value or kids.
type Block struct {
	Space, Name string
	Value       string
	Kids        []Block
}

// ForwardData says that a message was sent on.
type ForwardData struct {
	MessageUUID                string // of the message that was sent on
	OriginalAt                 time.Time
	OriginalSender             string
	OriginalContentResponsible string
	OriginalRepresentative     string // MeMo 1.2 only
	ContactPoint               string
	Comment                    string // at most 512 characters
}

// An Action is something the recipient is asked to do. It leads to a
// reservation, to a page, or to neither.
type Action struct {
	Label       string
	Code        string // e.g. AFTALE, BETALING, SELVBETJENING; an open set
	Start, End  time.Time
	Reservation *Reservation
	URL         string // absolute, https
}

// Reservation is an appointment.
type Reservation struct {
	UUID, Abstract, Description, Location string
	Start, End                            time.Time
	OrganizerMail, OrganizerName          string
}

// Representative acts for the sender.
type Representative struct{ ID, IDType, Label string }

// ContentData says what a message is about. At most one of the two numbers is
// usual, yet the schema allows both.
type ContentData struct {
	CPR, Name    string  // grd:CPRdata
	CVR, Company string  // grd:CVRdata
	Other        []Block // the blocks between those and Additional
	Additional   []AdditionalContent
}

// AdditionalContent is one named value; a message holds up to ten.
type AdditionalContent struct{ Type, Name, Value string }

// ReplyData is one entry of the thread's log.
type ReplyData struct {
	MessageID    string // the sender's own id of the message
	MessageUUID  string
	ReplyUUID    string // the message that answers it
	SenderID     string
	RecipientID  string
	CaseID       string
	ContactPoint string
	System       string // generatingSystemID
	Comment      string // at most 512 characters
	Additional   []AdditionalReply
}

// AdditionalReply is one of up to four values that a reply gives back.
type AdditionalReply struct{ Label, Value string }

// Body is MessageBody.
type Body struct {
	Created   time.Time // written as UTC
	Documents []Document
}

// Kind is the place of a document in a message.
type Kind string

// Kinds of document, in the order of the schema.
const (
	Main       Kind = "MainDocument"
	Additional Kind = "AdditionalDocument"
	Technical  Kind = "TechnicalDocument" // never shown to a person
)

// A Document is one document; several files are variants of the same content.
type Document struct {
	Kind  Kind
	ID    string
	Label string
	Files []File
	// Actions, of a main or additional document only.
	Actions []Action
}

// A File is one file of a document.
type File struct {
	MediaType string // encodingFormat, e.g. application/pdf
	Filename  string
	Language  string // two letters
	Size      int64  // bytes before encoding; the writer holds Open to it
	// Open yields the content. [Read] leaves it nil unless its sink sets it.
	Open func() (io.ReadCloser, error)
}

// An Invalid is the first breach found.
type Invalid struct {
	Code string // stable, e.g. "memo.text.too-long"
	Path string // e.g. /Message/MessageHeader/label
	Line int    // of the document read; 0 when writing
	Note string // what was expected, in words of the schema only
}

// Codes of [Invalid].
const (
	CodeSyntax     = "memo.syntax"           // not well-formed XML in UTF-8
	CodeForbidden  = "memo.forbidden"        // DOCTYPE, processing instruction, attribute out of place
	CodeLimit      = "memo.limit"            // beyond the reader's limits
	CodeVersion    = "memo.version"          // neither 1.1 nor 1.2
	CodeUnexpected = "memo.unexpected"       // element or text where the schema has none
	CodeMissing    = "memo.missing"          // a required element is not there
	CodeTooLong    = "memo.text.too-long"    // more characters than the type allows
	CodeCharacter  = "memo.text.character"   // a character that XML 1.0 cannot carry
	CodeValue      = "memo.value"            // not of the element's type
	CodeBase64     = "memo.base64"           // content is not base64
	CodeFilename   = "memo.filename"         // a character refused since November 2024
	CodeDocuments  = "memo.documents"        // more than ten additional documents
	CodeEmptyFile  = "memo.file.empty"       // a file without bytes
	CodeSize       = "memo.file.size"        // the content is not as long as announced
	CodeTooLarge   = "memo.message.too-long" // beyond MaxMessage
	CodeLoses      = "memo.version.loses"    // that version has no place for it
	CodeURL        = "memo.action.url"       // not an absolute https address
	CodeContainer  = "memo.container"        // not a container, or an entry that none may hold
)
