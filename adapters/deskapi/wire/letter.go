package wire

import "time"

// Party is a recipient: one citizen (CPR) or one company (CVR).
type Party struct {
	IDType       string   `json:"id_type" maxLength:"10" doc:"CPR or CVR"`
	ID           string   `json:"id" maxLength:"20"`
	Name         string   `json:"name,omitempty" maxLength:"200"`
	ContactPoint string   `json:"contact_point,omitempty" maxLength:"80" doc:"of an authority"`
	Address      []string `json:"address,omitempty" maxItems:"8" doc:"address lines, for paper"`
}

// Document describes one file of a letter. The first is the main document.
type Document struct {
	Filename  string `json:"filename" minLength:"1" maxLength:"255"`
	Label     string `json:"label,omitempty" maxLength:"255" doc:"what the recipient sees; the title when absent"`
	MediaType string `json:"media_type,omitempty" maxLength:"100" doc:"application/pdf when absent"`
	Language  string `json:"language,omitempty" maxLength:"2" doc:"two letters; da when absent"`
}

// Letter is the first part of a letter; the files follow in the order of
// Documents.
type Letter struct {
	Key       string     `json:"key" minLength:"1" maxLength:"200" doc:"your own key of this letter, unique per municipality; no personal data"`
	Tenant    string     `json:"tenant,omitempty" maxLength:"60" doc:"the sending municipality; your own when absent"`
	Title     string     `json:"title" minLength:"1" maxLength:"255"`
	Recipient Party      `json:"recipient"`
	Documents []Document `json:"documents" minItems:"1" maxItems:"64"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	ArriveBy  string     `json:"arrive_by,omitempty" maxLength:"10" doc:"latest day of arrival in Danish time, e.g. 2026-12-28; a new letter that can no longer meet it is refused"`
	Urgent    bool       `json:"urgent,omitempty" doc:"breach notifications: a lane of their own"`
	// Registered is optional.
	Registered bool `json:"registered,omitempty" doc:"on paper, by registered post (rekommanderet); refused where the municipality's carrier does not offer it"`
}

// LetterReceipt says that a letter is safe with us.
type LetterReceipt struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	State     string `json:"state"`
	Repeated  bool   `json:"repeated" doc:"this very letter was submitted before; nothing changed"`
	Timing    string `json:"timing,omitempty" doc:"of a new letter with a latest day: in-time, paper-closing, or digital-only when paper would come too late"`
}

// LetterView is where a letter stands.
type LetterView struct {
	ID           string    `json:"id"`
	Reference    string    `json:"reference"`
	Tenant       string    `json:"tenant"`
	Batch        string    `json:"batch,omitempty"`
	Line         int       `json:"line,omitempty" doc:"of the batch, from 1"`
	Inquiry      string    `json:"inquiry,omitempty" doc:"that this letter answers or carries"`
	State        string    `json:"state"`
	Final        bool      `json:"final" doc:"nothing more happens by itself"`
	Channel      string    `json:"channel,omitempty" doc:"digital or physical, once routed"`
	Generation   int       `json:"generation,omitempty"`
	Code         string    `json:"code,omitempty" doc:"why it waits, was refused or came back"`
	MessageID    string    `json:"message_id,omitempty" doc:"MeMo messageUUID or print-job id"`
	Carrier      string    `json:"carrier,omitempty" doc:"who carries it: digitalpost, printhouse, kombipost"`
	Transmission string    `json:"transmission,omitempty" doc:"the carrier's id of the hand-over"`
	Tracking     string    `json:"tracking,omitempty" doc:"postal tracking number"`
	AcceptedAt   time.Time `json:"accepted_at"`
	SignedAt     time.Time `json:"signed_at,omitzero"`
	NotBefore    time.Time `json:"not_before,omitzero"`
	Since        time.Time `json:"since,omitzero" doc:"when the present state was entered"`
	SentAt       time.Time `json:"sent_at,omitzero" doc:"when the present hand-over was decided"`
	PostingDay   string    `json:"posting_day,omitempty" doc:"of one letter on paper that is not posted yet: when it is expected to be given to the post, counted from its hand-over, or as if it were handed over now"`
	ArriveBy     string    `json:"arrive_by,omitempty" doc:"latest day of arrival"`
	Timing       string    `json:"timing,omitempty" doc:"in-time, on-its-way, paper-closing, digital-only, too-late, arrived, arrived-late"`
	Urgent       bool      `json:"urgent,omitempty"`
	Registered   bool      `json:"registered,omitempty" doc:"on paper it goes by registered post"`
	HeldAt       time.Time `json:"held_at,omitzero" doc:"since when nothing of it may be purged"`
	Hold         string    `json:"hold,omitempty" doc:"why nothing of it may be purged"`
	AvailableAt  time.Time `json:"available_at,omitzero" doc:"in the mailbox: the moment from which it counts as received (lov om Digital Post § 10)"`
}

// Event is one step of a letter, as the ledger has it.
type Event struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Actor   string    `json:"actor,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Digest  string    `json:"digest,omitempty"`
}

// Events are the steps of a letter, oldest first.
type Events struct {
	Items []Event `json:"items"`
}

// BatchOpen names a batch: with all its lines, at most 10,000, or with how many
// of them will come in parts.
type BatchOpen struct {
	Key   string      `json:"key" minLength:"1" maxLength:"200" doc:"your own key of this batch, unique per municipality"`
	Lines []BatchLine `json:"lines,omitempty" maxItems:"10000"`
	// Announced, Policy, Urgent and Canary are optional.
	Announced int    `json:"announced,omitempty" minimum:"1" maximum:"100000" doc:"lines that come in parts of 1,000"`
	Policy    string `json:"signing_policy,omitempty" enum:"letter,batch" doc:"what one signature covers; your municipality's when absent"`
	Urgent    bool   `json:"urgent,omitempty" doc:"breach notifications: a lane of their own"`
	Canary    int    `json:"canary,omitempty" minimum:"0" maximum:"100000" doc:"letters that approval releases first; 0 is all"`
}

// BatchPart is one part of the lines of an announced batch: 1,000, in the last
// part fewer.
type BatchPart struct {
	Lines []BatchLine `json:"lines" minItems:"1" maxItems:"1000"`
}

// BatchPartKept says that a part is durable.
type BatchPartKept struct {
	Part     int  `json:"part"`
	Lines    int  `json:"lines"`
	Repeated bool `json:"repeated" doc:"this very part was here before; nothing changed"`
}

// BatchLine is one letter of a batch.
type BatchLine struct {
	Key       string `json:"key" maxLength:"200" doc:"your own key of this letter, unique per municipality; no personal data"`
	Title     string `json:"title" maxLength:"300"`
	Recipient Party  `json:"recipient"`
	Document  string `json:"document" maxLength:"300" doc:"file name that the recipient sees"`
	SHA256    string `json:"sha256" maxLength:"64" doc:"of the document's bytes, 64 hex digits"`
	Language  string `json:"language,omitempty" maxLength:"2" doc:"two letters; da when absent"`
	ArriveBy  string `json:"arrive_by,omitempty" maxLength:"10" doc:"latest day of arrival in Danish time, e.g. 2026-12-28"`
	// Registered is optional.
	Registered bool `json:"registered,omitempty" doc:"on paper, by registered post (rekommanderet); refused where the municipality's carrier does not offer it"`
}

// Batch is where a batch stands. Once it is closed, the counts of Letters add
// up to Lines.
type Batch struct {
	ID        string         `json:"id"`
	Tenant    string         `json:"tenant"`
	State     string         `json:"state" doc:"receiving, open, closing, closed, approved, released, stopping, stopped"`
	Lines     int            `json:"lines"`
	Missing   []string       `json:"missing,omitempty" doc:"SHA-256 of documents still to be put, at most 1,000"`
	Letters   map[string]int `json:"letters,omitempty" doc:"letters per state"`
	Submitter string         `json:"submitter"`
	Approver  string         `json:"approver,omitempty"`
	OpenedAt  time.Time      `json:"opened_at"`
	Received  int            `json:"received" doc:"lines here"`
	Parts     []int          `json:"parts,omitempty" doc:"parts here, while receiving"`
	Policy    string         `json:"signing_policy" doc:"letter or batch"`
	Signed    bool           `json:"signed,omitempty" doc:"under policy batch: the one signature is there"`
	Urgent    bool           `json:"urgent,omitempty"`
	Canary    int            `json:"canary,omitempty"`
	Waiting   int            `json:"waiting,omitempty" doc:"approved letters that wait for the canary's verdict"`
	Paused    bool           `json:"paused,omitempty"`
	Repeated  bool           `json:"repeated" doc:"this very batch was opened before; nothing changed"`
}

// BatchLetters is one page of the letters of a batch.
type BatchLetters struct {
	Items []LetterView `json:"items"`
	Next  string       `json:"next,omitempty"`
}

// Problem is every refusal (RFC 9457, application/problem+json).
type Problem struct {
	Type     string        `json:"type" doc:"names the code"`
	Code     string        `json:"code" doc:"stable, POST-nnnn"`
	Title    string        `json:"title" doc:"one sentence that a person understands"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail,omitempty" doc:"where: a line, a field, an id"`
	Cure     string        `json:"cure" doc:"what to do about it"`
	Instance string        `json:"instance" doc:"error reference; the log knows it"`
	Errors   []ProblemSpot `json:"errors,omitempty" doc:"all that was wrong with the form of the request"`
}

// ProblemSpot is one thing wrong at one place.
type ProblemSpot struct {
	Location string `json:"location,omitempty" doc:"e.g. body.lines[3].sha256, or line 4"`
	Code     string `json:"code,omitempty" doc:"when it has one of its own"`
	Message  string `json:"message"`
	Cure     string `json:"cure,omitempty"`
}
