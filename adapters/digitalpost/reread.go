package digitalpost

import (
	"context"
	"encoding/json"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var _ track.Reader = (*Client)(nil)

// Reread implements [track.Reader]: by the rules for a receipt of a page, or for
// one that has no id of its own.
func (c *Client) Reread(_ context.Context, old track.Receipt) (track.Receipt, error) {
	tenant, _ := split(old.EventID)
	var got receipt
	if json.Unmarshal(old.Raw, &got) == nil && post.ValidUUID(got.ID) {
		return c.codes.read(tenant, old.Raw), nil
	}
	return c.codes.readPushed(tenant, old.Raw), nil
}
