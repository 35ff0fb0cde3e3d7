package client

import (
	"context"
	"net/http"
	"net/url"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// AskTrace asks a letter's carriers what they know of it.
func (c *Client) AskTrace(ctx context.Context, letter string) (out wire.TraceAsked, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/letters/"+url.PathEscape(letter)+"/traces", struct{}{}, &out)
	return out, err
}

// Trace returns what they told, as far as they have.
func (c *Client) Trace(ctx context.Context, letter, id string) (out wire.Trace, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/letters/"+url.PathEscape(letter)+"/traces/"+url.PathEscape(id), nil, &out)
	return out, err
}
