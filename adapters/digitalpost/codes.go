package digitalpost

import (
	"net/http"
	"slices"
	"strings"
)

// recipientCodes are the configured codes of a NOT_ALLOWED that are about the
// recipient, in lower case.
type recipientCodes map[string]bool

func newRecipientCodes(all []string) recipientCodes {
	codes := recipientCodes{}
	for _, code := range all {
		codes[strings.ToLower(code)] = true
	}
	return codes
}

// prove reports whether a NOT_ALLOWED with this code proves that the recipient
// cannot receive, so that the letter may go on paper. NgDP gives the same status
// when the sender, its system or its rights are what is wrong, and its list of codes
// is not public. A code counts when it is configured, or when one of its words is
// "recipient" and none names our side. Any other one is for a person: a right that
// our system lost must not print a whole batch.
func (k recipientCodes) prove(code string) bool {
	code = strings.ToLower(code)
	if k[code] {
		return true
	}
	words := strings.Split(code, ".")
	return slices.Contains(words, "recipient") && !slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"sender", "system", "organisation", "organization", "mandatory", "notification", "certificate", "contact"}, w)
	})
}

// duplicate says what an answer tells of a message that was sent before. Nobody
// outside knows which way NgDP takes: 409, or 400 with a code of its own. It has
// this message when the answer names the message's UUID. A duplicate of anything
// else (two files of one name, say) may as well be a refusal: nothing is clear then,
// and a receipt or the next attempt tells.
func duplicate(status int, code string) (known, unclear bool) {
	code = strings.ToLower(code)
	switch {
	case status == http.StatusConflict:
		return true, false
	case status == http.StatusBadRequest && strings.Contains(code, "duplicate"):
		known = strings.Contains(code, "uuid")
		return known, !known
	}
	return false, false
}
