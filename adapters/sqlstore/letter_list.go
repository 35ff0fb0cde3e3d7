package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// LetterList implements [letter.Records]. Letters of a state are few of many, unless
// it is a final one: they are found by municipality and state, each by itself, and
// those of all municipalities put in order here.
func (s *Store) LetterList(ctx context.Context, f letter.Filter) (all []letter.View, err error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	f.Limit = min(f.Limit, 1000)
	named := f.Batch != "" || f.Reference != "" || f.Waiting || f.Held || f.Oldest
	if named || f.State == "" && !f.Open || f.State != "" && f.Tenant != "" {
		return listLetters(ctx, s.read, f, "")
	}
	err = s.look(ctx, func(tx *sql.Tx) error { // nobody is missed that moves meanwhile
		tenants := []post.TenantID{f.Tenant}
		if f.Tenant == "" {
			if tenants, err = letterTenants(ctx, tx); err != nil {
				return err
			}
		}
		all, err = listEach(ctx, tx, f, tenants)
		return err
	})
	return all, err
}

// listEach lists letters of each of the states and tenants, the first of them all.
func listEach(ctx context.Context, q querier, f letter.Filter, tenants []post.TenantID) (all []letter.View, err error) {
	states := []post.LetterState{f.State}
	if f.State == "" {
		states = slices.DeleteFunc(post.LetterStates(), post.LetterState.Final)
	}
	var last post.LetterID // nobody behind it is of the first
	for _, f.State = range states {
		for _, f.Tenant = range tenants {
			some, err := listLetters(ctx, q, f, last)
			if err != nil {
				return nil, err
			}
			if len(some) == 0 {
				continue
			}
			all = append(all, some...)
			slices.SortFunc(all, func(a, b letter.View) int { return cmp.Compare(a.ID, b.ID) })
			if len(all) >= f.Limit {
				all = all[:f.Limit]
				last = all[f.Limit-1].ID
			}
		}
	}
	return all, nil
}

// letterTenants returns who has letters, stepping from one to the next.
func letterTenants(ctx context.Context, q querier) (all []post.TenantID, err error) {
	err = each(ctx, q, func(rows *sql.Rows) error {
		var tenant post.TenantID
		err := rows.Scan(&tenant)
		all = append(all, tenant)
		return err
	}, `WITH RECURSIVE whose (tenant) AS (
	         SELECT (SELECT letter.tenant || '' FROM letter ORDER BY letter.tenant || '' LIMIT 1)
	         UNION ALL
	         SELECT (SELECT letter.tenant || '' FROM letter WHERE (letter.tenant || '') > whose.tenant ORDER BY letter.tenant || '' LIMIT 1) FROM whose WHERE tenant IS NOT NULL)
	     SELECT tenant FROM whose WHERE tenant IS NOT NULL`)
	return all, err
}

// listLetters lists letters in one statement, up to last if there is one.
func listLetters(ctx context.Context, q querier, f letter.Filter, last post.LetterID) ([]letter.View, error) {
	var where []string
	var args []any
	add := func(cond, value string) {
		if value != "" {
			args = append(args, value)
			where = append(where, fmt.Sprintf(cond, len(args)))
		}
	}
	id, tenant := "l.id", "l.tenant || ''"
	switch {
	case f.Batch != "" && f.State != "": // few of many: from the index of batches, which only this leaves
		id, tenant = "l.id || ''", "COALESCE(l.tenant, '')"
	case f.Waiting || f.Held: // from those of what is rare
		id = "l.id || ''"
	}
	add(tenant+" = $%d", string(f.Tenant))
	add("l.batch = $%d AND l.batch <> ''", string(f.Batch)) // the index of batches holds no others
	add("l.state = $%d", string(f.State))
	add("l.reference = $%d", f.Reference)
	order := id
	if f.Oldest {
		order = "l.since, l.id"
		add("(l.since, l.id) > (SELECT a.since, a.id FROM letter a WHERE a.id = $%d)", string(f.After))
	} else {
		add(id+" > $%d", string(f.After))
		add(id+" <= $%d", string(last))
	}
	if f.Waiting {
		where = append(where, "l.state IN ('needs-person', 'returned')")
	}
	add("h.carrier = $%d", string(f.Carrier))
	if !f.Since.IsZero() {
		args = append(args, micros(f.Since))
		where = append(where, fmt.Sprintf("l.since >= $%d", len(args)))
	}
	atWork := ""
	if !f.AtWork.IsZero() {
		args = append(args, micros(f.AtWork))
		atWork = fmt.Sprintf(`CASE WHEN l.code IN ('paused', 'batch-held') THEN FALSE
			WHEN l.state = 'accepted' THEN l.batch = '' AND l.since < $%[1]d
			WHEN l.state IN ('ready', 'signed', 'awaiting-lookup', 'routed', 'refused') THEN l.since < $%[1]d AND l.not_before < $%[1]d
			WHEN l.state IN ('handing-over', 'not-taken', 'outcome-unknown') THEN COALESCE(h.created_at, 0) < $%[1]d
			ELSE FALSE END`, len(args))
	}
	if f.Open {
		open := "l.arrive <> '' OR l.state IN ('needs-person', 'returned', 'handed-over', 'printing', 'posted')"
		if atWork != "" {
			open += " OR " + atWork
		}
		where = append(where, "l.state NOT IN ("+ended()+") AND ("+open+")")
	}
	if atWork != "" && !f.Open {
		where = append(where, atWork)
	}
	if f.Held {
		where = append(where, "l.hold_at > 0")
	}
	query := viewColumns
	if len(where) > 0 {
		query += "WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, f.Limit)
	var all []letter.View
	err := each(ctx, q, func(rows *sql.Rows) error {
		v, err := scanView(rows.Scan)
		all = append(all, v)
		return err
	}, fmt.Sprintf("%s ORDER BY %s LIMIT $%d", query, order, len(args)), args...)
	return all, err
}
