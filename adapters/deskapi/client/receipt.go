package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// ParkedChoice says which parked receipts are listed.
type ParkedChoice struct {
	Code, Tenant, After string
	Limit               int
}

// ParkedReceipts returns one page of the receipts that wait for a person.
func (c *Client) ParkedReceipts(ctx context.Context, p ParkedChoice) (out wire.ParkedReceipts, err error) {
	q := url.Values{"limit": {strconv.Itoa(p.Limit)}}
	for name, v := range map[string]string{"code": p.Code, "tenant": p.Tenant, "after": p.After} {
		if v != "" {
			q.Set(name, v)
		}
	}
	err = c.call(ctx, http.MethodGet, "/v1/parked-receipts?"+q.Encode(), nil, &out)
	return out, err
}

// Receipt returns one receipt, parked or not.
func (c *Client) Receipt(ctx context.Context, id string) (out wire.ParkedReceipt, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/parked-receipts/"+url.PathEscape(id), nil, &out)
	return out, err
}

// RetryReceipt lets a parked receipt be judged again.
func (c *Client) RetryReceipt(ctx context.Context, id string) (out wire.ParkedReceipt, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/parked-receipts/"+url.PathEscape(id)+"/retry", struct{}{}, &out)
	return out, err
}

// RetryReceipts lets a page of those with one code be judged again.
func (c *Client) RetryReceipts(ctx context.Context, code, after string) (out wire.RetriedReceipts, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/parked-receipts/retry", wire.RetryReceipts{Code: code, After: after}, &out)
	return out, err
}

// CloseReceipt says that a parked receipt needs nobody any more.
func (c *Client) CloseReceipt(ctx context.Context, id, reason string) (out wire.ParkedReceipt, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/parked-receipts/"+url.PathEscape(id)+"/close", wire.CloseReceipt{Reason: reason}, &out)
	return out, err
}

// CloseMail says that a parked message needs nobody any more.
func (c *Client) CloseMail(ctx context.Context, id, reason string) (out wire.ParkedMail, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/parked-mail/"+url.PathEscape(id)+"/close", wire.CloseMail{Reason: reason}, &out)
	return out, err
}
