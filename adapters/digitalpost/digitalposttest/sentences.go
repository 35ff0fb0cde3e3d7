package digitalposttest

// A refusal is a code in a sentence, with the field that it speaks of.
type refusal struct{ sentence, field string }

// refusals are the codes that a call is refused with. The official list is not
// known to us, so each begins with "sim."; the form of the answer is NgDP's.
var refusals = map[string]refusal{
	"sim.archive.rejected":                  {"The archive cannot be read, or holds what none may hold.", "body"},
	"sim.broken":                            {"The dial of the simulator makes this answer fail; what was sent was taken.", ""},
	"sim.certificate.does.not.match.system": {"The client certificate is not the one registered for this system.", "certificate"},
	"sim.contact.criteria.invalid":          {"The body of a bulk look-up is JSON, with the numbers under cprNumber or cvrNumber.", "body"},
	"sim.contact.criteria.missing":          {"Give exactly one of cprNumber and cvrNumber.", "cprNumber"},
	"sim.contact.criteria.too.many":         {"The dial of the simulator takes fewer numbers in one look-up.", "body"},
	"sim.contact.unknown":                   {"There is no contact of this id.", "id"},
	"sim.container.part.missing":            {"The form holds no part with the archive.", "file"},
	"sim.container.with.query":              {"A container goes without memo-message-uuid: each message in it has its own.", "memo-message-uuid"},
	"sim.content.length.missing":            {"Content-Length is required; a chunked body is not taken.", "Content-Length"},
	"sim.event.date.invalid":                {"The dates are no days, or the second comes first.", "date"},
	"sim.media.type.not.allowed":            {"The media type is not taken here: a message is application/xml.", "Content-Type"},
	"sim.memo.too.large":                    {"The message is larger than 99.5 MB.", "Content-Length"},
	"sim.memo.unknown":                      {"There is no such message for this system.", "messageUUID"},
	"sim.message.uuid.duplicate":            {"A message with this messageUUID was taken before.", "memo-message-uuid"},
	"sim.message.uuid.mismatch":             {"memo-message-uuid of the query is not the messageUUID of the header.", "memo-message-uuid"},
	"sim.message.uuid.missing":              {"memo-message-uuid is missing, or no UUID of version 4.", "memo-message-uuid"},
	"sim.message.uuid.of.another":           {"Another organization has sent a message with this messageUUID.", "memo-message-uuid"},
	"sim.method.not.allowed":                {"The path is there, and takes another method.", ""},
	"sim.paging.invalid":                    {"page counts from 0, size is 1 to 1000.", "size"},
	"sim.path.unknown":                      {"There is no such path; paths end with a slash.", ""},
	"sim.receipt.duplicate":                 {"A receipt of this message was given before.", "messageUUID"},
	"sim.receipt.invalid":                   {"The receipt cannot be read, or its status is none.", "receiptStatus"},
	"sim.receipt.not.possible":              {"The message is not in a state that takes this receipt.", "receiptStatus"},
	"sim.receipt.unknown":                   {"There is no such receipt for this system.", "id"},
	"sim.subscription.invalid":              {"The subscription cannot be read, names another operation than the four, no contact's id, or an address that is not https.", "body"},
	"sim.subscription.unknown":              {"There is no such subscription of this system.", "id"},
	"sim.token.unknown":                     {"System id and token do not belong together, or are missing.", "Authorization"},
	"sim.unavailable":                       {"The service is not available just now; nothing was taken.", ""},
	"sim.version.changed":                   {"If-Match is missing, or names another version than the one that is there.", "If-Match"},
}

// errorOf writes a code in NgDP's error form.
func errorOf(code string) errorMessage {
	e := errorMessage{Code: code, Message: code, FieldErrors: []fieldError{}}
	r, ok := refusals[code]
	if !ok {
		return e
	}
	e.Message = r.sentence
	if r.field != "" {
		e.FieldErrors = append(e.FieldErrors, fieldError{Resource: "request", Field: r.field, Code: code, Message: r.sentence})
	}
	return e
}
