package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

// LetterShelf returns the letters whose road has ended and that nobody holds,
// for retention. A purged letter keeps its row without anything sealed, so that the letters
// accepted are still the sum of all states; signed manifest and hand-overs hold
// no personal data and stay.
func (s *Store) LetterShelf(of Whose) retention.Shelf { return letterShelf{s, of} }

type letterShelf struct {
	s  *Store
	of Whose
}

// purgeable lists the states that may be followed by purged, for an IN list.
func purgeable() string {
	var list []string
	for _, state := range post.LetterStates() {
		if state.Final() && state.May(post.LetterPurged, "") {
			list = append(list, "'"+string(state)+"'")
		}
	}
	return strings.Join(list, ", ")
}

// Overdue implements [retention.Shelf].
func (h letterShelf) Overdue(ctx context.Context, before time.Time, n int) ([]retention.Item, error) {
	items, err := h.s.overdueLetters(ctx, h.of, time.Time{}, before, n, "")
	if err != nil {
		return nil, fmt.Errorf("find overdue letters: %w", err)
	}
	return items, nil
}

// over is true of a letter that is an entry of the index letter_over: its road has
// ended and nobody holds it.
func over() string { return ` hold_at = 0 AND (state || '') IN (` + purgeable() + `)` }

// overdueLetters returns the first n letters whose road ended from one time to another,
// and of which more is true. It takes the first of each municipality, from an index that has
// them in this order: one that keeps its letters for longer is not read through.
func (s *Store) overdueLetters(ctx context.Context, of Whose, from, before time.Time, n int, more string) (items []retention.Item, err error) {
	tenants := []string{string(of.Only)}
	if of.Only == "" {
		if tenants, err = s.overTenants(ctx); err != nil {
			return nil, err
		}
	}
	for _, tenant := range tenants {
		if slices.Contains(of.Not, post.TenantID(tenant)) {
			continue
		}
		some, err := overdue(ctx, s.read, `SELECT id, tenant, since FROM letter WHERE`+over()+` AND ('' || tenant) = $3 AND since >= $4 AND since <= $1`+more+
			` ORDER BY since, id LIMIT $2`, micros(before), n, tenant, micros(from))
		if err != nil {
			return nil, err
		}
		items = append(items, some...)
	}
	slices.SortFunc(items, func(a, b retention.Item) int { return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.ID, b.ID)) })
	return items[:min(n, len(items))], nil
}

// overTenants returns whose letters are over, stepping from one municipality to the next.
func (s *Store) overTenants(ctx context.Context) (all []string, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var tenant string
		err := rows.Scan(&tenant)
		all = append(all, tenant)
		return err
	}, `WITH RECURSIVE whose (tenant) AS (
	         SELECT (SELECT '' || letter.tenant FROM letter WHERE`+over()+` AND ('' || letter.tenant) >= '' ORDER BY '' || letter.tenant LIMIT 1)
	         UNION ALL
	         SELECT (SELECT '' || letter.tenant FROM letter WHERE`+over()+` AND ('' || letter.tenant) > whose.tenant ORDER BY '' || letter.tenant LIMIT 1)
	             FROM whose WHERE tenant IS NOT NULL)
	     SELECT tenant FROM whose WHERE tenant IS NOT NULL`)
	return all, err
}

// overdue reads items: id, tenant and when their road ended.
func overdue(ctx context.Context, q querier, query string, args ...any) (items []retention.Item, err error) {
	err = each(ctx, q, func(rows *sql.Rows) error {
		var i retention.Item
		var ended int64
		err := rows.Scan(&i.ID, &i.Tenant, &ended)
		i.Ended = fromMicros(ended)
		items = append(items, i)
		return err
	}, query, args...)
	return items, err
}

// Purge implements [retention.Shelf].
func (h letterShelf) Purge(ctx context.Context, item retention.Item, before time.Time) (blobs []string, err error) {
	err = h.s.tx(ctx, func(tx *sql.Tx) error {
		var tenant, batch string
		var line int64
		err := tx.QueryRowContext(ctx,
			`UPDATE letter SET state = $1, version = version + 1, since = $2, recipient = $3, content = $3
			 WHERE id = $4 AND since <= $5 AND hold_at = 0 AND state IN (`+purgeable()+`) RETURNING tenant, batch, line`,
			string(post.LetterPurged), micros(time.Now()), []byte{}, item.ID, micros(before)).Scan(&tenant, &batch, &line)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrStale
		}
		if err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `UPDATE hand_over SET address = $1 WHERE letter = $2`, []byte{}, item.ID); err != nil {
			return err
		}
		if blobs, err = texts(ctx, tx, `DELETE FROM letter_document WHERE letter = $1 RETURNING blob`, item.ID); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `UPDATE receipt SET raw = $2 WHERE letter = $1 AND letter <> ''`, item.ID, []byte{}); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `UPDATE batch_line SET recipient = $4, content = $4 WHERE batch = $1 AND n = $2 AND letter = $3`, batch, line, item.ID, []byte{}); err != nil {
			return err
		}
		shared, err := emptyBatch(ctx, tx, batch)
		if err != nil {
			return err
		}
		blobs = append(blobs, shared...)
		e := ledger.New("letter.purged", post.TenantID(tenant), item.ID)
		e.Actor, e.Outcome = "retention", string(post.LetterPurged)
		if err := record(ctx, tx, e); err != nil {
			return err
		}
		return finish(ctx, tx, queue.AdvanceLetter, item.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("purge letter %s: %w", item.ID, err)
	}
	return blobs, nil
}

// emptyBatch drops the documents of a batch when its last letter is purged.
func emptyBatch(ctx context.Context, tx *sql.Tx, batch string) ([]string, error) {
	if batch == "" {
		return nil, nil
	}
	return texts(ctx, tx,
		`DELETE FROM batch_document WHERE batch = $1
		   AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.batch = $1 AND letter.batch <> '' AND state <> 'purged')
		   AND NOT EXISTS (SELECT 1 FROM batch_line WHERE batch_line.batch = $1 AND n > (SELECT made FROM batch WHERE id = $1))
		 RETURNING blob`, batch)
}

// texts runs a statement that returns one text column.
func texts(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
