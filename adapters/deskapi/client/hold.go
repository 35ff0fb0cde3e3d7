package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// A Choice says which letters to list. The zero value is all, by id.
type Choice struct {
	State       string
	NeedsPerson bool // that wait for somebody
	Held        bool
	Tenant      string
	Carrier     string    // that has the present hand-over
	Since       time.Time // came to their state then or later
	Late        bool      // somebody should look at them now
	Oldest      bool      // in the order in which they came to their state
	After       string    // Next of the page before
	Limit       int       // 100 when 0
}

// Letters returns one page of letters.
func (c *Client) Letters(ctx context.Context, what Choice) (out wire.Letters, err error) {
	q := url.Values{}
	for _, f := range []struct {
		name string
		is   bool
		word string
	}{
		{"state", what.State != "", what.State}, {"needs_person", what.NeedsPerson, "true"}, {"held", what.Held, "true"},
		{"tenant", what.Tenant != "", what.Tenant}, {"carrier", what.Carrier != "", what.Carrier}, {"late", what.Late, "true"},
		{"since", !what.Since.IsZero(), what.Since.UTC().Format(time.RFC3339)},
		{"oldest", what.Oldest, "true"}, {"after", what.After != "", what.After}, {"limit", what.Limit > 0, strconv.Itoa(what.Limit)},
	} {
		if f.is {
			q.Set(f.name, f.word)
		}
	}
	err = c.call(ctx, http.MethodGet, "/v1/letters?"+q.Encode(), nil, &out)
	return out, err
}

// HoldLetter keeps a letter from being purged.
func (c *Client) HoldLetter(ctx context.Context, id, reason string) (out wire.Held, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/letters/"+url.PathEscape(id)+"/hold", wire.HoldSet{Reason: reason}, &out)
	return out, err
}

// UnholdLetter lifts a hold.
func (c *Client) UnholdLetter(ctx context.Context, id, reason string) (out wire.Held, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/letters/"+url.PathEscape(id)+"/unhold", wire.HoldSet{Reason: reason}, &out)
	return out, err
}
