package batch

import (
	"context"

	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
)

// printable refuses a document that could not be printed, where the tenant has
// its documents looked at. Lines share documents, so the recipient is not known
// here: what the window shows is compared before the hand-over.
func (d *Desk) printable(ctx context.Context, tenant post.TenantID, pdf []byte) error {
	_, err := d.Preflight.One(ctx, tenant, preflight.Document{Content: pdf}, true)
	return err
}
