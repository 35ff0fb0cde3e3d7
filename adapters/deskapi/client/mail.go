package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// ParkedMail returns one page of the messages that wait for a person.
func (c *Client) ParkedMail(ctx context.Context, after string, limit int) (out wire.ParkedMails, err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if after != "" {
		q.Set("after", after)
	}
	err = c.call(ctx, http.MethodGet, "/v1/parked-mail?"+q.Encode(), nil, &out)
	return out, err
}

// RetryMail lets a parked message be read again.
func (c *Client) RetryMail(ctx context.Context, id string) (out wire.ParkedMail, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/parked-mail/"+url.PathEscape(id)+"/retry", struct{}{}, &out)
	return out, err
}

// FileMail puts a parked message to an unknown contact point into an inbox.
func (c *Client) FileMail(ctx context.Context, id, inbox string) (out wire.ParkedMail, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/parked-mail/"+url.PathEscape(id)+"/file", wire.FileMail{Inbox: inbox}, &out)
	return out, err
}
