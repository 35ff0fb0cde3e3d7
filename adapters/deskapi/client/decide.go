package client

import (
	"context"
	"net/http"
	"net/url"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// Decide applies a person's decision about a letter.
func (c *Client) Decide(ctx context.Context, id, decision string) (out wire.Decided, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/letters/"+url.PathEscape(id)+"/decisions", wire.Decide{Decision: decision}, &out)
	return out, err
}

// Explain says why a letter is where it is.
func (c *Client) Explain(ctx context.Context, id string) (out wire.Explanation, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/letters/"+url.PathEscape(id)+"/explanation", nil, &out)
	return out, err
}

// PauseChannel halts hand-overs and returns everything that is halted.
func (c *Client) PauseChannel(ctx context.Context, p wire.PauseSet) (out wire.Pauses, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/channels/pause", p, &out)
	return out, err
}

// ResumeChannel lets hand-overs go on and returns what is still halted.
func (c *Client) ResumeChannel(ctx context.Context, p wire.PauseSet) (out wire.Pauses, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/channels/resume", p, &out)
	return out, err
}

// Pauses returns everything that is halted.
func (c *Client) Pauses(ctx context.Context) (out wire.Pauses, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/channels/pauses", nil, &out)
	return out, err
}
