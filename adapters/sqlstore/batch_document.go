package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
)

// BatchDocuments implements [batch.Intake].
func (s *Store) BatchDocuments(ctx context.Context, tenant post.TenantID, id post.BatchID, sha256 []string) (map[string]batch.Need, error) {
	var state batch.State
	err := s.read.QueryRowContext(ctx, `SELECT state FROM batch WHERE id = $1 AND ($2 = '' OR tenant = $2)`, string(id), string(tenant)).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, post.ErrNotFound
	case err != nil:
		return nil, err
	case state != batch.Open:
		return nil, post.FaultBatchState
	}
	needs := make(map[string]batch.Need, len(sha256))
	for len(sha256) > 0 {
		some := sha256[:min(rowsAtOnce, len(sha256))]
		sha256 = sha256[len(some):]
		if err := s.batchNeeds(ctx, id, some, needs); err != nil {
			return nil, err
		}
	}
	return needs, nil
}

func (s *Store) batchNeeds(ctx context.Context, id post.BatchID, sha256 []string, needs map[string]batch.Need) error {
	args := []any{string(id)}
	for _, one := range sha256 {
		args = append(args, one)
	}
	// One line that names a document is enough; a hundred thousand may.
	rows, err := s.read.QueryContext(ctx, `WITH asked(sha256) AS (VALUES ($2)`+moreRows(3, len(sha256)-1)+`)
		SELECT asked.sha256, CASE WHEN EXISTS (SELECT 1 FROM batch_document d WHERE d.batch = $1 AND d.sha256 = asked.sha256) THEN 1 ELSE 0 END
		FROM asked WHERE EXISTS (SELECT 1 FROM batch_line l WHERE l.batch = $1 AND l.document = asked.sha256)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		var here int
		if err := rows.Scan(&one, &here); err != nil {
			return err
		}
		needs[one] = batch.Wanted
		if here == 1 {
			needs[one] = batch.Here
		}
	}
	return rows.Err()
}

// PutBatchDocuments implements [batch.Intake].
func (s *Store) PutBatchDocuments(ctx context.Context, tenant post.TenantID, id post.BatchID, docs []batch.KeptDocument) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		state, _, _, err := batchRow(ctx, tx, tenant, id)
		if err != nil {
			return err
		}
		if state != batch.Open {
			return post.FaultBatchState
		}
		rows := make([][]any, 0, len(docs))
		for _, d := range docs {
			rows = append(rows, []any{string(id), d.SHA256, d.Header, d.Blob, d.Sealed.SHA256, d.Size, d.Clear})
		}
		_, err = insertRows(ctx, tx,
			`INSERT INTO batch_document (batch, sha256, header, blob, blob_sha256, blob_size, clear_size)`, ` ON CONFLICT DO NOTHING`, rows)
		return err
	})
}

// moreRows writes ", ($from), ($from+1)…" for n rows of one value.
func moreRows(from, n int) string {
	if n == 0 {
		return ""
	}
	return ", (" + strings.ReplaceAll(placeholders(from, n), ", ", "), (") + ")"
}
