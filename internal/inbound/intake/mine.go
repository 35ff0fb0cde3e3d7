package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// own returns the person's index at each tenant. It is that of the party
// concerned, so that whoever gave a power of attorney sees what was sent in
// their name.
func (d *Desk) own(p post.Person) map[post.TenantID][]byte {
	own := make(map[post.TenantID][]byte, len(d.tenants))
	for id := range d.tenants {
		own[id] = PersonIndex(d.IndexKey, id, p)
	}
	return own
}

// Mine returns the person's inquiries, newest first.
func (d *Desk) Mine(ctx context.Context, p post.Person) ([]Inquiry, error) {
	all, err := d.Inquiries.OwnInquiries(ctx, d.own(p))
	if err != nil {
		return nil, fmt.Errorf("list own inquiries: %w", err)
	}
	return all, nil
}

// Receipt returns the person's inquiry with this reference, its signed
// statement, and a copy of what was sent while there still is one (else nil).
// An inquiry of somebody else is [post.ErrNotFound].
func (d *Desk) Receipt(ctx context.Context, p post.Person, reference string) (Inquiry, []byte, *Copy, error) {
	canonical, ok := post.ParseReference(reference)
	if !ok {
		return Inquiry{}, nil, nil, post.ErrNotFound
	}
	q, err := d.Inquiries.OwnInquiry(ctx, canonical, d.own(p))
	if err != nil {
		return Inquiry{}, nil, nil, fmt.Errorf("look up receipt %s: %w", canonical, err)
	}
	statement, err := d.Receipts.InquiryStatement(ctx, q.ID)
	if err != nil {
		return Inquiry{}, nil, nil, fmt.Errorf("read statement %s: %w", canonical, err)
	}
	c, err := d.copyOf(ctx, q.ID)
	return q, statement, c, err
}

func (d *Desk) copyOf(ctx context.Context, id post.InquiryID) (*Copy, error) {
	sealed, err := d.Receipts.InquiryCopy(ctx, id, time.Now())
	if errors.Is(err, post.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read copy of inquiry %s: %w", id, err)
	}
	plain, err := d.Ring.Open(sealed)
	if err != nil {
		return nil, nil //nolint:nilerr // the key is gone: so is the copy, as promised
	}
	var c Copy
	if err := json.Unmarshal(plain, &c); err != nil {
		return nil, fmt.Errorf("decode copy of inquiry %s: %w", id, err)
	}
	return &c, nil
}

// janitorBatch is how many expired drafts are removed at a time.
const janitorBatch = 100

// Purge removes what expired: drafts with their sealed files, and copies.
func (d *Desk) Purge(ctx context.Context) error {
	now := time.Now()
	if err := d.Drafts.DropCopies(ctx, now); err != nil {
		return fmt.Errorf("drop receipt copies: %w", err)
	}
	for {
		rows, err := d.Drafts.ExpiredDrafts(ctx, now, janitorBatch)
		if err != nil {
			return fmt.Errorf("list expired drafts: %w", err)
		}
		for _, row := range rows {
			if err := d.drop(ctx, row); err != nil {
				return err
			}
		}
		if len(rows) < janitorBatch {
			return nil
		}
	}
}

// purgeEvery is how often expired drafts are looked for.
const purgeEvery = 5 * time.Minute

// Run purges until ctx ends. A failed round is logged and repeated.
func (d *Desk) Run(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if err := d.Purge(ctx); err != nil && ctx.Err() == nil {
			d.Log.ErrorContext(ctx, "drafts not purged", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
