package kombipost

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Meaning is what an error code (FejlId, FejlKode) says about a letter.
type Meaning string

// Meanings.
const (
	// Content: this letter will not be accepted as it is; a person looks.
	Content Meaning = "content"
	// Recipient: this recipient cannot receive by this channel; another one may.
	Recipient Meaning = "recipient"
	// Later: the carrier says that it took nothing and may be asked again.
	Later Meaning = "later"
	// Unclear: nobody can tell whether it was taken.
	Unclear Meaning = "unclear"
)

// meanings are the codes whose meaning is known. The full list is in KOMBIT's
// Programmer's Guide, which is not public; a code that is not here means
// Content, so that a person looks at it: never paper, never a resend.
var meanings = map[string]Meaning{
	"memo.invalid":                         Content,
	"contact.point.id.format.not.allowed":  Content,
	"empty.notification.not.allowed":       Content,
	"file.empty.not.allowed":               Content,
	"file.extension.not.allowed":           Content,
	"do.not.deliver.until.date.too.early":  Content,
	"do.not.deliver.until.date.too.late":   Content,
	"recipient.exempt.not.allowed":         Recipient,
	"recipient.closed.not.allowed":         Recipient,
	"recipient.not.registered.not.allowed": Recipient,
}

func (c *Client) meaning(code string) Meaning { return meaningOf(c.cfg.Codes, code) }

func meaningOf(configured map[string]Meaning, code string) Meaning {
	if m, ok := configured[code]; ok {
		return m
	}
	if m, ok := meanings[code]; ok {
		return m
	}
	return Content
}

// weightiest returns the code that decides when an answer gives several: what is
// unclear before all, since the letter may have been taken; then what a person must
// see; and another channel only when nothing else is said.
func (c *Client) weightiest(codes []string) string {
	order := []Meaning{Unclear, Content, Later, Recipient}
	return slices.MinFunc(codes, func(a, b string) int {
		return slices.Index(order, c.meaning(a)) - slices.Index(order, c.meaning(b))
	})
}

func (m Meaning) verdict() dispatch.Verdict {
	switch m {
	case Recipient:
		return dispatch.RefusedRecipient
	case Later:
		return dispatch.NotTaken
	case Unclear:
		return dispatch.Unknown
	case Content:
	}
	return dispatch.RefusedContent
}

// response is kombi_response.
type response struct {
	result       string // "true", "false", or "" when there is none
	transmission string
	faults       []string // FejlId, cleaned
}

// parseResponse reads kombi_response by local names; its form is known from two
// clients only, so elements that we do not know are passed over.
func parseResponse(text []byte) (response, error) {
	root, err := readTree(text)
	if err != nil {
		return response{}, err
	}
	if root.name != "kombi_response" {
		return response{}, fmt.Errorf("read answer: %w", errOtherDocument)
	}
	r := response{result: strings.ToLower(root.text("Result")), transmission: root.text("TransmissionID")}
	if len(root.children("Result")) > 1 { // yes and no at once is neither
		r.result = ""
	}
	switch r.result {
	case "1":
		r.result = "true"
	case "0":
		r.result = "false"
	}
	if !post.ValidUUID(r.transmission) {
		r.transmission = ""
	}
	for _, f := range root.all("Fejl") {
		r.faults = append(r.faults, orElse(cleanCode(f.text("FejlId")), "fejl"))
	}
	return r, nil
}

// judge says what an answer to a hand-over means.
func (c *Client) judge(status int, body []byte, readErr error) dispatch.Outcome {
	switch status {
	case http.StatusOK:
		return c.judgeOK(body, readErr)
	case http.StatusUnauthorized:
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: codeUnauthorized}
	case http.StatusForbidden:
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: codeForbidden}
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusExpectationFailed:
		// A wrong address is ours to mend: the letter waits.
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: refusal(status, body)}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if c.cfg.BusyTookNothing {
			return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: refusal(status, body)}
		}
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		code := c.weightiest(refusals(status, body))
		return dispatch.Outcome{Verdict: c.meaning(code).verdict(), Code: code}
	}
	return dispatch.Outcome{Verdict: dispatch.Unknown, Code: refusal(status, body)}
}

// judgeOK reads a 200, which says only that the call went through.
func (c *Client) judgeOK(body []byte, readErr error) dispatch.Outcome {
	r, err := parseResponse(body)
	switch {
	case readErr != nil || err != nil:
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: codeUnreadable}
	case r.result == "true" && len(r.faults) == 0:
		return dispatch.Outcome{Verdict: dispatch.Taken, Transmission: r.transmission}
	case r.result == "false" && len(r.faults) > 0:
		code := c.weightiest(r.faults)
		return dispatch.Outcome{Verdict: c.meaning(code).verdict(), Code: code}
	case len(r.faults) > 0:
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: codeContradicts, Transmission: r.transmission}
	}
	return dispatch.Outcome{Verdict: dispatch.Unknown, Code: codeNoResult, Transmission: r.transmission}
}

// refusal returns the first of [refusals].
func refusal(status int, body []byte) string { return refusals(status, body)[0] }

// refusals returns the codes in a ServiceplatformFault or a kombi_response, or
// http.<status>. Their texts may repeat values, so none is read.
func refusals(status int, body []byte) (codes []string) {
	if root, err := readTree(body); err == nil {
		for _, name := range []string{"FejlId", "ErrorCode"} {
			for _, e := range root.all(name) {
				if code := cleanCode(e.value()); code != "" {
					codes = append(codes, code)
				}
			}
		}
	}
	if len(codes) == 0 {
		return []string{fmt.Sprintf("http.%d", status)}
	}
	return codes
}

// cleanCode keeps a carrier's code within a closed set of characters and 64 of
// them, and masks long runs of digits: a code is stored and logged, and nothing
// that could be a person's number may ride in it.
func cleanCode(s string) string {
	var b strings.Builder
	run := 0
	for _, r := range strings.TrimSpace(s) {
		if b.Len() == 64 {
			break
		}
		digit := r >= '0' && r <= '9'
		if run++; !digit {
			run = 0
		}
		switch {
		case digit && run > 4:
			continue
		case digit, r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '_', r == '-':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	return b.String()
}
