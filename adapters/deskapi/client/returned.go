package client

import (
	"context"
	"net/http"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// EnterReturnedMail says that an envelope came back.
func (c *Client) EnterReturnedMail(ctx context.Context, in wire.ReturnedMail) (out wire.ReturnedLetter, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/returned-mail", in, &out)
	return out, err
}
