package client

import (
	"context"
	"net/http"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// Times returns the rules by which days and costs of the client's municipality
// are reckoned.
func (c *Client) Times(ctx context.Context) (out wire.Times, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/times", nil, &out)
	return out, err
}
