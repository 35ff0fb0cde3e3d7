package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Done counts what a step did.
type Done struct{ Records, Orphans int }

// Step purges all that is past its time, then sweeps orphans. It goes on with
// the next rule when one fails, and returns all failures together.
func (k *Keeper) Step(ctx context.Context) (Done, error) {
	var done Done
	var failures []error
	for _, r := range k.cfg.Rules {
		n, err := k.rule(ctx, r)
		done.Records += n
		if err != nil {
			failures = append(failures, fmt.Errorf("purge %s: %w", r.Name, err))
		}
	}
	n, err := k.orphans(ctx)
	done.Orphans = n
	return done, errors.Join(append(failures, err)...)
}

func (k *Keeper) rule(ctx context.Context, r Rule) (purged int, err error) {
	before := time.Now().Add(-r.After)
	for {
		items, err := r.Shelf.Overdue(ctx, before, batch)
		if err != nil || len(items) == 0 {
			return purged, err
		}
		moved := 0
		for _, item := range items {
			blobs, err := r.Shelf.Purge(ctx, item, before)
			if errors.Is(err, post.ErrStale) {
				moved++
				continue
			}
			if err != nil {
				return purged, fmt.Errorf("%s: %w", item.ID, err)
			}
			purged++
			if err := k.drop(ctx, blobs); err != nil {
				return purged, fmt.Errorf("%s: %w", item.ID, err)
			}
		}
		if moved == len(items) {
			return purged, nil // they come back; the next step looks again
		}
	}
}

// drop deletes those of blobs that no other record names: letters of one batch
// may share a document.
func (k *Keeper) drop(ctx context.Context, blobs []string) error {
	gone, err := k.cfg.References.Unreferenced(ctx, blobs)
	if err != nil {
		return err
	}
	for _, b := range gone {
		if err := k.cfg.Blobs.Delete(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// orphans deletes blobs that are old enough and that no record names. One that
// cannot be deleted does not keep the others: its failure is told at the end.
func (k *Keeper) orphans(ctx context.Context) (deleted int, err error) {
	limit := time.Now().Add(-k.cfg.Orphan)
	var some []string
	var first error
	flush := func() error {
		if len(some) == 0 {
			return nil
		}
		gone, err := k.cfg.References.Unreferenced(ctx, some)
		if err != nil {
			return err
		}
		some = some[:0]
		for _, b := range gone {
			if err := k.cfg.Blobs.Delete(ctx, b); err != nil {
				first = cmp.Or(first, err)
				continue
			}
			deleted++
		}
		return ctx.Err()
	}
	err = k.cfg.Blobs.List(ctx, func(blob string, _ int64, at time.Time) error {
		if !at.Before(limit) {
			return nil
		}
		if some = append(some, blob); len(some) < batch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err = cmp.Or(err, first); err != nil {
		return deleted, fmt.Errorf("sweep orphans: %w", err)
	}
	return deleted, nil
}
