package sqlstore

import (
	"context"
	"database/sql"
	"errors"

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
	asked := make([][]any, len(sha256))
	for i, one := range sha256 {
		asked[i] = []any{one, string(id)}
	}
	with, args := s.d.withAny("sha256, batch", asked)
	// One line that names a document is enough; a hundred thousand may. Each is asked
	// for by itself, in the one index that its batch fits: joined, or found in the order of
	// lines, PostgreSQL may read every line of the batch instead.
	rows, err := s.read.QueryContext(ctx, with+`SELECT sha256, (SELECT count(*) FROM batch_document d WHERE d.batch = v.batch AND d.sha256 = v.sha256)
		FROM v WHERE (SELECT n FROM batch_line l WHERE l.batch || '' = v.batch AND l.document = v.sha256 LIMIT 1) > 0`, args...)
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
		_, err = s.d.insertRows(ctx, tx,
			"batch_document", "batch, sha256, header, blob, blob_sha256, blob_size, clear_size", ` ON CONFLICT DO NOTHING`, rows)
		return err
	})
}
