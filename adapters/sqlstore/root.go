package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// keptRoots bounds how many signed roots are in memory: those of the batches that
// are under way.
const keptRoots = 8

// roots holds signed roots of batches. A root is kept once and never changes.
type roots struct {
	mu   sync.Mutex
	kept map[string][]byte // guarded by mu
	last []string          // guarded by mu; oldest first
}

// root returns the signed root of a batch; nil until there is one.
func (s *Store) root(ctx context.Context, q querier, batch string) ([]byte, error) {
	s.roots.mu.Lock()
	known := s.roots.kept[batch]
	s.roots.mu.Unlock()
	if known != nil || batch == "" {
		return known, nil
	}
	var root []byte
	err := q.QueryRowContext(ctx, `SELECT root FROM batch WHERE id = $1`, batch).Scan(&root)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(root) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read root of batch %s: %w", batch, err)
	}
	s.roots.mu.Lock()
	defer s.roots.mu.Unlock()
	if s.roots.kept[batch] == nil {
		if s.roots.kept == nil {
			s.roots.kept = map[string][]byte{}
		}
		if len(s.roots.last) == keptRoots {
			delete(s.roots.kept, s.roots.last[0])
			s.roots.last = s.roots.last[1:]
		}
		s.roots.kept[batch], s.roots.last = root, append(s.roots.last, batch)
	}
	return root, nil
}

// withoutRoot leaves out of the signed form of a letter the signed root of its
// batch, with which it ends: that is kept once, with the batch.
func (s *Store) withoutRoot(ctx context.Context, q querier, batch string, signed []byte) (kept []byte, rooted int64, err error) {
	root, err := s.root(ctx, q, batch)
	if err != nil || root == nil || !bytes.HasSuffix(signed, root) {
		return signed, 0, err
	}
	return signed[:len(signed)-len(root)], 1, nil
}

// withRoot puts the signed form of a letter together again.
func (s *Store) withRoot(ctx context.Context, q querier, batch string, kept []byte) ([]byte, error) {
	root, err := s.root(ctx, q, batch)
	if err == nil && root == nil {
		err = fmt.Errorf("the root of batch %s is gone", batch)
	}
	return append(slices.Clip(kept), root...), err
}
