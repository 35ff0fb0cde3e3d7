// Package post holds the words that every other package shares: who a person
// is, what an inquiry and a letter are, which states they pass through, and
// what is said when something is refused.
//
// It depends on nothing but the standard library and does no I/O. Values that
// identify a person mask themselves wherever they are printed; only an
// explicit call yields the digits. State machines are tables ([LetterState.May],
// [InquiryState.May]); nothing outside this package decides what may follow what.
//
// Terms are English with the Danish word once, at the type; proper names
// (Digital Post, NemLog-in, MitID, CPR, CVR) stay Danish.
package post

import "errors"

// ErrPermanent marks a failure that no retry can cure. Any other failure is
// taken as passing.
var ErrPermanent = errors.New("permanent failure")

// ErrNotFound says that no such record exists, or that the caller may not know
// whether it does.
var ErrNotFound = errors.New("not found")

// ErrStale says that a compare-and-swap lost: the record has another state,
// version or fencing token than the caller believed. The caller must read again.
var ErrStale = errors.New("stale: the record has moved on")

// Identifiers are types of their own, so that they cannot be swapped.
type (
	// TenantID names one authority served (kommune), e.g. "engdal".
	TenantID string
	// InboxID names the inbox of one DPO office, which may receive for many tenants.
	InboxID string
	// InquiryID is the UUIDv7 of an inquiry.
	InquiryID string
	// LetterID is the UUIDv7 of a letter.
	LetterID string
	// BatchID is the UUIDv7 of a batch.
	BatchID string
	// ClientID names a program or person known by its client certificate.
	ClientID string
)

// Costs are what one letter costs, in DKK; 0 is not known.
type Costs struct {
	Digital float64 `json:"digital,omitempty"`
	Paper   float64 `json:"paper,omitempty"`
	// Registered is by registered post; as Paper when it is 0.
	Registered float64 `json:"registered,omitempty"`
}

// Tenant is one authority served (kommune).
type Tenant struct {
	ID   TenantID `json:"id"`
	Name string   `json:"name"` // as citizens know it, e.g. "Engdal Kommune"
	CVR  CVR      `json:"cvr"`
	// Inbox is the DPO office that receives this tenant's inquiries.
	Inbox InboxID `json:"inbox"`
	// ContactPoint is the Digital Post contact point (kontaktpunkt) of the
	// municipality itself; inquiries on the Digital Post road go there.
	ContactPoint string `json:"contact_point"`
	// DPOContactPoint is where answers to the DPO's letters come back.
	DPOContactPoint string `json:"dpo_contact_point"`
	// Phone is what a person may call when nothing else works.
	Phone string `json:"phone"`
	// Signing is what one signature covers; each letter when it is "".
	Signing SigningPolicy `json:"signing_policy,omitempty"`
	// Registered declares that who carries this tenant's letters on paper can send
	// them by registered post (rekommanderet). Without it a letter that asks for
	// that is refused.
	Registered bool `json:"registered,omitempty"`
	// Times are the rules about lead times and silence; [Tenant.TimesBy] reads them.
	Times LetterTimes `json:"times,omitzero"`
	// PaperBy is who carries its letters on paper from now on, as the roads of the
	// configuration say; "" is [UsualCarrier].
	PaperBy Carrier `json:"-"`
	// Costs are what the municipality reckons with, for plans.
	Costs Costs `json:"costs,omitzero"`
	// Keep says how long records stay.
	Keep Keep `json:"keep_days,omitzero"`
}
