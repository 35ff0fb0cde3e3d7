package kombiposttest

import (
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// sentences are the codes of ours: the official list is not known to us, and
// each begins with "sim.".
var sentences = map[string]string{ //nolint:gosec // words about tokens
	"sim.agreement.missing":         "The token is for another service than this: ask for one with its entity id.",
	"sim.assertion.missing":         "The form has no field saml-token; it goes as application/x-www-form-urlencoded.",
	"sim.assertion.refused":         "The assertion has ended, is none of this token service's, or belongs to another certificate.",
	"sim.body.broke.off":            "The body ended before its Content-Length.",
	"sim.broken":                    "The dial of the simulator makes this answer fail; what was sent was taken.",
	"sim.choice":                    "KombiValgKode is there once: Automatisk Valg, Digital Post, Fysisk Post or NemSMS.",
	"sim.choice.and.content":        "Message and ForsendelseISamling are not those that KombiValgKode asks for.",
	"sim.content.length":            "Content-Length is required, up to 150 MiB; a chunked body is not taken.",
	"sim.context.missing":           "x-TransaktionsId is a UUID, and x-TransaktionsTid a time in UTC such as 2026-11-22T10:00:00Z.",
	"sim.contradiction":             "The dial of the simulator adds a Fejl to a Result that is true.",
	"sim.element.unexpected":        "kombi_request holds KombiValgKode without a namespace, one Message in MeMo's and one ForsendelseISamling in fjernprint's.",
	"sim.id.of.another":             "Another authority has handed over something under this id.",
	"sim.ids.differ":                "messageUUID and AfsendelseIdentifikator of one request are not the same.",
	"sim.media.type":                "The media type is not taken here: a request is application/xml.",
	"sim.message.too.large":         "The message is larger than 79,691,776 bytes.",
	"sim.message.uuid":              "The message has no messageUUID that is a UUID of version 4.",
	"sim.number":                    "Give exactly one of cprNumber, ten digits, and cvrNumber, eight.",
	"sim.root.unexpected":           "The body is not one kombi_request without a namespace.",
	"sim.sender.is.not.the.token's": "The sender of the message is not the authority that the token was issued for.",
	"sim.shipment.count":            "ForsendelseISamling holds one ForsendelseI.",
	"sim.shipment.invalid":          "ForsendelseI breaks the fjernprint schema: order, namespace or value of the element that the code ends with.",
	"sim.shipment.too.large":        "The documents are larger than what goes on paper: 7 MiB, unless another limit was agreed.",
	"sim.token.refused":             "The token is missing, has ended, or belongs to another certificate.",
	"sim.unavailable":               "The service is not available just now; nothing was taken.",
	"sim.xml":                       "The body is not well-formed XML in UTF-8, or has a DOCTYPE.",
}

// says returns the text of a code, which ends with what KOMBIT's support asks for.
func says(code string) string {
	call := "CallUUID=" + post.NewID()
	if strings.HasPrefix(code, "sim.shipment.invalid") {
		code = "sim.shipment.invalid"
	}
	if text := sentences[code]; text != "" {
		return text + " " + call
	}
	return call
}
