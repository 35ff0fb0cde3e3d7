package digitalpost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// receiptsSingly reads one page of receipts by their ids, for a system that may
// not fetch them in bulk: GET receipts/, then GET receipts/{id} for each. None is
// deleted by fetching it.
func (c *Client) receiptsSingly(ctx context.Context, tenant post.TenantID, page int) ([]track.Receipt, error) {
	var got idPage
	query := url.Values{"page": {strconv.Itoa(page)}, "size": {strconv.Itoa(receiptsPerPage)}}
	if err := c.get(ctx, tenant, "receipts/", query, &got); err != nil {
		return nil, fmt.Errorf("list receipts of %s: %w", tenant, err)
	}
	if !got.sound() {
		return nil, fmt.Errorf("list receipts of %s: %s", tenant, codeUnreadable)
	}
	some, errs := make([]track.Receipt, len(got.Content)), make([]error, len(got.Content))
	abreast(len(got.Content), func(i int) {
		id := got.Content[i]
		if !post.ValidUUID(id) {
			some[i] = track.Receipt{Carrier: carrier, Kind: track.Unreadable, EventID: eventID(tenant, id, []byte(id)), At: time.Now().UTC(), Tenant: tenant, Raw: []byte(id[:min(len(id), maxRaw)])}
			return
		}
		status, body, err := c.ask(ctx, c.systems[tenant], http.MethodGet, "receipts/"+id, url.Values{"delete": {"false"}})
		switch {
		case errors.Is(err, errTooLarge):
			some[i] = track.Receipt{Carrier: carrier, Kind: track.Unreadable, Code: "too-large", EventID: eventID(tenant, id, nil),
				At: time.Now().UTC(), Tenant: tenant, Raw: body[:maxRaw]}
		case err != nil:
			errs[i] = fmt.Errorf("fetch receipt %s: %s", id, dispatch.Unanswered(err))
		case status != http.StatusOK && status != http.StatusCreated:
			errs[i] = fmt.Errorf("fetch receipt %s: %s", id, refusal(status, body))
		default:
			some[i] = c.codes.readPushed(tenant, body) // it has no id of its own
			some[i].EventID = eventID(tenant, id, body)
		}
	})
	var whole []track.Receipt
	var failed error
	for i, r := range some {
		if errs[i] != nil {
			failed = errs[i]
			continue
		}
		whole = append(whole, r)
	}
	return whole, failed
}

// idPage is PagingResultUUID.
type idPage struct {
	Content []string `json:"content"`
	Total   *int     `json:"totalElements"`
}

// sound reports whether it is a list of ids at all: another answer that happens
// to be JSON must not pass for "nothing waits".
func (p idPage) sound() bool { return p.Content != nil || p.Total != nil && *p.Total == 0 }

// get reads the JSON that a path answers into v.
func (c *Client) get(ctx context.Context, tenant post.TenantID, path string, query url.Values, v any) error {
	system, err := c.system(tenant)
	if err != nil {
		return err
	}
	status, body, err := c.ask(ctx, system, http.MethodGet, path, query)
	switch {
	case err != nil:
		return fmt.Errorf("%s", dispatch.Unanswered(err)) // the cause may hold the URL
	case status != http.StatusOK:
		return fmt.Errorf("%s", refusal(status, body))
	case json.Unmarshal(body, v) != nil:
		return fmt.Errorf("%s", codeUnreadable)
	}
	return nil
}

// A ContactPoint is one contact point of an organization, with its own limits.
type ContactPoint struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Active   bool     `json:"active"`
	Visible  bool     `json:"visible"`
	MaxMB    float64  `json:"memoSizeThresholdMB"`
	MaxFiles int      `json:"allowedNumberOfAttachments"`
	SystemID string   `json:"systemId"`
	Targets  []string `json:"targets"` // CITIZEN, COMPANY, AUTHORITY
}

// ContactPoints returns the contact points that the tenant's system may see, and
// remembers their limits: a letter beyond those of the one it goes to is refused
// from then on before it is sent.
func (c *Client) ContactPoints(ctx context.Context, tenant post.TenantID) ([]ContactPoint, error) {
	var got struct {
		Points  []ContactPoint `json:"contactPoints"`
		Content []ContactPoint `json:"content"`
	}
	if err := c.get(ctx, tenant, "contact-points/", url.Values{"page": {"0"}, "size": {"1000"}}, &got); err != nil {
		return nil, fmt.Errorf("list contact points of %s: %w", tenant, err)
	}
	all := append(got.Points, got.Content...)
	c.limits.remember(tenant, all)
	return all, nil
}

// Smallest limits at which a citizen's letter of the ordinary size still gets
// through.
const (
	leastMB    = 10
	leastFiles = 10
)

// Wanting says in words why a contact point of ours does not do its work, or "".
func Wanting(all []ContactPoint, id string) string {
	for _, p := range all {
		switch {
		case !strings.EqualFold(p.ID, id):
			continue
		case !p.Active:
			return "it is not active"
		case !p.Visible:
			return "it is not visible: nobody can choose it"
		case p.MaxMB > 0 && p.MaxMB < leastMB:
			return fmt.Sprintf("it takes only %.1f MB", p.MaxMB)
		case p.MaxFiles > 0 && p.MaxFiles < leastFiles:
			return fmt.Sprintf("it takes only %d attachments", p.MaxFiles)
		}
		return ""
	}
	return "Digital Post does not know it"
}

// SystemBehind returns the recipient system behind a contact point, or "".
func SystemBehind(all []ContactPoint, id string) string {
	for _, p := range all {
		if strings.EqualFold(p.ID, id) {
			return p.SystemID
		}
	}
	return ""
}

// A Step is one event of NgDP's log about one message.
type Step struct {
	At  time.Time
	Tag string // NgDP's own, e.g. MEMO_AVAILABLE_TO_RECIPIENT
}

// Trace returns what NgDP's event log tells of a message since from, oldest
// first. The member names of the answer are not described to us: those in use
// elsewhere in the API are read.
func (c *Client) Trace(ctx context.Context, tenant post.TenantID, messageID string, from time.Time) ([]Step, error) {
	type event struct {
		Tag     string `json:"eventTag"`
		At      string `json:"timeStamp"`
		Created string `json:"createdDateTime"`
		Message string `json:"messageUUID"`
	}
	var got struct {
		Events  []event `json:"events"`
		Content []event `json:"content"`
	}
	const form = "2006-01-02T15:04:05.000Z"
	query := url.Values{"any": {messageID}, "dateFrom": {from.UTC().Format(form)}, "dateTo": {time.Now().UTC().Format(form)}}
	if err := c.get(ctx, tenant, "events/", query, &got); err != nil {
		return nil, fmt.Errorf("trace message %s: %w", messageID, err)
	}
	var steps []Step
	for _, e := range append(got.Events, got.Content...) {
		at, ok := receipt{TimeStamp: e.At}.at()
		if !ok {
			at, ok = receipt{TimeStamp: e.Created}.at()
		}
		if ok && (e.Message == "" || strings.EqualFold(e.Message, messageID)) {
			steps = append(steps, Step{at, cleanCode(e.Tag)})
		}
	}
	return steps, nil
}
