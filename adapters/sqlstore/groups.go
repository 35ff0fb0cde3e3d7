package sqlstore

import (
	"fmt"
	"strings"

	"github.com/pressly/goose/v3/database"
)

// stretch repeats the last of values until there are 1, 2, 4, 8… of them, for
// statements to which a repeated value is the same value. So there are few texts
// of a statement for groups of any size, and each is prepared once on a connection.
func stretch[T any](values []T) []T {
	n := 1
	for n < len(values) {
		n *= 2
	}
	out := append(make([]T, 0, n), values...)
	for len(out) > 0 && len(out) < n {
		out = append(out, values[len(values)-1])
	}
	return out
}

func first(i int) int {
	if i == 0 {
		return 1
	}
	return 0
}

// withAny returns "WITH v (columns) AS (…) " and its arguments, for a statement that
// writes many rows, each in its own way. Values are string, int64 or bytes. PostgreSQL
// is given each column as one array, so there is one text of a statement for groups of
// any size, and it is parsed, planned and described once on a connection. For SQLite
// the group is filled up with rows whose first value is "" (or 0), which is nobody's id.
func (d dialect) withAny(columns string, rows [][]any) (text string, args []any) {
	if d.arrays() {
		return withArrays(columns, rows)
	}
	n := 1
	for n < len(rows) {
		n *= 2
	}
	none := make([]any, len(rows[0]))
	for k, v := range rows[0] {
		switch v.(type) {
		case string:
			none[k] = ""
		case int64:
			none[k] = int64(0)
		default:
			none[k] = []byte{}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "WITH v (%s) AS (VALUES ", columns)
	args = make([]any, 0, n*len(none))
	for i := range n {
		row := none
		if i < len(rows) {
			row = rows[i]
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for k, v := range row {
			if k > 0 {
				b.WriteString(", ")
			}
			args = append(args, v)
			form := "$%d"
			switch v.(type) {
			case string:
				form = [2]string{form, "CAST($%d AS TEXT)"}[first(i)]
			case int64:
				form = [2]string{form, "CAST($%d AS BIGINT)"}[first(i)]
			} // bytes it would take for a number if it were told their type
			fmt.Fprintf(&b, form, len(args))
		}
		b.WriteByte(')')
	}
	b.WriteString(") ")
	return b.String(), args
}

// withArrays is [dialect.withAny] for PostgreSQL.
func withArrays(columns string, rows [][]any) (text string, args []any) {
	var b strings.Builder
	fmt.Fprintf(&b, "WITH v (%s) AS (SELECT * FROM unnest(", columns)
	for k, v := range rows[0] {
		if k > 0 {
			b.WriteString(", ")
		}
		var column any
		kind := "BYTEA"
		switch v.(type) {
		case string:
			kind, column = "TEXT", columnOf[string](rows, k)
		case int64:
			kind, column = "BIGINT", columnOf[int64](rows, k)
		default:
			column = columnOf[[]byte](rows, k)
		}
		fmt.Fprintf(&b, "CAST($%d AS %s[])", k+1, kind)
		args = append(args, column)
	}
	b.WriteString(")) ")
	return b.String(), args
}

func columnOf[T any](rows [][]any, k int) []T {
	all := make([]T, len(rows))
	for i, row := range rows {
		all[i] = row[k].(T)
	}
	return all
}

// among says that column is one of values, for a statement in which nothing else is
// given before.
func (d dialect) among(column string, values []string) (text string, args []any) {
	if d.arrays() {
		return column + " = ANY($1)", []any{values}
	}
	list, args := inList(stretch(values), 1)
	return column + " IN (" + list + ")", args
}

// arrays reports whether the engine takes a list of values as one.
func (d dialect) arrays() bool { return d.goose == database.DialectPostgres }
