package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// AskLookUp asks who of a batch that waits for approval could be reached.
func (c *Client) AskLookUp(ctx context.Context, batch string) (out wire.LookUp, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/batches/"+url.PathEscape(batch)+"/look-up", struct{}{}, &out)
	return out, err
}

// LookUp returns what was found, with up to limit lines after one.
func (c *Client) LookUp(ctx context.Context, batch string, after, limit int) (out wire.LookUp, err error) {
	err = c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/batches/%s/look-up?after=%d&limit=%d", url.PathEscape(batch), after, limit), nil, &out)
	return out, err
}
