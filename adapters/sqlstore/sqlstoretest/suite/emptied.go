package suite

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// emptied are schemas of the day on PostgreSQL servers, empty and of nobody.
var emptied struct {
	sync.Mutex
	shape string // of each of them
	free  map[string][]string
}

// patience is how long a schema waits for the last connection to it to end. A server that
// has much to do takes seconds to notice that one was closed.
var patience = 20 * time.Second

// Postgres gives the test an empty schema of the day on the server and returns its
// address. open, which is sqlstore.Open, makes it when none is left over from a test
// that has ended; going through every migration takes longer than most tests. What a
// test leaves is handed on only when nobody is connected to it any more and its tables
// are as they were made; else it is dropped. It is a connection's application_name that
// tells whose it is: let the address keep it. [Forget] drops the others.
func Postgres[S io.Closer](t testing.TB, open func(context.Context, string) (S, error), server string) (address string) {
	t.Helper()
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := another(server)
	made := name == ""
	if made {
		name = newName()
		if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		defer db.Close()
		if err := handOn(db, server, name); err != nil {
			t.Error(err)
		}
	})
	address = at(t, server, url.Values{"search_path": {name}, "application_name": {name}})
	if !made {
		return address
	}
	s, err := open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if rows, err := written(t.Context(), db, name); err != nil || len(rows) > 0 {
		t.Fatalf("migrations leave rows in %q, which a schema that was emptied would lack: %v", rows, err)
	}
	shape, err := shapeOf(t.Context(), db, name)
	if err != nil {
		t.Fatal(err)
	}
	emptied.Lock()
	defer emptied.Unlock()
	if emptied.shape == "" {
		emptied.shape = shape
	}
	return address
}

// Forget drops the schemas that are left over: what a TestMain does at its end.
func Forget() error {
	emptied.Lock()
	defer emptied.Unlock()
	var failed error
	for server, names := range emptied.free {
		db, err := sql.Open("pgx", server)
		if err != nil {
			return err
		}
		for _, name := range names {
			failed = errors.Join(failed, drop(db, name))
		}
		failed = errors.Join(failed, db.Close())
	}
	emptied.free = nil
	return failed
}

func another(server string) string {
	emptied.Lock()
	defer emptied.Unlock()
	free := emptied.free[server]
	if len(free) == 0 {
		return ""
	}
	emptied.free[server] = free[:len(free)-1]
	return free[len(free)-1]
}

func drop(db *sql.DB, name string) error {
	_, err := db.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE")
	return err
}

// handOn empties the schema for another test, or drops it.
func handOn(db *sql.DB, server, name string) error {
	ctx := context.Background() // the test's own has ended
	for begun, wait := time.Now(), time.Millisecond; ; wait = min(2*wait, time.Second/4) {
		var here int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1`, name).Scan(&here); err != nil {
			return err
		}
		if here == 0 {
			break
		}
		if time.Since(begun) > patience { // somebody goes on after the test's end
			return drop(db, name)
		}
		time.Sleep(wait)
	}
	// The files of tables and indexes become what they were: nothing is left of dead
	// rows, nor of what is known of how many there are.
	tables, err := written(ctx, db, name)
	if err == nil && len(tables) > 0 {
		_, err = db.ExecContext(ctx, "TRUNCATE "+strings.Join(tables, ", ")+" CASCADE")
	}
	var shape string
	if err == nil {
		shape, err = shapeOf(ctx, db, name)
	}
	emptied.Lock()
	same := err == nil && shape == emptied.shape
	emptied.Unlock()
	if !same { // whatever was done to it
		return drop(db, name)
	}
	emptied.Lock()
	defer emptied.Unlock()
	if emptied.free == nil {
		emptied.free = map[string][]string{}
	}
	emptied.free[server] = append(emptied.free[server], name)
	return nil
}

// written are the tables into which a row was ever written, but for goose's own.
func written(ctx context.Context, db *sql.DB, name string) (tables []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'goose_db_version' AND pg_relation_size(c.oid) > 0`, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, rows.Err()
}

// shapeOf is what tables, columns, indexes, rules, rights and settings there are,
// whether statistics were gathered, and which migrations were made.
func shapeOf(ctx context.Context, db *sql.DB, name string) (shape string, err error) {
	err = db.QueryRowContext(ctx, `SELECT concat_ws(E'\n',
		(SELECT string_agg(concat_ws(' ', c.relname, c.relkind, c.relpersistence, c.reloptions, c.relacl,
				CASE c.relkind WHEN 'i' THEN pg_get_indexdef(c.oid) WHEN 'v' THEN pg_get_viewdef(c.oid) END), ', ' ORDER BY c.relname)
			FROM pg_class c WHERE c.relnamespace = n.oid),
		(SELECT string_agg(concat_ws(' ', c.relname, a.attname, a.atttypid, a.attnotnull, a.attstorage, a.attstattarget, a.attacl, pg_get_expr(d.adbin, d.adrelid)), ', ' ORDER BY c.relname, a.attnum)
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
			WHERE c.relnamespace = n.oid AND a.attnum > 0),
		(SELECT string_agg(concat_ws(' ', r.conname, r.convalidated, pg_get_constraintdef(r.oid)), ', ' ORDER BY r.conname, r.oid)
			FROM pg_constraint r WHERE r.connamespace = n.oid AND r.contype <> 'n'),
		(SELECT string_agg(concat_ws(' ', g.tgenabled, pg_get_triggerdef(g.oid)), ', ' ORDER BY c.relname, g.tgname)
			FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE c.relnamespace = n.oid AND NOT g.tgisinternal),
		(SELECT string_agg(concat_ws(' ', p.proname, p.prosrc), ', ' ORDER BY p.proname) FROM pg_proc p WHERE p.pronamespace = n.oid),
		(SELECT string_agg(s::text, ' ' ORDER BY s::text) FROM pg_db_role_setting s),
		n.nspacl, (SELECT count(*) FROM pg_stats s WHERE s.schemaname = n.nspname)) FROM pg_namespace n WHERE n.nspname = $1`, name).Scan(&shape)
	if err != nil {
		return "", err
	}
	var made string
	err = db.QueryRowContext(ctx, `SELECT string_agg(concat(version_id, is_applied), ' ' ORDER BY id) FROM `+name+`.goose_db_version`).Scan(&made)
	return strings.ReplaceAll(shape, name, "") + "\n" + made, err
}
