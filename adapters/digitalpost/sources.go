package digitalpost

import (
	"context"
	"log/slog"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// Sources returns a source of receipts for each tenant's system, so that one that
// hangs costs the others nothing.
func (c *Client) Sources() []track.Source {
	all := make([]track.Source, len(c.tenants))
	for i, t := range c.tenants {
		all[i] = box{c, t}
	}
	return all
}

// box is where the receipts of one tenant wait.
type box struct {
	*Client
	tenant post.TenantID
}

var _ track.Forgetter = box{}

// Waiting implements [track.Source]. What was read before a page failed is
// answered, and the failure logged.
func (b box) Waiting(ctx context.Context) ([]track.Receipt, error) {
	all, err := b.waiting(ctx, b.tenant)
	if err != nil && len(all) > 0 {
		b.log.WarnContext(ctx, "receipts not fetched", slog.Any("error", err))
		err = nil
	}
	return all, err
}
