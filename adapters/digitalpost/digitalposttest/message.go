package digitalposttest

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/segments"
)

// A Message is one accepted message as the server remembers it. Times are UTC.
type Message struct {
	UUID         string    `json:"message_uuid"`
	Transmission string    `json:"transmission_id"`
	MessageID    string    `json:"message_id,omitempty"` // the sender's reference
	Title        string    `json:"title"`
	Sender       string    `json:"sender"`
	SenderCVR    string    `json:"sender_id"`
	Originator   string    `json:"originator,omitempty"` // Sender's representative
	Reply        bool      `json:"reply"`
	ReceivedAt   time.Time `json:"received_at"`
	// Due is when the business receipt is given, and the message is in the
	// mailbox if Status is COMPLETED.
	Due       time.Time  `json:"available_at"`
	Status    string     `json:"status"` // of the business receipt
	Code      string     `json:"code,omitempty"`
	Documents []Document `json:"documents"`
	SHA256    string     `json:"sha256"` // of the message as received
	Handed    int        `json:"handed_over"`
	Events    []Event    `json:"events"`
	// Road is who carried it here when its sender did not: see [Server.Carry].
	Road string `json:"road,omitempty"`
	// Fault says why Status is what it is, in words; "" when all is well.
	Fault string `json:"fault,omitempty"`

	system    string
	recipient memo.Party
	note      string // errorMessage of the business receipt
	body      []byte // when there is no directory

	at   segments.At // in the log
	file bool        // its bytes are a file of its own
	size int64       // of that file
	gone bool        // its bytes are no longer kept
	over []over
}

// Document is one file of a message.
type Document struct {
	Kind      string `json:"kind"`
	Label     string `json:"label,omitempty"`
	Filename  string `json:"filename"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
}

// Event is one step of a message, under NgDP's own tag.
type Event struct {
	At  time.Time `json:"at"`
	Tag string    `json:"tag"`
}

// derived returns a UUID that is a function of its arguments, so that a
// restarted server gives the same ids.
func derived(parts ...string) string {
	return post.DerivedID(post.LetterID("simulator"), post.Channel(strings.Join(parts, "\x00")), 0)
}

// newMessage fills in what m says of itself.
func newMessage(uuid string, m *memo.Message, at time.Time) *Message {
	msg := &Message{UUID: uuid, Transmission: derived("transmission", uuid), ReceivedAt: at, Documents: []Document{}}
	if m == nil {
		return msg
	}
	h := m.Header
	msg.MessageID, msg.Title, msg.Reply, msg.recipient = h.ID, h.Label, h.Reply, h.Recipient
	msg.Sender, msg.SenderCVR = h.Sender.Label, h.Sender.ID
	if h.Sender.Representative != nil {
		msg.Originator = h.Sender.Representative.Label
	}
	return msg
}

// decide fixes the business outcome: schema, sender, recipient, business rules.
func (s *Server) decide(msg *Message, m *memo.Message, invalid error) {
	status, code, note := s.outcome(msg, m, invalid)
	msg.Status, msg.Code, msg.note, msg.Fault = status, code, note, note
	verdict, end := "MEMO_SEND_VALIDATED", "MEMO_AVAILABLE_TO_RECIPIENT"
	if status != statusCompleted {
		verdict, end = "MEMO_SEND_VALIDATION_FAILED", ""
	}
	msg.Events = []Event{
		{msg.ReceivedAt, "MEMO_SEND_RECEIVED"}, {msg.ReceivedAt, "TECHNICAL_RECEIPT_SENT"}, {msg.Due, verdict},
	}
	if end != "" && msg.Due.Sub(msg.ReceivedAt) > s.cfg.Delay { // a value date
		msg.Events = append(msg.Events, Event{msg.ReceivedAt, "DELAYED_MEMO_SEND_VALIDATED_AWAITING_DELAY"}, Event{msg.Due, "DELAYED_MEMO_SEND_SENT"})
	}
	if end != "" {
		msg.Events = append(msg.Events, Event{msg.Due, end})
	}
	msg.Events = append(msg.Events, Event{msg.Due, "BUSINESS_RECEIPT_CREATED"})
}

func (s *Server) outcome(msg *Message, m *memo.Message, invalid error) (status, code, note string) {
	if invalid != nil {
		return statusInvalid, "memo.invalid", invalid.Error()
	}
	if m.Header.Type == memo.NemSMS && m.Header.Notification == "" {
		return statusInvalid, "empty.notification.not.allowed", "a NemSMS without text"
	}
	if past(m.Header.DeliverFrom, msg.ReceivedAt) {
		return statusInvalid, "do.not.deliver.until.date.too.early", "the value date is before today"
	}
	if broken := m.CheckRules(); broken != nil {
		return statusInvalid, ruleCode(broken), broken.Error()
	}
	if owner := s.owner(msg.system); !ownedBy(m, string(owner)) {
		return statusNotAllowed, "sim.sender.not.allowed", "the sender is not the system's organization"
	}
	r := m.Header.Recipient
	if points, ok := s.cfg.Authorities[post.CVR(r.ID)]; ok && strings.EqualFold(r.IDType, "CVR") {
		if r.ContactPoint == nil {
			return statusCompleted, "", ""
		}
		for _, p := range points {
			if strings.EqualFold(p.ID, r.ContactPoint.ID) {
				if code := p.limitCode(msg.Documents); code != "" {
					return statusInvalid, code, "beyond the limits of the contact point"
				}
				return statusCompleted, "", ""
			}
		}
		if !contactPointID.MatchString(r.ContactPoint.ID) {
			return statusInvalid, "contact.point.id.format.not.allowed", "the id of a contact point has the form of a UUID"
		}
		return statusInvalid, "sim.contact.point.unknown", "the authority has no such contact point"
	}
	if s.parties[r.ID].Since.After(msg.ReceivedAt) {
		return statusNotAllowed, "sim.recipient.waiting.not.allowed", "the recipient's mailbox opens later: a new company waits twelve days"
	}
	switch s.registration(r.ID) {
	case "REGISTERED":
		return statusCompleted, "", ""
	case "EXEMPT":
		if m.Header.Mandatory {
			return statusCompleted, "", ""
		}
		return statusNotAllowed, "sim.recipient.exempt.not.allowed", "the recipient is exempt"
	case "CLOSED":
		return statusNotAllowed, "sim.recipient.closed.not.allowed", "the recipient's mailbox is closed"
	}
	return statusNotAllowed, "sim.recipient.not.registered.not.allowed", "the recipient has no mailbox"
}

// contactPointID is the form of real ones, which are no UUIDs of RFC 4122.
var contactPointID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// ownedBy reports whether the organization sends the message itself or stands
// in for the person who does.
func ownedBy(m *memo.Message, cvr string) bool {
	rep := m.Header.Sender.Representative
	return m.Header.Sender.ID == cvr || rep != nil && rep.ID == cvr
}

// ruleCode returns NgDP's code for the breach of a business rule.
func ruleCode(err error) string {
	var bad *memo.Invalid
	if !errors.As(err, &bad) {
		return "memo.invalid"
	}
	switch bad.Code {
	case memo.CodeEmptyFile:
		return "file.empty.not.allowed"
	case memo.CodeFilename:
		return "sim.file.name.not.allowed"
	}
	return "sim." + bad.Code
}

// registration returns the publicRegistrationStatus of a number, or "".
func (s *Server) registration(number string) string {
	if p, ok := s.parties[number]; ok {
		return p.Registration
	}
	if _, ok := s.cfg.Authorities[post.CVR(number)]; ok {
		return "REGISTERED"
	}
	return s.cfg.Unlisted
}
