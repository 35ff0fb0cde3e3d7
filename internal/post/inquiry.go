package post

import "slices"

// InquiryKind says what an inquiry (henvendelse) asks for.
type InquiryKind string

// The kinds of inquiry to a DPO; GDPR articles in brackets.
const (
	Access          InquiryKind = "access"           // indsigt (15)
	Rectification   InquiryKind = "rectification"    // berigtigelse (16)
	Erasure         InquiryKind = "erasure"          // sletning (17)
	Restriction     InquiryKind = "restriction"      // begrænsning (18)
	Portability     InquiryKind = "portability"      // dataportabilitet (20)
	Objection       InquiryKind = "objection"        // indsigelse (21)
	AutomatedReview InquiryKind = "automated-review" // menneskelig gennemgang (22)
	Consent         InquiryKind = "consent"          // træk et samtykke tilbage (7)
	Breach          InquiryKind = "breach"           // brud på persondatasikkerheden (33)
	Question        InquiryKind = "question"
	// Mail is an inquiry to the municipality's own Digital Post.
	Mail InquiryKind = "mail"
)

// InquiryKinds returns the kinds that a DPO receives, in the order of the page.
func InquiryKinds() []InquiryKind {
	return []InquiryKind{
		Access, Rectification, Erasure, Restriction, Objection, Portability,
		AutomatedReview, Consent, Breach, Question,
	}
}

// Road is whom an inquiry goes to.
type Road string

// Roads.
const (
	ToDPO         Road = "dpo"          // the inbox of the tenant's DPO
	ToDigitalPost Road = "digital-post" // the municipality's own contact point
)

// InquiryState is where an inquiry stands.
type InquiryState string

// The states of an inquiry.
const (
	InquiryWaiting      InquiryState = "waiting"      // accepted, sealed, in the inbox
	InquiryLeased       InquiryState = "leased"       // a tool or a DPO has it open
	InquiryAcknowledged InquiryState = "acknowledged" // taken over by the DPO's own system
	InquiryRejected     InquiryState = "rejected"     // not taken over; reason recorded
	InquiryAnswered     InquiryState = "answered"     // a reply has been submitted
	InquiryForwarding   InquiryState = "forwarding"   // on its way to the municipality's Digital Post
	InquiryForwarded    InquiryState = "forwarded"    // a letter carries it
	InquiryClosed       InquiryState = "closed"
	InquiryPurged       InquiryState = "purged"
)

var inquiryNext = map[InquiryState][]InquiryState{
	InquiryWaiting:      {InquiryLeased},
	InquiryLeased:       {InquiryLeased, InquiryWaiting, InquiryAcknowledged, InquiryRejected},
	InquiryAcknowledged: {InquiryAnswered, InquiryClosed},
	InquiryRejected:     {InquiryWaiting, InquiryClosed},
	InquiryAnswered:     {InquiryAnswered, InquiryClosed},
	InquiryForwarding:   {InquiryForwarded},
	InquiryForwarded:    {InquiryClosed},
	InquiryClosed:       {InquiryPurged},
}

// May reports whether an inquiry may go from s to next.
func (s InquiryState) May(next InquiryState) bool { return slices.Contains(inquiryNext[s], next) }
