package digitalpost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// bulkSize is how many numbers one bulk look-up names. NgDP's description gives
// no bound; the answer about so many stays well below maxAnswer.
const bulkSize = 100

// bulkPages bounds the pages that are read for one bulk look-up, should NgDP
// cut them smaller than asked.
const bulkPages = 20

// LookMany asks for many recipients at this moment, a hundred in each request:
// GET contacts/?isBulkLookup=true. The numbers go in the body, so none is in a
// URL. Answer i is about recipient i and is what [Client.Look] would say.
// Whatever fails leaves those it concerns Unsure, one by one, and never the
// others: no entry, two entries, an answer that cannot be read or is not whole.
// Nothing is kept: a hand-over asks again.
func (c *Client) LookMany(ctx context.Context, tenant post.Tenant, recipients []post.PartyRecord) []dispatch.Reach {
	all := make([]dispatch.Reach, len(recipients))
	system, err := c.system(tenant.ID)
	numbers, seen := map[string][]string{}, map[string]bool{} // by parameter, each number once
	for i, r := range recipients {
		parameter := parameterOf(r)
		switch {
		case err != nil:
			all[i] = unsure("auth.no-system")
		case parameter == "" || !wellFormed(parameter, r.ID):
			all[i] = unsure("no-number")
		case !seen[r.ID]:
			seen[r.ID] = true
			numbers[parameter] = append(numbers[parameter], r.ID)
		}
	}
	answers := map[string]dispatch.Reach{}                         // a CPR number is never a CVR number: their lengths differ
	for _, parameter := range []string{"cprNumber", "cvrNumber"} { // apart: two criteria in one request mean both at once
		for some := range slices.Chunk(numbers[parameter], bulkSize) {
			c.lookSome(ctx, system, parameter, some, answers)
		}
	}
	for i, r := range recipients {
		if all[i].Answer == "" {
			all[i] = answers[r.ID]
		}
	}
	return all
}

// lookSome puts into answers what one bulk look-up says of each number.
func (c *Client) lookSome(ctx context.Context, system System, parameter string, numbers []string, answers map[string]dispatch.Reach) {
	entries, trouble := c.bulk(ctx, system, parameter, numbers)
	strangers := false
	of := map[string][]contact{}
	for _, k := range entries {
		number := k.number(parameter)
		of[number] = append(of[number], k)
		strangers = strangers || !slices.Contains(numbers, number)
	}
	now := time.Now()
	for _, number := range numbers {
		switch {
		case trouble != "":
			answers[number] = unsure(trouble)
		case len(of[number]) == 0 && strangers:
			answers[number] = unsure("answer.other-party")
		default:
			answers[number] = reach(of[number], parameter, number, now)
		}
	}
}

// bulk reads all pages of one bulk look-up. Its second result says why the
// entries must not be used, or is "".
func (c *Client) bulk(ctx context.Context, system System, parameter string, numbers []string) ([]contact, string) {
	criteria := map[string]any{parameter: numbers}
	if c.bulkText {
		criteria[parameter] = strings.Join(numbers, ",")
	}
	var entries []contact
	for page := range bulkPages {
		status, body, err := c.call(ctx, system, request{method: http.MethodGet, path: "contacts/", body: criteria, query: url.Values{
			"isBulkLookup": {"true"}, "page": {strconv.Itoa(page)}, "size": {strconv.Itoa(bulkSize)}, "sortFields": {"id:asc"},
		}})
		if why := trouble(status, body, err); why != "" {
			return nil, why
		}
		var got contactPage
		if json.Unmarshal(body, &got) != nil || got.Contacts == nil && got.Content == nil {
			return nil, codeUnreadable
		}
		some := append(got.Contacts, got.Content...)
		entries = append(entries, some...)
		if got.Total == nil || *got.Total <= len(entries) {
			return entries, ""
		}
		if len(some) == 0 {
			break
		}
	}
	return nil, "answer.incomplete"
}

// trouble is the code of an answer that is none, or "" for a 200.
func trouble(status int, body []byte, err error) string {
	switch {
	case err != nil:
		return dispatch.Unanswered(err)
	case status == http.StatusUnauthorized:
		return codeUnauthorized
	case status == http.StatusForbidden:
		return codeForbidden
	case status != http.StatusOK:
		return refusal(status, body)
	}
	return ""
}

func unsure(code string) dispatch.Reach { return dispatch.Reach{Answer: dispatch.Unsure, Code: code} }

// parameterOf is the criterion by which a look-up names the recipient, or "".
func parameterOf(r post.PartyRecord) string {
	return map[string]string{"CPR": "cprNumber", "CVR": "cvrNumber"}[strings.ToUpper(r.IDType)]
}

// wellFormed reports whether a number is digits of the right length. Criteria
// know commas, operators and a wildcard: what is no number must not be one.
func wellFormed(parameter, number string) bool {
	length := map[string]int{"cprNumber": 10, "cvrNumber": 8}[parameter]
	return len(number) == length && !strings.ContainsFunc(number, func(r rune) bool { return r < '0' || r > '9' })
}

// ErrNoContact says that NgDP has no contact of an id.
var ErrNoContact = errors.New("no such contact")

// A Contact is a person or company under NgDP's own id.
type Contact struct {
	ID    string
	Party post.PartyRecord // the number; NgDP tells no name. Zero when it gives none.
	Reach dispatch.Reach   // at this moment
}

// Contact fetches one contact by NgDP's id of it: GET contacts/{id}, which is
// consistent at once, as searches are not. It refuses what has not the form of
// such an id, so no number ever gets into the URL. One that NgDP does not know
// is [ErrNoContact].
func (c *Client) Contact(ctx context.Context, tenant post.TenantID, id string) (Contact, error) {
	system, err := c.system(tenant)
	if err != nil {
		return Contact{}, err
	}
	if !post.ValidUUID(id) {
		return Contact{}, errors.New("fetch contact: that is no id of one")
	}
	status, body, err := c.call(ctx, system, request{method: http.MethodGet, path: "contacts/" + id})
	if err == nil && status == http.StatusNotFound {
		return Contact{}, fmt.Errorf("fetch contact %s: %w", id, ErrNoContact)
	}
	if why := trouble(status, body, err); why != "" {
		return Contact{}, fmt.Errorf("fetch contact %s: %s", id, why)
	}
	var got struct {
		contact
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &got) != nil || got.ID == "" {
		return Contact{}, fmt.Errorf("fetch contact %s: %s", id, codeUnreadable)
	}
	if !strings.EqualFold(got.ID, id) {
		return Contact{}, fmt.Errorf("fetch contact %s: answer.other-party", id)
	}
	k := Contact{ID: got.ID, Reach: unsure("no-number")}
	switch {
	case (got.CPR == "") == (got.CVR == ""): // nobody, or two
	case wellFormed("cprNumber", got.CPR):
		k.Party, k.Reach = post.PartyRecord{IDType: "CPR", ID: got.CPR}, reach([]contact{got.contact}, "cprNumber", got.CPR, time.Now())
	case wellFormed("cvrNumber", got.CVR):
		k.Party, k.Reach = post.PartyRecord{IDType: "CVR", ID: got.CVR}, reach([]contact{got.contact}, "cvrNumber", got.CVR, time.Now())
	}
	return k, nil
}

// A request is one small question to NgDP.
type request struct {
	method, path string
	query        url.Values
	body         any    // sent as JSON unless nil
	match        string // If-Match, unless ""
}

// call sends a request and returns the bounded answer. Its error must not be
// logged: it may hold the URL.
func (c *Client) call(ctx context.Context, s System, r request) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.asking)
	defer cancel()
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.address(r.path, r.query.Encode()), body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.match != "" {
		req.Header.Set("If-Match", r.match)
	}
	req.SetBasicAuth(s.ID, s.Token)
	answer, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err := bounded(answer)
	if err == nil {
		err = ctx.Err() // the other end may close in good form what we gave up
	}
	return answer.StatusCode, text, err
}
