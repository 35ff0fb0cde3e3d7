package digitalpost

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// contact is NgDP's Contact, as far as a look-up needs it.
type contact struct {
	CPR     string `json:"cprNumber"`
	CVR     string `json:"cvrNumber"`
	Mailbox *struct {
		Status    string     `json:"publicRegistrationStatus"`
		StartTime *time.Time `json:"startTime"`
		EndTime   *time.Time `json:"endTime"`
	} `json:"mailboxSubscription"`
}

// contactPage is ContactSearchResult. The description that we have does not
// name its list, so both names in use elsewhere in the API are read.
type contactPage struct {
	Contacts []contact `json:"contacts"`
	Content  []contact `json:"content"`
}

// Look implements [dispatch.Directory]: GET contacts/.
func (c *Client) Look(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord) dispatch.Reach {
	unsure := func(code string) dispatch.Reach { return dispatch.Reach{Answer: dispatch.Unsure, Code: code} }
	system, err := c.system(tenant.ID)
	if err != nil {
		return unsure("auth.no-system")
	}
	parameter := map[string]string{"CPR": "cprNumber", "CVR": "cvrNumber"}[strings.ToUpper(recipient.IDType)]
	if parameter == "" || recipient.ID == "" {
		return unsure("no-number")
	}
	status, body, err := c.ask(ctx, system, http.MethodGet, "contacts/", url.Values{parameter: {recipient.ID}})
	switch {
	case err != nil:
		return unsure(dispatch.Unanswered(err))
	case status == http.StatusUnauthorized:
		return unsure(codeUnauthorized)
	case status == http.StatusForbidden:
		return unsure(codeForbidden)
	case status != http.StatusOK:
		return unsure(refusal(status, body))
	}
	var page contactPage
	if json.Unmarshal(body, &page) != nil {
		return unsure(codeUnreadable)
	}
	return reach(append(page.Contacts, page.Content...), parameter, recipient.ID, time.Now())
}

// reach reads the contacts that a look-up for number returned. Only one entry
// that carries this very number counts.
func reach(all []contact, parameter, number string, now time.Time) dispatch.Reach {
	var found []contact
	for _, k := range all {
		if parameter == "cprNumber" && k.CPR == number || parameter == "cvrNumber" && k.CVR == number {
			found = append(found, k)
		}
	}
	unsure := func(code string) dispatch.Reach { return dispatch.Reach{Answer: dispatch.Unsure, Code: code} }
	switch {
	case len(found) == 0 && len(all) == 0:
		return unsure("not-found")
	case len(found) == 0:
		return unsure("answer.other-party")
	case len(found) > 1:
		return unsure("answer.ambiguous")
	case found[0].Mailbox == nil:
		return unsure("no-subscription")
	}
	box := found[0].Mailbox
	switch box.Status {
	case "EXEMPT", "CLOSED":
		return dispatch.Reach{Answer: dispatch.Unreachable, Code: box.Status}
	case "REGISTERED":
	default:
		return unsure("UNKNOWN")
	}
	// A newly registered company cannot be sent to for its first 12 days.
	if box.StartTime != nil && box.StartTime.After(now) {
		return unsure("waiting-period")
	}
	if box.EndTime != nil && box.EndTime.Before(now) {
		return unsure("subscription-ended")
	}
	return dispatch.Reach{Answer: dispatch.Reachable, Code: box.Status}
}

// ask sends a request without a body and returns the bounded answer. Its error
// must not be logged: it may hold the URL.
func (c *Client) ask(ctx context.Context, s System, method, path string, query url.Values) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.address(path, query.Encode()), nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(s.ID, s.Token)
	answer, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := bounded(answer)
	return answer.StatusCode, body, err
}
