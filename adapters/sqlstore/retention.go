package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3/database"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/ledger"
	"sikkerpost.dk/gateway/internal/vault/retention"
)

var _ retention.References = (*Store)(nil)

// Whose chooses records by their tenant. The zero value is everybody's.
type Whose struct {
	Only post.TenantID   // "" is any
	Not  []post.TenantID // those that have rules of their own
}

// and returns the condition on column tenant, with its arguments, of which the
// first is number n. No index has its entries in the order of what is compared: those
// of what is over are few, those of a municipality many.
func (w Whose) and(n int) (cond string, args []any) {
	switch {
	case w.Only != "":
		return fmt.Sprintf(" AND ('' || tenant) = $%d", n), []any{string(w.Only)}
	case len(w.Not) > 0:
		for _, t := range w.Not {
			args = append(args, string(t))
		}
		return " AND tenant NOT IN (" + placeholders(n, len(args)) + ")", args
	}
	return "", nil
}

// InquiryShelf returns the inquiries in one state that ends their road
// (closed, or forwarded to the municipality's Digital Post) for retention.
// Their road ended with the last event about them. One that a letter on hold
// answers stays.
func (s *Store) InquiryShelf(state post.InquiryState, of Whose) retention.Shelf {
	return inquiryShelf{s: s, state: state, of: of}
}

type inquiryShelf struct {
	s     *Store
	state post.InquiryState
	of    Whose
}

// quiet is true of an inquiry in state $1 to which nothing has happened since $2
// and that is not on hold.
const quiet = ` NOT EXISTS (SELECT 1 FROM letter l WHERE l.inquiry = inquiry.id AND l.hold_at > 0) AND state = $1 AND state IN ('closed', 'forwarded') AND accepted_at <= $2 AND settled_at <= $2
	AND NOT EXISTS (SELECT 1 FROM ledger_event e WHERE e.subject = inquiry.id AND e.at > $2)`

// Overdue implements [retention.Shelf].
func (h inquiryShelf) Overdue(ctx context.Context, before time.Time, n int) ([]retention.Item, error) {
	whose, args := h.of.and(4)
	rows, err := h.s.read.QueryContext(ctx,
		`SELECT id, tenant, coalesce((SELECT max(e.at) FROM ledger_event e WHERE e.subject = inquiry.id), accepted_at)
		 FROM inquiry WHERE`+quiet+whose+` ORDER BY accepted_at, id LIMIT $3`, append([]any{string(h.state), micros(before), n}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("find overdue inquiries: %w", err)
	}
	defer rows.Close()
	var items []retention.Item
	for rows.Next() {
		var i retention.Item
		var ended int64
		if err := rows.Scan(&i.ID, &i.Tenant, &ended); err != nil {
			return nil, fmt.Errorf("find overdue inquiries: %w", err)
		}
		i.Ended = fromMicros(ended)
		items = append(items, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find overdue inquiries: %w", err)
	}
	return items, nil
}

// Purge implements [retention.Shelf].
func (h inquiryShelf) Purge(ctx context.Context, item retention.Item, before time.Time) (blobs []string, err error) {
	err = h.s.tx(ctx, func(tx *sql.Tx) error {
		var tenant, blob string
		var digest []byte
		err := tx.QueryRowContext(ctx, `DELETE FROM inquiry WHERE`+quiet+` AND id = $3 RETURNING tenant, blob, digest`,
			string(h.state), micros(before), item.ID).Scan(&tenant, &blob, &digest)
		if errors.Is(err, sql.ErrNoRows) {
			return post.ErrStale
		}
		if err != nil {
			return err
		}
		// The row is ours now: a hold that waited for it comes too late, one that
		// was before us is seen here.
		var held int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM letter WHERE inquiry = $1 AND hold_at > 0`, item.ID).Scan(&held); err != nil {
			return err
		}
		if held > 0 {
			return post.ErrStale
		}
		blobs = []string{blob}
		e := ledger.New("inquiry.purged", post.TenantID(tenant), item.ID)
		e.Actor, e.Outcome, e.Digest = "retention", string(post.InquiryPurged), hex.EncodeToString(digest)
		if err := record(ctx, tx, e); err != nil {
			return err
		}
		if err := forgetThread(ctx, tx, item.ID); err != nil {
			return err
		}
		return finish(ctx, tx, queue.ForwardInquiry, item.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("purge inquiry %s: %w", item.ID, err)
	}
	return blobs, nil
}

// Unreferenced returns those of blobs that no row names. See
// [retention.References]. It looks in every text column whose name holds
// "blob", of every table: one name, or one a line. A room that keeps a blob's
// name elsewhere loses the blob, so no room does.
func (s *Store) Unreferenced(ctx context.Context, blobs []string) ([]string, error) {
	if len(blobs) == 0 {
		return nil, nil
	}
	columns, err := s.blobColumns(ctx)
	if err != nil {
		return nil, fmt.Errorf("find unreferenced blobs: %w", err)
	}
	list, args := inList(blobs, 1)
	var parts []string
	for _, c := range columns {
		q := `SELECT coalesce(` + c.column + `, '') FROM ` + c.table
		if !c.many() {
			q += ` WHERE ` + c.column + ` IN (` + list + `)`
		}
		parts = append(parts, q)
	}
	// One statement is one look: a blob cannot move between two tables unseen.
	rows, err := s.read.QueryContext(ctx, strings.Join(parts, ` UNION ALL `), args...)
	if err != nil {
		return nil, fmt.Errorf("find unreferenced blobs: %w", err)
	}
	defer rows.Close()
	named := map[string]bool{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("find unreferenced blobs: %w", err)
		}
		for _, b := range strings.Fields(text) {
			named[b] = true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find unreferenced blobs: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(blobs), func(b string) bool { return named[b] }), nil
}

type blobColumn struct{ table, column string }

// many reports whether the column holds several names.
func (c blobColumn) many() bool { return strings.Contains(c.column, "blobs") }

// blobColumns finds the columns that name blobs. It fails when it does not even
// find the one of inquiries.
func (s *Store) blobColumns(ctx context.Context) ([]blobColumn, error) {
	query := `SELECT m.name, p.name, lower(p.type) FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'`
	if s.d.goose == database.DialectPostgres {
		query = `SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	rows, err := s.read.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []blobColumn
	for rows.Next() {
		var c blobColumn
		var kind string
		if err := rows.Scan(&c.table, &c.column, &kind); err != nil {
			return nil, err
		}
		if kind == "text" && strings.Contains(c.column, "blob") {
			found = append(found, c)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if !slices.Contains(found, blobColumn{"inquiry", "blob"}) {
		return nil, errors.New("the columns that name blobs were not found")
	}
	return found, nil
}
