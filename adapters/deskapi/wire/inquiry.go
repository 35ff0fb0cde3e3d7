// Package wire is what travels between desk and its clients: the JSON of every
// request and answer, and the names of headers. It holds no behavior, so that
// a client links nothing of the server.
//
// Rules of the form: members are lower_snake; an unknown member of a request is
// refused; new members of an answer may appear at any time; times are RFC 3339
// in UTC; digests are 64 lower-case hex digits. No answer holds personal data:
// a client gets back only what names its own records.
package wire

import "time"

// Headers beside those of HTTP.
const (
	// HeaderKey names the write: the same key with the same request gets the
	// same answer for as long as answers are kept (draft-ietf-httpapi-idempotency-key-header).
	HeaderKey = "Idempotency-Key"
	// HeaderLease carries the lease token where there is no body to carry it.
	HeaderLease = "X-Lease-Token"
	// HeaderLength is how many bytes of sealed content are the age header;
	// the rest is the payload.
	HeaderLength = "X-Header-Length"
	// HeaderReplayed is "true" on an answer that was given before.
	HeaderReplayed = "Idempotency-Replayed"
)

// Inquiry is what a tool may know of an inquiry without opening it.
type Inquiry struct {
	ID          string     `json:"id" doc:"UUIDv7 of the inquiry"`
	Reference   string     `json:"reference" doc:"what the person's receipt shows, e.g. SP-7K3Q-92MD"`
	Tenant      string     `json:"tenant" doc:"the municipality written to"`
	Kind        string     `json:"kind" doc:"what is asked for: access, erasure, breach …"`
	State       string     `json:"state" doc:"waiting, leased, acknowledged, rejected, answered, closed, purged"`
	AcceptedAt  time.Time  `json:"accepted_at"`
	DueAt       *time.Time `json:"due_at,omitempty" doc:"GDPR art. 12(3), or art. 33 for a breach"`
	Attachments int        `json:"attachments"`
	Size        int64      `json:"size" doc:"bytes of sealed content, header included"`
	LeasedUntil *time.Time `json:"leased_until,omitempty"`
	SettledAt   *time.Time `json:"settled_at,omitempty" doc:"when it was acknowledged or rejected"`
	Reason      string     `json:"reason,omitempty" doc:"why it was rejected"`
	Letter      string     `json:"letter,omitempty" doc:"id of the last reply"`
}

// Inquiries is one page, the most urgent first.
type Inquiries struct {
	Items []Inquiry `json:"items"`
	Next  string    `json:"next,omitempty" doc:"give it as after= to get the next page; absent on the last"`
}

// Lease is the sole right to open and settle one inquiry for a while.
type Lease struct {
	Token   string    `json:"lease_token" doc:"opaque; only the client that got it can use it"`
	Until   time.Time `json:"until"`
	Inquiry Inquiry   `json:"inquiry"`
}

// Extend prolongs a lease from now.
type Extend struct {
	LeaseToken string `json:"lease_token" minLength:"1" maxLength:"200"`
}

// Outcomes of [Acknowledge].
const (
	Accept = "accept"
	Reject = "reject"
)

// Acknowledge settles a leased inquiry.
type Acknowledge struct {
	LeaseToken string `json:"lease_token" minLength:"1" maxLength:"200"`
	Digest     string `json:"digest" pattern:"^[0-9a-f]{64}$" doc:"content digest as the tool computed it on opening"`
	Outcome    string `json:"outcome" enum:"accept,reject"`
	Reason     string `json:"reason,omitempty" maxLength:"40" doc:"with reject: not-for-us, not-understood, duplicate, unreadable or abuse"`
}

// Acknowledged is the answer to [Acknowledge].
type Acknowledged struct {
	ID        string    `json:"id"`
	Reference string    `json:"reference"`
	State     string    `json:"state"`
	SettledAt time.Time `json:"settled_at"`
}

// Reply is the first part of a reply; the files follow in the order of
// Documents. The recipient is the inquiry's person, whom the tool never names.
type Reply struct {
	Title     string     `json:"title" minLength:"1" maxLength:"255" doc:"what the recipient sees in the mailbox"`
	Documents []Document `json:"documents" minItems:"1" maxItems:"64"`
	ArriveBy  string     `json:"arrive_by,omitempty" maxLength:"10" doc:"latest day of arrival in Danish time, e.g. the inquiry's legal due date"`
	Urgent    bool       `json:"urgent,omitempty" doc:"a lane of its own"`
	// Registered is optional.
	Registered bool `json:"registered,omitempty" doc:"on paper, by registered post (rekommanderet); refused where the municipality's carrier does not offer it"`
}
