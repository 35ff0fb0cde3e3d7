package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
)

// A Signing is an approved batch whose root is to be signed.
type Signing struct {
	Batch  post.BatchID
	Tenant post.TenantID
	At     time.Time // fixed once for the batch, whole seconds; every manifest bears it
	Lines  int
	Leaves int // kept so far, from line 1
}

// Roots keeps what one signature over a whole batch needs. Each method is one
// transaction.
type Roots interface {
	// BatchesToSign lists approved batches under policy "batch" that have no
	// root, and fixes the signing time of those that have none.
	BatchesToSign(ctx context.Context, now time.Time) ([]Signing, error)
	// LettersToSign reads up to n letters of a batch after a line, by line.
	LettersToSign(ctx context.Context, id post.BatchID, after, n int) ([]Record, error)
	// KeepLeaves keeps the leaves of the lines after a line, which must be the
	// last one kept, or answers [post.ErrStale].
	KeepLeaves(ctx context.Context, id post.BatchID, after int, leaves []tlog.Hash) error
	// KeepRoot keeps the signed root, or answers [post.ErrStale] when there is
	// one: a batch is signed once.
	KeepRoot(ctx context.Context, id post.BatchID, signed []byte) error
	// SignedBatch returns the signed root (nil until there is one) and every leaf.
	SignedBatch(ctx context.Context, id post.BatchID) (root []byte, leaves []tlog.Hash, err error)
}

// RootSigner signs the root of a batch.
type RootSigner interface {
	SignRoot(r verify.Root) ([]byte, error)
}

// leafStep is how many letters one transaction of [BatchSigner.Step] takes.
const leafStep = 100

// A BatchSigner signs approved batches under policy "batch", each once: it
// opens every letter, keeps the leaf of its manifest, and when all are there
// signs the root of the tree.
//
// Crash: leaves that are kept stay, and the next step goes on after the last
// one; the signing time was fixed before the first, so they fit. A root that
// was signed and not kept is signed again over the same tree. No letter is
// released before the root is kept, so no letter refers to one that was lost.
type BatchSigner struct {
	// Signed is called when a root was kept, so that its letters need not wait for
	// somebody to look; nil: nobody is told.
	Signed func()

	advancer *Advancer
	roots    Roots
	signer   RootSigner
}

// NewBatchSigner returns a signer that opens letters as a does.
func NewBatchSigner(a *Advancer, roots Roots, signer RootSigner) (*BatchSigner, error) {
	if a == nil || roots == nil || signer == nil {
		return nil, errors.New("dispatch: Advancer, Roots and RootSigner are required")
	}
	return &BatchSigner{advancer: a, roots: roots, signer: signer}, nil
}

// Step signs every batch that waits for it. A batch that cannot be signed is
// reported and tried again with the next step; the others go on.
func (b *BatchSigner) Step(ctx context.Context) error {
	all, err := b.roots.BatchesToSign(ctx, b.advancer.Now().UTC().Truncate(time.Second))
	if err != nil {
		return fmt.Errorf("list batches to sign: %w", err)
	}
	var errs []error
	for _, s := range all {
		err := b.sign(ctx, s)
		if err != nil && !errors.Is(err, post.ErrStale) { // another dispatcher is at it
			errs = append(errs, fmt.Errorf("sign batch %s: %w", s.Batch, err))
		}
	}
	err = errors.Join(errs...)
	if ctx.Err() == nil {
		b.advancer.noteBatches(err)
	}
	return err
}

func (b *BatchSigner) sign(ctx context.Context, s Signing) error {
	for s.Leaves < s.Lines {
		leaves, err := b.leaves(ctx, s)
		if err != nil {
			return err
		}
		if err := b.roots.KeepLeaves(ctx, s.Batch, s.Leaves, leaves); err != nil {
			return err
		}
		s.Leaves += len(leaves)
	}
	kept, leaves, err := b.roots.SignedBatch(ctx, s.Batch)
	if err != nil || kept != nil {
		return err
	}
	tree := verify.NewTree(len(leaves))
	for _, l := range leaves {
		tree.Append(l)
	}
	if tree.Size() != int64(s.Lines) {
		return fmt.Errorf("%d leaves for %d lines", tree.Size(), s.Lines)
	}
	signed, err := b.signer.SignRoot(verify.Root{Batch: s.Batch, Tenant: s.Tenant, CVR: b.advancer.tenants[s.Tenant].CVR,
		SignedAt: s.At, Size: tree.Size(), Hash: tree.Root()})
	if err != nil {
		return err
	}
	if err := b.roots.KeepRoot(ctx, s.Batch, signed); err != nil {
		return err
	}
	b.advancer.Log.InfoContext(ctx, "batch signed", slog.String("batch", string(s.Batch)), slog.Int("letters", s.Lines))
	if b.Signed != nil {
		b.Signed()
	}
	return nil
}

// leaves opens the next letters and returns the leaves of their manifests.
func (b *BatchSigner) leaves(ctx context.Context, s Signing) ([]tlog.Hash, error) {
	records, err := b.roots.LettersToSign(ctx, s.Batch, s.Leaves, leafStep)
	if err != nil {
		return nil, err
	}
	leaves := make([]tlog.Hash, 0, len(records))
	for i, r := range records {
		if r.Line != s.Leaves+i+1 {
			return nil, fmt.Errorf("line %d has no letter", s.Leaves+i+1)
		}
		o, err := b.advancer.open(r)
		if err != nil {
			return nil, fmt.Errorf("letter %s: %w", r.ID, err)
		}
		m, err := b.advancer.manifest(r, o, s.At)
		if err != nil {
			return nil, fmt.Errorf("letter %s: %w", r.ID, err)
		}
		leaf, err := verify.Leaf(m)
		if err != nil {
			return nil, fmt.Errorf("letter %s: %w", r.ID, err)
		}
		leaves = append(leaves, leaf)
	}
	if len(leaves) == 0 {
		return nil, fmt.Errorf("line %d has no letter", s.Leaves+1)
	}
	return leaves, nil
}

// errNoRoot says that the letter's batch is not signed; it passes.
var errNoRoot = errors.New("batch is not signed yet")

// signedBatch is a signed root with its tree.
type signedBatch struct {
	root   verify.Root
	signed []byte
	tree   *verify.Tree
}

// batches holds the trees of the last few batches: 64 bytes a letter.
type batches struct {
	mu   sync.Mutex
	kept map[post.BatchID]*signedBatch // guarded by mu
	last []post.BatchID                // guarded by mu; oldest first
}

const keptBatches = 4

// signedBatch returns the signed batch of a letter, checked once.
func (a *Advancer) signedBatch(ctx context.Context, id post.BatchID) (*signedBatch, error) {
	a.batches.mu.Lock()
	defer a.batches.mu.Unlock()
	if b := a.batches.kept[id]; b != nil {
		return b, nil
	}
	if a.Roots == nil {
		return nil, errNoRoot
	}
	signed, leaves, err := a.Roots.SignedBatch(ctx, id)
	if err != nil {
		return nil, err
	}
	if signed == nil {
		return nil, errNoRoot
	}
	b := &signedBatch{signed: signed, tree: verify.NewTree(len(leaves))}
	if b.root, err = verify.SignedRoot(signed, a.Certs); err != nil {
		return nil, err
	}
	for _, l := range leaves {
		b.tree.Append(l)
	}
	if b.tree.Size() != b.root.Size || b.tree.Root() != b.root.Hash {
		return nil, fmt.Errorf("%w: the leaves of batch %s are not those that were signed", verify.ErrNotProven, id)
	}
	if a.batches.kept == nil {
		a.batches.kept = map[post.BatchID]*signedBatch{}
	}
	if len(a.batches.last) == keptBatches {
		delete(a.batches.kept, a.batches.last[0])
		a.batches.last = a.batches.last[1:]
	}
	a.batches.kept[id], a.batches.last = b, append(a.batches.last, id)
	return b, nil
}

// form returns the signed form of the letter at line.
func (b *signedBatch) form(line int, m verify.Manifest) ([]byte, error) {
	return b.tree.Form(m, int64(line)-1, b.signed)
}
