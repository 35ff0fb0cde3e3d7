// Package suite helps tests of programs that keep their records in the store:
// it gives each an empty database with the schema of the day ([SQLite], [Postgres])
// or nothing but a schema ([Schema]), and tells what a database holds ([Snapshot]),
// so that a test can say that a refusal changed nothing. It refuses to tell that of
// a database without tables, and to hand on a schema that is not as it was made.
package suite

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Snapshot returns a line for every row of every SQLite table whose name skip does
// not match (nil skips none). Values stand there as digests, so that a failing
// test prints nothing personal.
func Snapshot(t testing.TB, db *sql.DB, skip *regexp.Regexp) string {
	t.Helper()
	var b strings.Builder
	for _, table := range tables(t, db) {
		if skip == nil || !skip.MatchString(table) {
			write(t, &b, db, table)
		}
	}
	return b.String()
}

func tables(t testing.TB, db *sql.DB) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil || len(names) == 0 {
		t.Fatalf("the database has %d tables: %v", len(names), err)
	}
	return names
}

func write(t testing.TB, b *strings.Builder, db *sql.DB, table string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		b.WriteString(table)
		for i, c := range cells {
			sum := sha256.Sum256(fmt.Append(nil, *c.(*any)))
			fmt.Fprintf(b, " %s=%x", columns[i], sum[:6])
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
