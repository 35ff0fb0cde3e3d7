package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
)

// Store is where the integrator finds events and keeps the log.
type Store interface {
	Reader
	// HoldSole takes or renews the sole right called name for owner during d,
	// and returns its fencing token. ok is false while somebody else holds it.
	HoldSole(ctx context.Context, name, owner string, d time.Duration) (fence int64, ok bool, err error)
	// PlaceEvents gives up to n events without a place the next places, in the
	// order of their ids, and stores the hashes of [Extend], all in one
	// transaction. It answers [post.ErrStale] when fence is no longer the
	// newest of the right called name.
	PlaceEvents(ctx context.Context, name string, fence int64, n int) (placed int, err error)
	// KeepCheckpoint remembers a signed checkpoint of size; [post.ErrStale] as
	// above, and when a larger one is kept already.
	KeepCheckpoint(ctx context.Context, name string, fence, size int64, checkpoint []byte) error
}

// Config is what an integrator needs.
type Config struct {
	Store  Store
	Dir    string      // where the log's files are published
	Signer note.Signer // the checkpoint key; its name is Origin
	Origin string      // the log's name, a URL without scheme
	Log    *slog.Logger
	// Earlier are keys that signed checkpoints before Signer did; nil for none.
	Earlier []note.Verifier
	// Every is how often it looks for events; one second when 0.
	Every time.Duration
}

const (
	soleName  = "ledger"
	soleLease = 8 * time.Second // a dead integrator is replaced within this time; a fence guards the log
	batchSize = 500             // a few statements place so many; more would hold the right's row for long
	maxWait   = time.Minute     // between attempts while it fails
)

// An Integrator turns events into the log. Many may run; one is active.
type Integrator struct {
	cfg   Config
	owner string
	known note.Verifiers
	press press // of the step under way

	mu   sync.Mutex // guards last
	last error      // of the last step
}

// NewIntegrator returns an integrator, or names every gap of cfg.
func NewIntegrator(cfg Config) (*Integrator, error) {
	var gaps []error
	need := func(ok bool, what string) {
		if !ok {
			gaps = append(gaps, errors.New("ledger: "+what))
		}
	}
	need(cfg.Store != nil, "Store is required")
	need(cfg.Dir != "", "Dir is required")
	need(cfg.Log != nil, "Log is required")
	need(cfg.Origin != "", "Origin is required")
	need(cfg.Signer != nil && cfg.Signer.Name() == cfg.Origin, "Signer is required, and its name is Origin")
	if err := errors.Join(gaps...); err != nil {
		return nil, err
	}
	if cfg.Every == 0 {
		cfg.Every = time.Second
	}
	known := append([]note.Verifier{own{cfg.Signer}}, cfg.Earlier...)
	return &Integrator{cfg: cfg, owner: post.NewID(), known: note.VerifierList(known...),
		press: press{dir: cfg.Dir, sync: syncDir}}, nil
}

// Run takes a step now and then until ctx ends. While steps fail it signs
// nothing, logs each new failure as an error, tells [Integrator.Ready], and
// tries again ever more slowly.
func (g *Integrator) Run(ctx context.Context) error {
	defer g.resign(ctx)
	for {
		_, err := g.Step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if g.remember(err) && err != nil {
			g.cfg.Log.ErrorContext(ctx, "ledger integration stopped", slog.Any("error", err))
		}
		wait := g.cfg.Every
		if err != nil {
			wait = min(max(2*wait, 5*time.Second), maxWait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// resign lets the sole right lapse at once, so that the next integrator need
// not wait for it. When it cannot, the right lapses by itself.
func (g *Integrator) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _, _ = g.cfg.Store.HoldSole(ctx, soleName, g.owner, 0)
}

// remember keeps err and reports whether it is news.
func (g *Integrator) remember(err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	news := (err == nil) != (g.last == nil) || err != nil && err.Error() != g.last.Error()
	g.last = err
	return news
}

// Ready answers why the last step of [Integrator.Run] failed, or nil.
func (g *Integrator) Ready(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// Step places all waiting events and publishes a checkpoint that covers them.
// It returns the size published, or 0 when another integrator is active. One step at
// a time is taken of an integrator. After a
// crash at any point the next step finishes what was begun.
func (g *Integrator) Step(ctx context.Context) (int64, error) {
	fence, ok, err := g.cfg.Store.HoldSole(ctx, soleName, g.owner, soleLease)
	if err != nil || !ok {
		return 0, err
	}
	for {
		n, err := g.cfg.Store.PlaceEvents(ctx, soleName, fence, batchSize)
		if err != nil {
			return 0, fmt.Errorf("place events: %w", err)
		}
		if n < batchSize {
			break
		}
		if _, ok, err = g.cfg.Store.HoldSole(ctx, soleName, g.owner, soleLease); err != nil || !ok {
			return 0, err
		}
	}
	return g.publish(ctx, fence)
}

// publish signs and publishes the log as it stands, provided that it extends
// both the checkpoint in the directory and the one in the database.
func (g *Integrator) publish(ctx context.Context, fence int64) (int64, error) {
	size, kept, err := g.cfg.Store.LedgerState(ctx)
	if err != nil {
		return 0, fmt.Errorf("publish ledger: %w", err)
	}
	file := filepath.Join(g.cfg.Dir, CheckpointFile)
	published, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("publish ledger: %w", err)
	}
	inDir, err := g.open(published)
	if err != nil {
		return 0, err
	}
	inDB, err := g.open(kept)
	if err != nil {
		return 0, err
	}
	if size == 0 && inDir.N == 0 && inDB.N == 0 {
		return 0, nil
	}
	if size < inDir.N || size < inDB.N {
		return 0, fmt.Errorf("%w: %d entries were published, %d are left", ErrDiverged, max(inDir.N, inDB.N), size)
	}
	now, err := head(ctx, g.cfg.Store, size)
	if err != nil {
		return 0, err
	}
	err = extends(ctx, g.cfg.Store, inDir, now)
	if inDB != inDir { // only after a crash, or when files were lost
		err = errors.Join(err, extends(ctx, g.cfg.Store, inDB, now))
	}
	if err != nil {
		return 0, err
	}
	if inDir.N == size {
		return size, nil
	}
	if err := publishTiles(ctx, &g.press, g.cfg.Store, inDir.N, size); err != nil {
		return 0, err
	}
	signed, err := signCheckpoint(g.cfg.Origin, now, g.cfg.Signer)
	if err != nil {
		return 0, err
	}
	if err := g.cfg.Store.KeepCheckpoint(ctx, soleName, fence, size, signed); err != nil {
		return 0, fmt.Errorf("keep checkpoint %d: %w", size, err)
	}
	if err := replace(file, signed); err != nil {
		return 0, fmt.Errorf("publish checkpoint %d: %w", size, err)
	}
	dropPartials(g.cfg.Dir, inDir.N, size)
	g.cfg.Log.DebugContext(ctx, "checkpoint published", slog.Int64("size", size))
	return size, nil
}

// open reads an earlier checkpoint; none is the empty tree.
func (g *Integrator) open(signed []byte) (tlog.Tree, error) {
	if len(signed) == 0 {
		return tlog.Tree{}, nil
	}
	tree, err := OpenCheckpoint(signed, g.known)
	if err != nil {
		return tree, fmt.Errorf("%w: the last checkpoint is not ours: %w", ErrDiverged, err)
	}
	return tree, nil
}
