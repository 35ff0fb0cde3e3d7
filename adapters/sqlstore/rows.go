package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// rowsAtOnce is how many rows one INSERT writes; beyond 100 the gain flattens
// on both engines (DESIGN 6).
const rowsAtOnce = 100

// insertRows writes rows with few statements: INSERT INTO table (columns), and tail
// may say what happens on conflict. Every row has the same number of values: string,
// int64 or bytes. It answers how many rows were written.
//
// PostgreSQL is given each column as an array. For SQLite groups are of rowsAtOnce,
// then of 64, 32, 16…: eight texts for any number of rows, so that a connection's
// prepared statements stay few.
func (d dialect) insertRows(ctx context.Context, tx *sql.Tx, table, columns, tail string, rows [][]any) (written int64, err error) {
	head := "INSERT INTO " + table + " (" + columns + ")"
	if d.arrays() && len(rows) > 0 {
		with, args := withArrays(columns, rows)
		return exec(ctx, tx, with+head+" SELECT * FROM v"+tail, args...)
	}
	for len(rows) > 0 {
		n := rowsAtOnce
		for size := 64; n > len(rows); size /= 2 {
			n = size
		}
		some := rows[:n]
		rows = rows[len(some):]
		args := make([]any, 0, len(some)*len(some[0]))
		for _, r := range some {
			args = append(args, r...)
		}
		wrote, err := exec(ctx, tx, head+valuesList(len(some), len(some[0]))+tail, args...)
		if err != nil {
			return written, err
		}
		written += wrote
	}
	return written, nil
}

// valuesList writes " VALUES ($1, $2), ($3, $4)…".
func valuesList(rows, columns int) string {
	var b strings.Builder
	b.WriteString(" VALUES ")
	for i := range rows * columns {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// placeholders writes "$from, $from+1, …" for n values.
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(from + i))
	}
	return b.String()
}

// recordAll writes ledger events as [record] does, many at a time.
func (s *Store) recordAll(ctx context.Context, tx *sql.Tx, events []ledger.Event) error {
	if len(events) == 0 {
		return nil
	}
	const columns = "id, at, kind, tenant, subject, body, salt, commitment"
	rows, wait := make([][]any, 0, len(events)), make([]awaiting, 0, len(events))
	for _, e := range events {
		row, err := ledger.Commit(e)
		if err != nil {
			return err
		}
		rows = append(rows, []any{e.ID, micros(e.At), e.Kind, string(e.Tenant), e.Subject, row.Body, row.Salt, row.Leaf})
		wait = append(wait, awaiting{id: e.ID, leaf: row.Leaf})
	}
	n, err := int64(0), error(nil)
	waiting := waitingRows(wait)
	if s.d.arrays() { // both in one statement
		with, args := withArrays(columns, rows)
		n, err = exec(ctx, tx, with+`, written AS (INSERT INTO ledger_event (`+columns+`) SELECT * FROM v)
			INSERT INTO ledger_waiting (first, events, leaves) SELECT * FROM unnest(CAST($9 AS TEXT[]), CAST($10 AS TEXT[]), CAST($11 AS BYTEA[]))`,
			append(args, columnOf[string](waiting, 0), columnOf[string](waiting, 1), columnOf[[]byte](waiting, 2))...)
	} else if _, err = s.d.insertRows(ctx, tx, "ledger_event", columns, "", rows); err == nil {
		n, err = s.d.insertRows(ctx, tx, "ledger_waiting", "first, events, leaves", "", waiting)
	}
	if err == nil && n != int64(len(waiting)) {
		err = fmt.Errorf("%d rows of %d that wait", n, len(waiting))
	}
	if err != nil {
		return fmt.Errorf("record events: %w", err)
	}
	return nil
}
