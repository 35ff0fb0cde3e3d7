package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/post"
)

// A Proof shows to anybody that an event is in the log. It holds all that a
// check needs besides the log's public key.
type Proof struct {
	Body       json.RawMessage `json:"body"` // the event, canonical
	Salt       []byte          `json:"salt"`
	Index      int64           `json:"index"`
	Path       []tlog.Hash     `json:"path"`
	Checkpoint string          `json:"checkpoint"` // signed note
}

// ProofSource is where a proof is made from.
type ProofSource interface {
	// LedgerRow returns one event; Index is negative while it has no place
	// yet. An unknown one is [post.ErrNotFound].
	LedgerRow(ctx context.Context, id string) (Placed, error)
	LedgerState(ctx context.Context) (size int64, checkpoint []byte, err error)
	LedgerHashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error)
}

// ErrPending says that no checkpoint covers the event yet; one will in seconds.
var ErrPending = errors.New("the event waits for the next checkpoint")

// Prove returns the proof that the event with id is in the log. It answers
// [ErrPending] until a checkpoint covers it, and [post.ErrNotFound] when there is no
// such event or when it was erased.
func Prove(ctx context.Context, src ProofSource, id string) (Proof, error) {
	row, err := src.LedgerRow(ctx, id)
	if err != nil {
		return Proof{}, fmt.Errorf("prove event %s: %w", id, err)
	}
	if len(row.Salt) == 0 {
		return Proof{}, fmt.Errorf("prove event %s: erased: %w", id, post.ErrNotFound)
	}
	_, checkpoint, err := src.LedgerState(ctx)
	if err != nil {
		return Proof{}, fmt.Errorf("prove event %s: %w", id, err)
	}
	size := claimedSize(checkpoint)
	if row.Index < 0 || row.Index >= size {
		return Proof{}, fmt.Errorf("prove event %s: %w", id, ErrPending)
	}
	path, err := tlog.ProveRecord(size, row.Index, tlog.HashReaderFunc(func(x []int64) ([]tlog.Hash, error) {
		if len(x) == 0 {
			return nil, nil
		}
		return src.LedgerHashes(ctx, x)
	}))
	if err != nil {
		return Proof{}, fmt.Errorf("prove event %s: %w", id, err)
	}
	return Proof{Body: row.Body, Salt: row.Salt, Index: row.Index, Path: path, Checkpoint: string(checkpoint)}, nil
}

// claimedSize reads the size from our own checkpoint without checking the
// signature: who gets the proof checks it.
func claimedSize(checkpoint []byte) int64 {
	var origin string
	var size int64
	if _, err := fmt.Sscanf(string(checkpoint), "%s\n%d\n", &origin, &size); err != nil {
		return 0
	}
	return size
}

// CheckInclusion returns the event that p proves to be in a log whose
// checkpoint a key in known has signed. It needs nothing else: no network, no
// database. Anything that does not fit is [post.FaultInclusion].
func CheckInclusion(p Proof, known Verifiers) (Event, error) {
	tree, err := OpenCheckpoint([]byte(p.Checkpoint), known)
	if err != nil {
		return Event{}, err
	}
	if p.Index < 0 || p.Index >= tree.N {
		return Event{}, post.FaultInclusion.At("the checkpoint does not cover the entry")
	}
	leaf := tlog.RecordHash(Leaf(p.Salt, p.Body))
	if err := tlog.CheckRecord(p.Path, tree.N, tree.Hash, p.Index, leaf); err != nil {
		return Event{}, post.FaultInclusion.Because(err)
	}
	var e Event
	if err := json.Unmarshal(p.Body, &e); err != nil {
		return Event{}, post.FaultInclusion.Because(err)
	}
	return e, nil
}
