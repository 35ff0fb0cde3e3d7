package ledger

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
)

// Reader is what the database knows of the log.
type Reader interface {
	// LedgerState returns how many events have a place, and the last
	// checkpoint that was signed (nil when none was).
	LedgerState(ctx context.Context) (size int64, checkpoint []byte, err error)
	// LedgerHashes returns the stored hashes with these indexes (tlog
	// numbering), in the order asked. A missing one is an error.
	LedgerHashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error)
	// LedgerRows returns the events at places [from, to) in order. An erased
	// event has no salt and no body, but its leaf.
	LedgerRows(ctx context.Context, from, to int64) ([]Placed, error)
	// LedgerLeaves returns the leaves at places [from, to) in order. It leaves out
	// a place whose event is gone.
	LedgerLeaves(ctx context.Context, from, to int64) ([][]byte, error)
}

// A Placed row is an event that has its place in the log.
type Placed struct {
	ID    string
	Index int64
	Body  []byte
	Salt  []byte
	Leaf  []byte
}

// hashes reads stored hashes through r.
func hashes(ctx context.Context, r Reader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		if len(indexes) == 0 {
			return nil, nil
		}
		return r.LedgerHashes(ctx, indexes)
	})
}

// Extend returns the hashes to store, from tlog.StoredHashIndex(0, size) on,
// when leaves follow a log of size entries. stored reads the hashes that exist; it
// is asked once, for the right edge of the tree.
func Extend(size int64, leaves [][]byte, stored tlog.HashReader) ([]tlog.Hash, error) {
	e := edge{n: size}
	var indexes []int64
	for level, start := 63, int64(0); level >= 0; level-- {
		if width := int64(1) << level; size&width != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, start>>level))
			start += width
		}
	}
	if len(indexes) > 0 {
		var err error
		if e.full, err = stored.ReadHashes(indexes); err != nil {
			return nil, fmt.Errorf("extend log of %d: %w", size, err)
		}
	}
	fresh := make([]tlog.Hash, 0, 2*len(leaves)+1)
	for _, leaf := range leaves {
		fresh = e.add(fresh, leaf)
	}
	return fresh, nil
}

// head returns the tree of the first size entries, from the stored hashes.
func head(ctx context.Context, r Reader, size int64) (tlog.Tree, error) {
	h, err := tlog.TreeHash(size, hashes(ctx, r))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("hash log of %d: %w", size, err)
	}
	return tlog.Tree{N: size, Hash: h}, nil
}

// ErrDiverged says that the database is not an extension of what was published.
var ErrDiverged = fmt.Errorf("%w: %w", post.ErrPermanent, post.FaultLedger)

// extends answers ErrDiverged unless now is an extension of old: a consistency
// proof made from the stored hashes must lead from one to the other.
func extends(ctx context.Context, r Reader, old, now tlog.Tree) error {
	if old.N > now.N {
		return fmt.Errorf("%w: %d entries were published, %d are left", ErrDiverged, old.N, now.N)
	}
	if old.N == 0 {
		return nil
	}
	if old.N == now.N {
		if old.Hash != now.Hash {
			return fmt.Errorf("%w: other entries at size %d", ErrDiverged, now.N)
		}
		return nil
	}
	proof, err := tlog.ProveTree(now.N, old.N, hashes(ctx, r))
	if err != nil {
		return fmt.Errorf("prove extension of %d: %w", old.N, err)
	}
	if err := tlog.CheckTree(proof, now.N, now.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("%w: entries before %d are not those published", ErrDiverged, old.N)
	}
	return nil
}

// auditChunk is how many rows an audit holds in memory.
const auditChunk = 1000

// A Report is what an audit found.
type Report struct {
	Size   int64 // places given
	Erased int64 // events whose salt and body are gone, as they may be
	Bodies int64 // events whose body was compared with its leaf
}

// Audit recomputes the whole log from the rows and compares it with
// checkpoint, which known must have signed. Any row edited, deleted, inserted
// or moved since that checkpoint was signed is [ErrDiverged], with the first
// place that is wrong. checkpoint should come from outside the database: a
// published file, a witness, a person's receipt.
func Audit(ctx context.Context, r Reader, checkpoint []byte, known Verifiers) (Report, error) {
	want, err := OpenCheckpoint(checkpoint, known)
	if err != nil {
		return Report{}, err
	}
	size, _, err := r.LedgerState(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("audit ledger: %w", err)
	}
	if size < want.N {
		return Report{}, fmt.Errorf("%w: %d entries were published, %d are left", ErrDiverged, want.N, size)
	}
	report := Report{Size: size}
	var edge edge
	for from := int64(0); from < size; from += auditChunk {
		to := min(from+auditChunk, size)
		rows, err := r.LedgerRows(ctx, from, to)
		if err != nil {
			return report, fmt.Errorf("audit ledger: %w", err)
		}
		var fresh []tlog.Hash
		for i, row := range rows {
			if err := report.row(row, from+int64(i)); err != nil {
				return report, err
			}
			fresh = edge.add(fresh, row.Leaf)
			if edge.n == want.N && edge.root() != want.Hash {
				return report, fmt.Errorf("%w: entries before %d are not those published", ErrDiverged, want.N)
			}
		}
		if int64(len(rows)) != to-from {
			return report, fmt.Errorf("%w: entries are missing after place %d", ErrDiverged, from)
		}
		if err := stored(ctx, r, tlog.StoredHashIndex(0, from), fresh); err != nil {
			return report, err
		}
	}
	return report, nil
}

// stored answers ErrDiverged unless want is what is stored from first on.
func stored(ctx context.Context, r Reader, first int64, want []tlog.Hash) error {
	indexes := make([]int64, len(want))
	for i := range indexes {
		indexes[i] = first + int64(i)
	}
	have, err := r.LedgerHashes(ctx, indexes)
	if err != nil {
		return fmt.Errorf("audit ledger: %w", err)
	}
	if !slices.Equal(have, want) {
		return fmt.Errorf("%w: stored hashes after %d do not fit the entries", ErrDiverged, first)
	}
	return nil
}

func (r *Report) row(row Placed, place int64) error {
	if row.Index != place {
		return fmt.Errorf("%w: place %d is empty", ErrDiverged, place)
	}
	if len(row.Salt) == 0 && len(row.Body) == 0 {
		r.Erased++
		return nil
	}
	r.Bodies++
	if string(Leaf(row.Salt, row.Body)) != string(row.Leaf) {
		return fmt.Errorf("%w: the event at place %d was edited", ErrDiverged, place)
	}
	return nil
}

// edge is the right edge of a growing tree: the roots of its full subtrees.
type edge struct {
	n    int64
	full []tlog.Hash
}

// add adds a leaf and appends to out the hashes that are stored with it: its
// own, then those of the subtrees that it completes.
func (e *edge) add(out []tlog.Hash, leaf []byte) []tlog.Hash {
	h := tlog.RecordHash(leaf)
	out = append(out, h)
	for n := e.n; n&1 == 1; n >>= 1 {
		last := len(e.full) - 1
		h = tlog.NodeHash(e.full[last], h)
		e.full = e.full[:last]
		out = append(out, h)
	}
	e.full = append(e.full, h)
	e.n++
	return out
}

// root returns the hash of the whole tree, which is not empty.
func (e *edge) root() tlog.Hash {
	h := e.full[len(e.full)-1]
	for i := len(e.full) - 2; i >= 0; i-- {
		h = tlog.NodeHash(e.full[i], h)
	}
	return h
}
