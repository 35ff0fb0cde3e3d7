package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A Shelf lists all sealed bytes that are there.
type Shelf interface {
	List(ctx context.Context, visit func(blob string, size int64, at time.Time) error) error
}

// Names knows what names sealed bytes, whichever room's they are.
type Names interface {
	// NamedBlobs calls visit for each name, with the room that names it.
	NamedBlobs(ctx context.Context, visit func(room, blob string) error) error
	// Unreferenced returns those of blobs that nothing names, at one moment.
	Unreferenced(ctx context.Context, blobs []string) ([]string, error)
}

// looseTime is how long bytes may lie that nothing names: those of an upload that
// broke off are swept a day later.
const looseTime = 48 * time.Hour

// looseAtOnce bounds one question.
const looseAtOnce = 500

// shelf holds what lies there against what is named, in both directions. Names are
// read after the list, and each that is missing is looked for once more: bytes come
// and go meanwhile.
func (k *check) shelf(ctx context.Context) error {
	type lying struct {
		at    time.Time
		named bool
	}
	there := map[string]*lying{}
	err := k.Shelf.List(ctx, func(blob string, _ int64, at time.Time) error {
		there[blob] = &lying{at: at}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	type lost struct{ room, blob string }
	var missing []lost
	err = k.Books.NamedBlobs(ctx, func(room, blob string) error {
		if l := there[blob]; l != nil {
			l.named = true
		} else {
			missing = append(missing, lost{room, blob})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read names of blobs: %w", err)
	}
	for _, m := range missing {
		gone, err := k.gone(ctx, m.blob)
		if err != nil {
			return err
		}
		if gone && !k.missed[m.blob] {
			k.missed[m.blob] = true
			k.fault("blob", m.blob, "the %s names sealed bytes that are gone", m.room)
		}
	}
	var loose []string
	for blob, l := range there {
		switch {
		case l.named:
		case k.Now().Sub(l.at) > looseTime:
			loose = append(loose, blob)
		default:
			k.r.Loose++
		}
	}
	slices.Sort(loose)
	for some := range slices.Chunk(loose, looseAtOnce) {
		some, err := k.Books.Unreferenced(ctx, some)
		if err != nil {
			return fmt.Errorf("find loose blobs: %w", err)
		}
		for _, blob := range some {
			k.fault("blob", blob, "nothing names these sealed bytes, which lie there since %s", there[blob].at.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// gone reports whether bytes that are named are not there.
func (k *check) gone(ctx context.Context, blob string) (bool, error) {
	rc, err := k.Blobs.Get(ctx, blob)
	if err == nil {
		return false, rc.Close()
	}
	if !errors.Is(err, post.ErrNotFound) {
		return false, fmt.Errorf("read blob %s: %w", blob, err)
	}
	free, err := k.Books.Unreferenced(ctx, []string{blob})
	if err != nil {
		return false, fmt.Errorf("read names of blobs: %w", err)
	}
	return len(free) == 0, nil // else its row went away meanwhile
}
