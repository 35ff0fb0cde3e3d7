package kombipost

import (
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Codes of receipts that nobody could act on; each is kept whole for a person.
const (
	CodeNotXML       = "not-xml"
	CodeTooLarge     = "too-large"
	CodeNoEnvelope   = "no-envelope"
	CodeOtherType    = "other-type"    // not PKO_PostStatus
	CodeNoPayload    = "no-payload"    // no base64 that holds a PKO_PostStatus
	CodeManyObjects  = "many-objects"  // more than one ObjektRegistrering
	CodeManyPayloads = "many-payloads" // more than one PKO_PostStatus
	CodeDoubled      = "doubled"       // an element that says what is meant stands twice
	CodeUnknownEvent = "unknown-event" // ObjektHandling is none of the ten
	CodeSender       = "sender"        // unknown, or not one of that channel
	CodeChannel      = "channel"       // KanalKode and event do not go together
	CodeContradicts  = "contradicts"   // envelope and payload name other letters or events
	CodeNoLetter     = "no-letter"     // it names no hand-over of ours
	CodeNoTime       = "no-time"
	CodeTenant       = "tenant" // for a CVR that is not served, or not the letter's
	CodeRecalled     = "recalled"
	CodeUpdate       = "update" // an Opdatering whose type is not configured
)

// statusRules are the switches of reading a status.
type statusRules struct {
	codes   map[string]Meaning
	updates map[string]track.Kind
	senders map[string]Sender
}

// read turns one delivery into a receipt. Whatever cannot be believed is
// Unreadable, with Raw and the reason in Code; tenant is "" then, or when the
// envelope names nobody.
func (s statusRules) read(raw []byte, now time.Time) (r track.Receipt, allowed []string) {
	r = track.Receipt{Carrier: carrier, Kind: track.Unreadable, At: now.UTC(), Raw: raw, EventID: eventID("", raw)}
	root, err := readTree(raw)
	if err != nil {
		r.Code = CodeNotXML
		return r, nil
	}
	e, ok := readEnvelope(root)
	if !ok {
		r.Code = CodeNoEnvelope
		return r, nil
	}
	r.EventID = eventID(e.id, raw)
	if e.kind != MessageType {
		r.Code = CodeOtherType
		return r, nil
	}
	if r.Code = s.fault(e); r.Code != "" {
		return r, e.allowed
	}
	at, ok := stampOf(e.status.text("TransaktionsDatoTid"))
	if !ok {
		r.Code = CodeNoTime
		return r, e.allowed
	}
	r.At = at
	if r.MessageID, ok = letterOf(e); !ok {
		r.Code = CodeNoLetter
		return r, e.allowed
	}
	event, _ := eventBy(e.action)
	r.Kind, r.Code = event.Kind, cleanCode(e.status.text("FejlDetaljer", "FejlKode"))
	switch event.Name {
	case Failed:
		r.Kind, r.Code = s.failure(r.Code, e.status.text("KanalKode"))
	case Update:
		r.Kind, r.Code = s.update(e.status)
	case Recalled:
		r.Code = CodeRecalled
	}
	return r, e.allowed
}

// fault says why an envelope cannot be believed, or "".
func (s statusRules) fault(e envelope) string {
	event, known := eventBy(e.action)
	switch {
	case e.foreign || len(e.allowed) == 0:
		return CodeTenant
	case e.multiple:
		return CodeManyObjects
	case e.payloads > 1:
		return CodeManyPayloads
	case e.doubled:
		return CodeDoubled
	case !known:
		return CodeUnknownEvent
	case e.status == nil:
		return CodeNoPayload
	}
	said := e.status.text("KanalKode")
	if event.Channel != "" && said != event.Channel || said != onDigital && said != onPaper {
		return CodeChannel
	}
	if e.sender != "" {
		if from, ok := s.senders[e.sender]; !ok || from.Channel != said {
			return CodeSender
		}
	}
	if name := e.status.text("TransaktionsStatusKode"); name != "" && !strings.EqualFold(name, event.Name) {
		return CodeContradicts
	}
	return ""
}

// letterOf returns the hand-over that a status speaks of: MessageUUID, else
// AfsendelseIdentifikator. Both are our derived id. The envelope's ObjektId is
// MessageUUID in every sample; one that names another letter is not believed.
func letterOf(e envelope) (string, bool) {
	id := e.status.text("MessageUUID")
	digital := id != ""
	if !digital {
		id = e.status.text("AfsendelseIdentifikator")
	} else if other := e.status.text("AfsendelseIdentifikator"); other != "" && !strings.EqualFold(other, id) {
		return "", false
	}
	id = strings.ToLower(id)
	if !post.ValidUUID(id) {
		return "", false
	}
	if digital && post.ValidUUID(e.object) && e.object != id {
		return "", false
	}
	return id, true
}

// failure reads a Fejlet by its code. A code that says "later" or nothing clear
// is no receipt of a refusal: a person looks.
func (s statusRules) failure(code, channel string) (track.Kind, string) {
	code = orElse(code, "fejlet")
	switch meaningOf(s.codes, code) {
	case Recipient:
		if channel == onPaper { // there is no other channel after paper
			return track.RefusedContent, code
		}
		return track.RefusedRecipient, code
	case Later, Unclear:
		return track.Unreadable, code
	case Content:
	}
	return track.RefusedContent, code
}

// update reads an Opdatering by its ForsendelseHaendelseTypeKode: return mail, a
// changed address, a receipt's proof or a tracking number. The values are not
// public, so the operator configures them; one that is not, several that
// disagree, or none is for a person.
func (s statusRules) update(status *node) (track.Kind, string) {
	kind, code := track.Unreadable, CodeUpdate
	for _, t := range status.all("ForsendelseHaendelseTypeKode") {
		value := cleanCode(t.value())
		k, ok := s.updates[value]
		if !ok || kind != track.Unreadable && k != kind {
			return track.Unreadable, CodeUpdate + "." + value
		}
		kind, code = k, CodeUpdate+"."+value
	}
	return kind, code
}
