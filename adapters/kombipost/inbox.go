package kombipost

import (
	"context"
	"fmt"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// tracked keeps receipts where the matcher finds them.
type tracked struct {
	inbox track.Inbox
	seal  func(ctx context.Context, raw []byte) ([]byte, error)
}

// InboxOf returns an [Inbox] that seals what was received and keeps it in the
// tracker's own store, from which its matcher takes it at the next step.
func InboxOf(inbox track.Inbox, seal func(ctx context.Context, raw []byte) ([]byte, error)) Inbox {
	return tracked{inbox, seal}
}

func (t tracked) Keep(ctx context.Context, r track.Receipt) error {
	sealed, err := t.seal(ctx, r.Raw)
	if err != nil {
		return fmt.Errorf("seal receipt %s: %w", r.EventID, err)
	}
	r.Raw = sealed
	if err := t.inbox.KeepReceipts(ctx, []track.Receipt{r}); err != nil {
		return fmt.Errorf("keep receipt %s: %w", r.EventID, err)
	}
	return nil
}

func (t tracked) Owner(ctx context.Context, messageID string) (post.TenantID, error) {
	known, err := t.inbox.ReceiptStandings(ctx, []string{messageID})
	st, ok := known[messageID]
	if err == nil && !ok {
		err = post.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("find hand-over %s: %w", messageID, err)
	}
	return st.Tenant, nil
}
