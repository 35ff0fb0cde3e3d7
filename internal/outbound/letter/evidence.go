package letter

import (
	"context"
	"encoding/json"
	"fmt"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// Evidence returns the evidence file of a letter: its signed manifest, what
// carriers said, and its ledger entries, as [verify.File] reads it. Documents
// are not inside; the manifest holds their digests. A letter not yet signed is
// [post.FaultNoEvidence].
func (d *Desk) Evidence(ctx context.Context, tenant post.TenantID, id post.LetterID) ([]byte, error) {
	p, err := d.Records.LetterProof(ctx, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("evidence of letter %s: %w", id, err)
	}
	if p.Manifest == nil {
		return nil, post.FaultNoEvidence
	}
	shown, err := json.Marshal(p.View)
	if err != nil {
		return nil, fmt.Errorf("evidence of letter %s: %w", id, err)
	}
	receipts, err := json.Marshal(p.Receipts)
	if err != nil {
		return nil, fmt.Errorf("evidence of letter %s: %w", id, err)
	}
	entries, err := json.Marshal(p.Events)
	if err != nil {
		return nil, fmt.Errorf("evidence of letter %s: %w", id, err)
	}
	b, err := verify.Pack(verify.Evidence{Manifest: p.Manifest, Letter: shown, Receipts: receipts, Ledger: entries})
	if err != nil {
		return nil, fmt.Errorf("evidence of letter %s: %w", id, err)
	}
	return b, nil
}
