// Package retention lets go of what is over. Each rule names one kind of record
// and how long it is kept after its road ended; the keeper finds what is past its
// time, deletes the record, whose row holds the age header (so that every copy of
// the payload is shredded, backups of the blob store included), and then the
// payload. Blobs that no record names are swept after a day.
//
// It refuses to delete anything whose road has not ended, and a rule without a
// time. Each deletion of a record is a ledger event in the same transaction. When
// a step fails the record stays and is found again; a blob that could not be
// deleted is an orphan and is swept later.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// An Item is a record past its time.
type Item struct {
	ID     string
	Tenant string
	Ended  time.Time // when its road ended, as far as known
}

// A Shelf holds the records of one kind.
type Shelf interface {
	// Overdue returns up to n records whose road ended before a time and to
	// which nothing has happened since, the oldest first.
	Overdue(ctx context.Context, before time.Time, n int) ([]Item, error)
	// Purge deletes one record and writes the ledger event of it in one
	// transaction, and returns the blobs that it named. A record to which
	// something has happened meanwhile is [post.ErrStale] and stays.
	Purge(ctx context.Context, item Item, before time.Time) (blobs []string, err error)
}

// Blobs is the store of payloads.
type Blobs interface {
	List(ctx context.Context, visit func(blob string, size int64, at time.Time) error) error
	// Delete removes a blob; one that is not there is no failure.
	Delete(ctx context.Context, blob string) error
}

// References knows which blobs are named by a record.
type References interface {
	// Unreferenced returns those of blobs that no record of any kind names, as
	// one look at one moment. When in doubt it fails.
	Unreferenced(ctx context.Context, blobs []string) ([]string, error)
}

// A Rule says how long one kind of record is kept.
type Rule struct {
	Name  string        // for the plan and the log, e.g. "inquiry.closed"
	After time.Duration // from the end of the record's road
	Shelf Shelf
}

// Config is what a keeper needs.
type Config struct {
	Rules      []Rule
	Blobs      Blobs
	References References
	Log        *slog.Logger
	// Every is how often it looks; one hour when 0.
	Every time.Duration
	// Orphan is how old a blob must be before its having no record counts; 24
	// hours when 0, and never less: uploads and drafts live as long.
	Orphan time.Duration
}

// A Keeper purges what is over. Several may run at once.
type Keeper struct{ cfg Config }

const (
	minOrphan = 24 * time.Hour
	batch     = 100
)

// New returns a keeper, or names every gap of cfg.
func New(cfg Config) (*Keeper, error) {
	var gaps []error
	if cfg.Blobs == nil {
		gaps = append(gaps, errors.New("retention: Blobs is required"))
	}
	if cfg.References == nil {
		gaps = append(gaps, errors.New("retention: References is required"))
	}
	if cfg.Log == nil {
		gaps = append(gaps, errors.New("retention: Log is required"))
	}
	for i, r := range cfg.Rules {
		if r.Name == "" || r.Shelf == nil || r.After <= 0 {
			gaps = append(gaps, fmt.Errorf("retention: rule %d (%s) needs a name, a shelf and a time", i, r.Name))
		}
	}
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	if cfg.Every == 0 {
		cfg.Every = time.Hour
	}
	cfg.Orphan = max(cfg.Orphan, minOrphan)
	return &Keeper{cfg: cfg}, nil
}

// Run takes a step every so often until ctx ends. A failed step is logged and
// taken again next time.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		done, err := k.Step(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		if err != nil {
			k.cfg.Log.ErrorContext(ctx, "retention step failed", slog.Any("error", err))
		}
		if done.Records+done.Orphans > 0 {
			k.cfg.Log.InfoContext(ctx, "records purged", slog.Int("records", done.Records), slog.Int("orphans", done.Orphans))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(k.cfg.Every):
		}
	}
}

// A Planned record is one that the next step will purge.
type Planned struct {
	Rule string
	Item Item
}

// Plan returns up to n records of each rule that a step would purge now, and
// changes nothing.
func (k *Keeper) Plan(ctx context.Context, n int) ([]Planned, error) {
	var plan []Planned
	for _, r := range k.cfg.Rules {
		items, err := r.Shelf.Overdue(ctx, time.Now().Add(-r.After), n)
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", r.Name, err)
		}
		for _, item := range items {
			plan = append(plan, Planned{Rule: r.Name, Item: item})
		}
	}
	return plan, nil
}
