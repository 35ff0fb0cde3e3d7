package sqlstore

import (
	"fmt"
	"strings"
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

// withRows returns "WITH v (columns) AS (VALUES …) " and its arguments, for an
// UPDATE … FROM v that changes many rows, each in its own way. Values are string
// or int64: the first row tells the engine which, and bytes have no form that
// both engines take. One row may stand there several times.
func withRows(columns string, rows [][]any) (text string, args []any) {
	var b strings.Builder
	fmt.Fprintf(&b, "WITH v (%s) AS (VALUES ", columns)
	for i, row := range stretch(rows) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for k, value := range row {
			if k > 0 {
				b.WriteString(", ")
			}
			args = append(args, value)
			switch value.(type) {
			case int64:
				fmt.Fprintf(&b, [2]string{"$%d", "CAST($%d AS BIGINT)"}[first(i)], len(args))
			case string:
				fmt.Fprintf(&b, [2]string{"$%d", "CAST($%d AS TEXT)"}[first(i)], len(args))
			default:
				panic(fmt.Sprintf("a list of values holds a %T", value))
			}
		}
		b.WriteByte(')')
	}
	b.WriteString(") ")
	return b.String(), args
}

func first(i int) int {
	if i == 0 {
		return 1
	}
	return 0
}
