package digitalpost

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// contact is NgDP's Contact, as far as a look-up needs it.
type contact struct {
	CPR     string `json:"cprNumber"`
	CVR     string `json:"cvrNumber"`
	Mailbox *struct {
		Status       string     `json:"publicRegistrationStatus"`
		Registration string     `json:"registrationStatus"`
		StartTime    *time.Time `json:"startTime"`
		EndTime      *time.Time `json:"endTime"`
	} `json:"mailboxSubscription"`
}

// number is the one by which a criterion finds k.
func (k contact) number(parameter string) string {
	if parameter == "cprNumber" {
		return k.CPR
	}
	return k.CVR
}

// contactPage is ContactSearchResult: its list is contacts. The name that other
// lists of the API have is read too.
type contactPage struct {
	Contacts []contact `json:"contacts"`
	Content  []contact `json:"content"`
	Total    *int      `json:"totalElements"`
}

// Look implements [dispatch.Directory]: GET contacts/.
func (c *Client) Look(ctx context.Context, tenant post.Tenant, recipient post.PartyRecord) dispatch.Reach {
	system, err := c.system(tenant.ID)
	if err != nil {
		return unsure("auth.no-system")
	}
	parameter := parameterOf(recipient)
	if parameter == "" || recipient.ID == "" {
		return unsure("no-number")
	}
	status, body, err := c.ask(ctx, system, http.MethodGet, "contacts/", url.Values{parameter: {recipient.ID}})
	if why := trouble(status, body, err); why != "" {
		return unsure(why)
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
		if k.number(parameter) == number {
			found = append(found, k)
		}
	}
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
	// A newly registered company cannot be sent to for its first 12 days, unless it
	// logs in.
	if box.Registration == "UNCONFIRMED_REGISTRATION" {
		return unsure("waiting-period")
	}
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
	return c.call(ctx, s, request{method: method, path: path, query: query})
}
