package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

var _ dispatch.Roots = (*Store)(nil)

// BatchesToSign implements [dispatch.Roots].
func (s *Store) BatchesToSign(ctx context.Context, now time.Time) (all []dispatch.Signing, err error) {
	// The first condition is that of the index.
	const waiting = `state IN ('approved', 'stopping') AND policy = $1 AND state = $2 AND root IS NULL AND paused = 0`
	var n int
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM batch WHERE `+waiting, string(post.SignBatch), string(batch.Approved)).Scan(&n); err != nil || n == 0 {
		return nil, err // nothing to write, nearly always
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		all = nil
		if _, err := exec(ctx, tx, `UPDATE batch SET sign_at = $3 WHERE `+waiting+` AND sign_at = 0`,
			string(post.SignBatch), string(batch.Approved), micros(now)); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx,
			`SELECT id, tenant, sign_at, lines, (SELECT coalesce(max(n), 0) FROM batch_leaf WHERE batch_leaf.batch = batch.id)
			 FROM batch WHERE `+waiting+` ORDER BY urgent DESC, approved_at`, string(post.SignBatch), string(batch.Approved))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var g dispatch.Signing
			var at int64
			if err := rows.Scan(&g.Batch, &g.Tenant, &at, &g.Lines, &g.Leaves); err != nil {
				return err
			}
			g.At = fromMicros(at)
			all = append(all, g)
		}
		return rows.Err()
	})
	return all, err
}

// LettersToSign implements [dispatch.Roots].
func (s *Store) LettersToSign(ctx context.Context, id post.BatchID, after, n int) (all []dispatch.Record, err error) {
	// That a letter is of this batch and line is looked at here: as a condition it let
	// PostgreSQL read every letter of the batch for each of these pages.
	rows, err := s.read.QueryContext(ctx,
		`SELECT b.n, l.id, l.reference, l.tenant, l.batch, l.line, l.recipient, l.content, d.header, d.blob, d.blob_sha256, d.blob_size, d.clear_size
		 FROM batch_line b JOIN letter l ON l.id = b.letter JOIN letter_document d ON d.letter = l.id AND d.n = 1
		 WHERE b.batch = $1 AND b.n > $2 AND b.n <= $3 ORDER BY b.n`, string(id), after, after+n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r dispatch.Record
		var d letter.Sealed
		var line int
		if err := rows.Scan(&line, &r.ID, &r.Reference, &r.Tenant, &r.Batch, &r.Line, &r.Recipient, &r.Content,
			&d.Header, &d.Blob, &d.SHA256, &d.Size, &d.Clear); err != nil {
			return nil, err
		}
		if r.Batch != id || r.Line != line {
			continue // the caller misses it
		}
		r.Documents = append(r.Documents, d)
		all = append(all, r)
	}
	return all, rows.Err()
}

// KeepLeaves implements [dispatch.Roots].
func (s *Store) KeepLeaves(ctx context.Context, id post.BatchID, after int, leaves []tlog.Hash) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var kept int
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) FROM batch_leaf WHERE batch = $1`, string(id)).Scan(&kept); err != nil {
			return err
		}
		if kept != after {
			return post.ErrStale
		}
		rows := make([][]any, 0, len(leaves))
		for i, l := range leaves {
			rows = append(rows, []any{string(id), int64(after + i + 1), l[:]})
		}
		_, err := s.d.insertRows(ctx, tx, "batch_leaf", "batch, n, leaf", "", rows)
		return err
	})
	if unique(err) {
		return post.ErrStale
	}
	return err
}

// KeepRoot implements [dispatch.Roots].
func (s *Store) KeepRoot(ctx context.Context, id post.BatchID, signed []byte) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := swap(ctx, tx, `UPDATE batch SET root = $1 WHERE id = $2 AND root IS NULL`, signed, string(id)); err != nil {
			return err
		}
		_, _, owner, err := batchRow(ctx, tx, "", id)
		if err != nil {
			return err
		}
		e := ledger.New("batch.signed", owner, string(id))
		e.Actor, e.Digest = "dispatcher", verify.ManifestDigest(signed)
		return record(ctx, tx, e)
	})
}

// SignedBatch implements [dispatch.Roots].
func (s *Store) SignedBatch(ctx context.Context, id post.BatchID) (root []byte, leaves []tlog.Hash, err error) {
	var lines int
	err = s.read.QueryRowContext(ctx, `SELECT root, lines FROM batch WHERE id = $1`, string(id)).Scan(&root, &lines)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, post.ErrNotFound
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read root of batch %s: %w", id, err)
	}
	leaves = make([]tlog.Hash, 0, lines)
	rows, err := s.read.QueryContext(ctx, `SELECT leaf FROM batch_leaf WHERE batch = $1 ORDER BY n`, string(id))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, nil, err
		}
		if len(b) != tlog.HashSize {
			return nil, nil, fmt.Errorf("leaf of batch %s is damaged", id)
		}
		leaves = append(leaves, tlog.Hash(b))
	}
	return root, leaves, rows.Err()
}
