package digitalpost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// Operations that a [Subscription] can name.
const (
	AllCitizens  = "ALL_CITIZENS"
	NewCitizens  = "NEW_CITIZENS"
	AllCompanies = "ALL_COMPANIES"
	NewCompanies = "NEW_COMPANIES"
)

// A Subscription asks NgDP to tell a system when contacts change. What NgDP
// then sends is not described to us, so nothing here takes it.
type Subscription struct {
	ID         string // NgDP's; "" until it is made
	Version    int64  // NgDP's; a change names the one that it changes
	Operations []string
	Contacts   []string // NgDP's ids of single contacts; never their numbers
	NotifyURL  string   // https; where NgDP calls
}

var (
	// ErrNoSubscription says that NgDP has no subscription of an id.
	ErrNoSubscription = errors.New("no such subscription")
	// ErrVersion says that a subscription was changed since it was read.
	ErrVersion = errors.New("changed since it was read")
)

// subscription is NgDP's ContactSubscription. Single contacts are named by id
// when they are sent, and are objects when they come back; both are read.
type subscription struct {
	ID         string            `json:"id"`
	Version    int64             `json:"version"`
	Operations []string          `json:"subscriptionOperations"`
	Contacts   []json.RawMessage `json:"singleContactSubscriptions"`
	NotifyURL  string            `json:"notificationUrl"`
}

func (s subscription) read() (Subscription, error) {
	bad := errors.New(codeUnreadable)
	if !post.ValidUUID(s.ID) {
		return Subscription{}, bad
	}
	got := Subscription{ID: s.ID, Version: s.Version, Operations: s.Operations, NotifyURL: s.NotifyURL}
	for _, raw := range s.Contacts {
		var id string
		var object struct {
			Contact string `json:"contactId"`
		}
		if json.Unmarshal(raw, &id) != nil && json.Unmarshal(raw, &object) == nil {
			id = object.Contact
		}
		if !post.ValidUUID(id) {
			return Subscription{}, bad
		}
		got.Contacts = append(got.Contacts, id)
	}
	return got, nil
}

// check names what is wrong with a subscription before NgDP is asked.
func (s Subscription) check() error {
	target, err := url.Parse(s.NotifyURL)
	switch {
	case err != nil || target.Scheme != "https" || target.Host == "" || target.User != nil:
		return errors.New("the address to notify must be https, without a name or password")
	case len(s.Operations) == 0 && len(s.Contacts) == 0:
		return errors.New("it asks for nothing")
	}
	for _, o := range s.Operations {
		if !slices.Contains([]string{AllCitizens, NewCitizens, AllCompanies, NewCompanies}, o) {
			return errors.New("an operation is not known")
		}
	}
	for _, id := range s.Contacts {
		if !post.ValidUUID(id) {
			return errors.New("a contact is not named by its id")
		}
	}
	return nil
}

// same reports whether two subscriptions ask for the same.
func (s Subscription) same(o Subscription) bool {
	sorted := func(all []string) []string {
		all = slices.Clone(all)
		for i := range all {
			all[i] = strings.ToLower(all[i])
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return s.NotifyURL == o.NotifyURL && slices.Equal(sorted(s.Operations), sorted(o.Operations)) && slices.Equal(sorted(s.Contacts), sorted(o.Contacts))
}

// Subscriptions lists those of the tenant's system: GET contacts/subscriptions/.
func (c *Client) Subscriptions(ctx context.Context, tenant post.TenantID) ([]Subscription, error) {
	body, err := c.subscribed(ctx, tenant, request{method: http.MethodGet, path: "contacts/subscriptions/"})
	if err != nil {
		return nil, fmt.Errorf("list subscriptions of %s: %w", tenant, err)
	}
	var got []subscription
	if json.Unmarshal(body, &got) != nil || got == nil {
		return nil, fmt.Errorf("list subscriptions of %s: %s", tenant, codeUnreadable)
	}
	all := make([]Subscription, len(got))
	for i, s := range got {
		if all[i], err = s.read(); err != nil {
			return nil, fmt.Errorf("list subscriptions of %s: %w", tenant, err)
		}
	}
	return all, nil
}

// Subscribe makes a subscription, and returns it with NgDP's id: POST
// contacts/subscriptions/. One that asks for the same is returned instead, so a
// caller whose answer was lost asks again.
func (c *Client) Subscribe(ctx context.Context, tenant post.TenantID, s Subscription) (Subscription, error) {
	if err := s.check(); err != nil {
		return Subscription{}, fmt.Errorf("subscribe for %s: %w", tenant, err)
	}
	all, err := c.Subscriptions(ctx, tenant)
	if err != nil {
		return Subscription{}, fmt.Errorf("subscribe for %s: %w", tenant, err)
	}
	if i := slices.IndexFunc(all, s.same); i >= 0 {
		return all[i], nil
	}
	got, err := c.putSubscription(ctx, tenant, request{method: http.MethodPost, path: "contacts/subscriptions/"}, s)
	if err != nil {
		return Subscription{}, fmt.Errorf("subscribe for %s: %w", tenant, err)
	}
	return got, nil
}

// Resubscribe changes the subscription s.ID of version s.Version to ask for what
// s says: PUT contacts/subscriptions/{id}. [ErrVersion] means that somebody else
// changed it: read it again.
func (c *Client) Resubscribe(ctx context.Context, tenant post.TenantID, s Subscription) (Subscription, error) {
	err := s.check()
	if err == nil && !post.ValidUUID(s.ID) {
		err = ErrNoSubscription
	}
	var got Subscription
	if err == nil {
		got, err = c.putSubscription(ctx, tenant, request{method: http.MethodPut, path: "contacts/subscriptions/" + s.ID, match: c.etag(s.Version)}, s)
	}
	if err == nil && !strings.EqualFold(got.ID, s.ID) {
		err = errors.New("answer.other-subscription")
	}
	if err != nil {
		return Subscription{}, fmt.Errorf("change subscription of %s: %w", tenant, err)
	}
	return got, nil
}

// Unsubscribe ends the subscription s.ID of version s.Version: DELETE
// contacts/subscriptions/{id}. One that is gone is no error.
func (c *Client) Unsubscribe(ctx context.Context, tenant post.TenantID, s Subscription) error {
	if !post.ValidUUID(s.ID) {
		return fmt.Errorf("unsubscribe for %s: %w", tenant, ErrNoSubscription)
	}
	_, err := c.subscribed(ctx, tenant, request{method: http.MethodDelete, path: "contacts/subscriptions/" + s.ID, match: c.etag(s.Version)})
	if err != nil && !errors.Is(err, ErrNoSubscription) {
		return fmt.Errorf("unsubscribe for %s: %w", tenant, err)
	}
	return nil
}

// etag is how a change names the version that it changes.
func (c *Client) etag(version int64) string {
	if c.bareVersions {
		return strconv.FormatInt(version, 10)
	}
	return `"` + strconv.FormatInt(version, 10) + `"`
}

func (c *Client) putSubscription(ctx context.Context, tenant post.TenantID, r request, s Subscription) (Subscription, error) {
	r.body = map[string]any{
		"subscriptionOperations":     append([]string{}, s.Operations...), // [] rather than null
		"singleContactSubscriptions": append([]string{}, s.Contacts...),
		"notificationUrl":            s.NotifyURL,
	}
	body, err := c.subscribed(ctx, tenant, r)
	if err != nil {
		return Subscription{}, err
	}
	var got subscription
	if json.Unmarshal(body, &got) != nil {
		return Subscription{}, errors.New(codeUnreadable)
	}
	return got.read()
}

// subscribed sends a request about subscriptions and says what a refusal means.
func (c *Client) subscribed(ctx context.Context, tenant post.TenantID, r request) ([]byte, error) {
	system, err := c.system(tenant)
	if err != nil {
		return nil, err
	}
	status, body, err := c.call(ctx, system, r)
	switch {
	case err != nil:
		return nil, errors.New(dispatch.Unanswered(err)) // the cause may hold the URL
	case status == http.StatusNotFound && r.match != "":
		return nil, ErrNoSubscription
	case status == http.StatusPreconditionFailed, status == http.StatusConflict:
		return nil, ErrVersion
	case status == http.StatusCreated && r.method == http.MethodPost, status == http.StatusNoContent && r.method == http.MethodDelete:
		return body, nil
	}
	if why := trouble(status, body, nil); why != "" {
		return nil, errors.New(why)
	}
	return body, nil
}
