package sim

import (
	"bytes"
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

func (s *store) OpenBatch(ctx context.Context, o batch.Opened) (batch.View, error) {
	return call(ctx, s.n, "open batch", func() (batch.View, error) {
		for _, l := range o.Lines {
			for _, p := range s.n.w.lot.lines {
				if bytes.Equal(l.Key, letter.KeyIndex(indexKey, tenants[0].ID, p.key)) {
					s.n.w.owner[l.Letter] = p
				}
			}
		}
		return s.real.OpenBatch(ctx, o)
	})
}

func (s *store) PutBatchLines(ctx context.Context, t post.TenantID, id post.BatchID, p batch.Part) (bool, error) {
	return call(ctx, s.n, "put lines", func() (bool, error) { return s.real.PutBatchLines(ctx, t, id, p) })
}

func (s *store) BatchDocuments(ctx context.Context, t post.TenantID, id post.BatchID, names []string) (map[string]batch.Need, error) {
	return call(ctx, s.n, "documents", func() (map[string]batch.Need, error) { return s.real.BatchDocuments(ctx, t, id, names) })
}

func (s *store) PutBatchDocuments(ctx context.Context, t post.TenantID, id post.BatchID, docs []batch.KeptDocument) error {
	return s.act(ctx, "put documents", func() error { return s.real.PutBatchDocuments(ctx, t, id, docs) })
}

// few lines and letters are in a transaction, so that there are several.
const few = 2

func (s *store) CloseBatch(ctx context.Context, t post.TenantID, id post.BatchID, n int) (int, error) {
	return call(ctx, s.n, "close batch", func() (int, error) { return s.real.CloseBatch(ctx, t, id, min(n, few)) })
}

func (s *store) BatchView(ctx context.Context, t post.TenantID, id post.BatchID) (batch.View, error) {
	w := s.n.w
	return call(ctx, s.n, "show batch", func() (batch.View, error) {
		v, err := s.real.BatchView(ctx, t, id)
		if err == nil {
			late, under := w.underWay()
			w.viewed[w.running] = late
			w.addsUp(v)
			if v.UnderWay() != under {
				w.violate("I18: an operator is told of %d letters under way, and there are %d", v.UnderWay(), under)
			}
		}
		return v, err
	})
}

func (s *store) ApproveBatch(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error) {
	return call(ctx, s.n, "approve batch", func() (int, error) { return s.real.ApproveBatch(ctx, t, id, by, min(n, few)) })
}

func (s *store) ContinueBatch(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID) error {
	return s.act(ctx, "continue batch", func() error { return s.real.ContinueBatch(ctx, t, id, by) })
}

func (s *store) PauseBatch(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, pause bool) error {
	return s.act(ctx, "pause batch", func() error { return s.real.PauseBatch(ctx, t, id, by, pause) })
}

func (s *store) StopBatch(ctx context.Context, t post.TenantID, id post.BatchID, by post.ClientID, n int) (int, error) {
	return call(ctx, s.n, "stop batch", func() (int, error) { return s.real.StopBatch(ctx, t, id, by, min(n, few)) })
}

func (s *store) ReleaseApproved(ctx context.Context, n int) error {
	w := s.n.w
	if w.hazard.releaseOnce {
		if all := s.real.Unfinished(); w.released || len(all) == 0 {
			return nil
		}
		w.released = true
	}
	if w.plan.pieces {
		return s.releaseInPieces(ctx, n)
	}
	return s.act(ctx, "release", func() error { return s.real.ReleaseApproved(ctx, n) })
}

// roots is where the roots of batches are kept.
func (w *world) roots(s *store) dispatch.Roots {
	if w.hazard.roots != nil {
		return w.hazard.roots(s)
	}
	return s
}

func (s *store) BatchesToSign(ctx context.Context, now time.Time) ([]dispatch.Signing, error) {
	return call(ctx, s.n, "batches to sign", func() ([]dispatch.Signing, error) { return s.real.BatchesToSign(ctx, now) })
}

func (s *store) LettersToSign(ctx context.Context, id post.BatchID, after, n int) ([]dispatch.Record, error) {
	return call(ctx, s.n, "letters to sign", func() ([]dispatch.Record, error) { return s.real.LettersToSign(ctx, id, after, min(n, few)) })
}

func (s *store) KeepLeaves(ctx context.Context, id post.BatchID, after int, leaves []tlog.Hash) error {
	return s.act(ctx, "keep leaves", func() error { return s.real.KeepLeaves(ctx, id, after, leaves) })
}

func (s *store) KeepRoot(ctx context.Context, id post.BatchID, signed []byte) error {
	return s.act(ctx, "keep root", func() error { return s.real.KeepRoot(ctx, id, signed) })
}

// SignedBatch lets nobody else run: its caller may hold a lock.
func (s *store) SignedBatch(ctx context.Context, id post.BatchID) ([]byte, []tlog.Hash, error) {
	if s.n.w.chance(s.n.w.plan.storeDown) {
		return nil, nil, errStore
	}
	return s.real.SignedBatch(ctx, id)
}
