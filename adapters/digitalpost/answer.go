package digitalpost

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// receipt is NgDP's Receipt and BulkReceipt. Members that we do not know are
// passed over.
type receipt struct {
	ID             string `json:"id"`
	TransmissionID string `json:"transmissionId"`
	MessageUUID    string `json:"messageUUID"`
	MessageID      string `json:"messageId"`
	ErrorCode      string `json:"errorCode"`
	TimeStamp      string `json:"timeStamp"`
	Status         string `json:"receiptStatus"`
}

// Values of receiptStatus.
const (
	statusReceived   = "RECEIVED"
	statusCompleted  = "COMPLETED"
	statusInvalid    = "INVALID"
	statusNotAllowed = "NOT_ALLOWED"
)

// at returns the carrier's time, and whether it gave one that makes sense.
func (r receipt) at() (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(form, r.TimeStamp); err == nil && t.Year() >= 2000 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// errorMessage is NgDP's ErrorMessage; its text may repeat values, so only the
// code is read.
type errorMessage struct {
	Code        string `json:"code"`
	FieldErrors []struct {
		Code string `json:"code"`
	} `json:"fieldErrors"`
}

// errTooLarge says that an answer went on beyond maxAnswer.
var errTooLarge = fmt.Errorf("read answer: more than %d bytes", maxAnswer)

// bounded reads the answer's body. One beyond maxAnswer is errTooLarge, with its
// beginning.
func bounded(r *http.Response) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(b) > maxAnswer {
		return b[:maxAnswer], errTooLarge
	}
	return b, nil
}

// refusal returns the code of an ErrorMessage or a Receipt in body, cleaned, or
// http.<status>.
func refusal(status int, body []byte) string {
	var e errorMessage
	if json.Unmarshal(body, &e) == nil {
		if len(e.FieldErrors) > 0 && e.FieldErrors[0].Code != "" {
			return cleanCode(e.FieldErrors[0].Code)
		}
		if e.Code != "" {
			return cleanCode(e.Code)
		}
	}
	var r receipt
	if json.Unmarshal(body, &r) == nil && r.ErrorCode != "" {
		return cleanCode(r.ErrorCode)
	}
	return fmt.Sprintf("http.%d", status)
}

// cleanCode keeps a carrier's code within a closed set of characters and 64 of
// them, and masks long runs of digits: a code is stored and logged, and nothing
// that could be a person's number may ride in it.
func cleanCode(s string) string {
	var b strings.Builder
	run := 0
	for _, r := range s {
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

func (c *Client) system(tenant post.TenantID) (System, error) {
	s, ok := c.systems[tenant]
	if !ok {
		return System{}, post.FaultNoSystem.At("tenant %s", tenant)
	}
	return s, nil
}

// address joins a path to the base, trailing slash and all.
func (c *Client) address(path, query string) string {
	u := *c.base
	u.Path += path
	u.RawQuery = query
	return u.String()
}
