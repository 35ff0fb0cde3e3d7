package suite

import (
	"context"
	"database/sql"
	"io"
	"net/url"
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

// Postgres gives the test an empty schema of the day on the server and returns its
// address. open, which is sqlstore.Open, makes it when none is left over from a test
// that has ended; going through every migration takes longer than most tests. What a
// test leaves is handed on only when nobody is connected to it any more and its tables
// are as they were made; else it is dropped. [Forget] drops the others.
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
func Forget(server string) error {
	db, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		name := another(server)
		if name == "" {
			return nil
		}
		if err := drop(db, name); err != nil {
			return err
		}
	}
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
	for wait := time.Millisecond; ; wait *= 2 {
		var here int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1`, name).Scan(&here); err != nil {
			return err
		}
		if here == 0 {
			break
		}
		if wait > time.Second { // somebody goes on after the test's end
			return drop(db, name)
		}
		time.Sleep(wait)
	}
	shape, err := shapeOf(ctx, db, name)
	if err != nil {
		return err
	}
	emptied.Lock()
	same := shape == emptied.shape
	emptied.Unlock()
	if !same {
		return drop(db, name)
	}
	// Without triggers the order of the tables does not matter.
	if _, err := db.ExecContext(ctx, `DO $$ DECLARE t text; BEGIN
		PERFORM set_config('session_replication_role', 'replica', true);
		FOR t IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
			WHERE schemaname = '`+name+`' AND tablename <> 'goose_db_version' LOOP EXECUTE 'DELETE FROM ' || t; END LOOP;
		END $$`); err != nil { // whoever may not set that aside
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

// shapeOf is what tables, columns, rules and settings there are, and which
// migrations were made.
func shapeOf(ctx context.Context, db *sql.DB, name string) (shape string, err error) {
	err = db.QueryRowContext(ctx, `SELECT concat(
		(SELECT string_agg(concat_ws(' ', c.relname, c.relkind, c.reloptions, a.attname, a.atttypid, a.attnotnull, a.atthasdef), ', ' ORDER BY c.relname, a.attnum)
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = n.oid),
		(SELECT string_agg(concat_ws(' ', r.conname, r.contype, r.convalidated), ', ' ORDER BY r.conname, r.oid) FROM pg_constraint r WHERE r.connamespace = n.oid AND r.contype <> 'n'),
		(SELECT string_agg(concat_ws(' ', g.tgname, g.tgenabled), ', ' ORDER BY g.tgname, g.tgenabled) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
			WHERE c.relnamespace = n.oid AND NOT g.tgisinternal),
		(SELECT count(*) FROM pg_proc p WHERE p.pronamespace = n.oid), ' ',
		(SELECT string_agg(s::text, ' ' ORDER BY s::text) FROM pg_db_role_setting s)) FROM pg_namespace n WHERE n.nspname = $1`, name).Scan(&shape)
	if err != nil {
		return "", err
	}
	var made string
	err = db.QueryRowContext(ctx, `SELECT string_agg(concat(version_id, is_applied), ' ' ORDER BY id) FROM `+name+`.goose_db_version`).Scan(&made)
	return shape + " " + made, err
}
