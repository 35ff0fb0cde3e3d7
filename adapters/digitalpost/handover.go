package digitalpost

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Our own codes of an outcome; all others are NgDP's.
const (
	codeDuplicate    = "duplicate"
	codeUnauthorized = "auth.unauthorized"    // our token is refused: alarm
	codeForbidden    = dispatch.CodeForbidden // our certificate or system is refused: alarm
	codeUnavailable  = "unavailable"
	codeNoConnection = dispatch.CodeNoConnection
	codeTimeout      = dispatch.CodeTimeout
	codeBroken       = dispatch.CodeBroken
	codeForm         = dispatch.CodeForm // our own form did not render as committed
	codeOther        = "answer.other-message"
	codeUnreadable   = "answer.unreadable"
)

// HandOver implements [dispatch.Channel]: POST memos/ with the form as body.
func (c *Client) HandOver(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	out := func(v dispatch.Verdict, code string) dispatch.Outcome {
		return dispatch.Outcome{Verdict: v, Code: code, At: time.Now().UTC()}
	}
	system, err := c.system(j.Tenant.ID)
	if err != nil {
		return out(dispatch.NotTaken, "auth.no-system")
	}
	if code := c.limits.beyond(j); code != "" {
		return out(dispatch.RefusedContent, code)
	}
	ctx, cancel := context.WithTimeout(ctx, c.handing)
	defer cancel()
	body := dispatch.Watch(f.Open())
	defer func() { _ = body.Close() }() // of a reader
	query := url.Values{"memo-message-uuid": {j.MessageID}}.Encode()
	req, err := outgoing(body.Trace(ctx), system, c.address("memos/", query), "application/xml", f.Size, body)
	if err != nil {
		return out(dispatch.NotTaken, codeNoConnection)
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return out(body.Verdict(err, f.Size))
	}
	defer answer.Body.Close()
	text, err := bounded(answer)
	o := c.judge(answer.StatusCode, text, err, j.MessageID)
	o = body.Heard(o, f.Size, o.Code == codeDuplicate)
	if o.At.IsZero() {
		o.At = time.Now().UTC()
	}
	return o
}

// outgoing makes the request that hands size bytes over; a large one asks first.
func outgoing(ctx context.Context, system System, address, mediaType string, size int64, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", "application/json")
	if size > expectAbove {
		req.Header.Set("Expect", "100-continue")
	}
	req.SetBasicAuth(system.ID, system.Token)
	return req, nil
}

// judge says what an answer to a hand-over means.
func (c *Client) judge(status int, body []byte, readErr error, messageID string) dispatch.Outcome {
	var r receipt
	isReceipt := readErr == nil && json.Unmarshal(body, &r) == nil && r.Status != ""
	if status == http.StatusCreated {
		return c.created(r, isReceipt, messageID)
	}
	code := refusal(status, body)
	known, unclear := duplicate(status, code)
	switch {
	case known:
		return dispatch.Outcome{Verdict: dispatch.Taken, Code: codeDuplicate}
	case unclear:
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: code}
	case status == http.StatusUnauthorized:
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: codeUnauthorized}
	case status == http.StatusForbidden:
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: codeForbidden}
	case status == http.StatusServiceUnavailable:
		if isReceipt && r.Status == statusReceived { // "later", and a receipt: which is it?
			return dispatch.Outcome{Verdict: dispatch.Unknown, Code: codeUnavailable}
		}
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: codeUnavailable}
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed,
		status == http.StatusTooManyRequests, status == http.StatusExpectationFailed:
		// A wrong address is ours to mend, and a busy carrier says so: the letter waits.
		return dispatch.Outcome{Verdict: dispatch.NotTaken, Code: code}
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnsupportedMediaType, status == http.StatusUnprocessableEntity:
		return dispatch.Outcome{Verdict: dispatch.RefusedContent, Code: code}
	}
	// Other 5xx, redirects, other 2xx: the bytes went out and nothing is clear.
	return dispatch.Outcome{Verdict: dispatch.Unknown, Code: fmt.Sprintf("http.%d", status)}
}

// created reads a 201. Only the status code counts as taking charge; the body
// may name another outcome, but not another message.
func (c *Client) created(r receipt, isReceipt bool, messageID string) dispatch.Outcome {
	if !isReceipt {
		return dispatch.Outcome{Verdict: dispatch.Taken, Code: codeUnreadable}
	}
	if r.MessageUUID != "" && !strings.EqualFold(r.MessageUUID, messageID) {
		return dispatch.Outcome{Verdict: dispatch.Unknown, Code: codeOther}
	}
	o := dispatch.Outcome{Verdict: dispatch.Taken, Transmission: cleanTransmission(r.TransmissionID)}
	switch r.Status {
	case statusInvalid:
		o.Verdict, o.Code = dispatch.RefusedContent, cleanCode(r.ErrorCode)
	case statusNotAllowed:
		o.Verdict, o.Code = dispatch.RefusedContent, cleanCode(r.ErrorCode)
		if c.codes.prove(r.ErrorCode) {
			o.Verdict = dispatch.RefusedRecipient
		}
	}
	if t, ok := r.at(); ok {
		o.At = t
	}
	return o
}

func cleanTransmission(s string) string {
	if post.ValidUUID(s) {
		return s
	}
	return ""
}
