package sqlstore

import (
	"database/sql"
	"net/url"
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/ledger"
)

// TestIDsAreInTheOrderOfTheirBytesInADanishDatabase: where aa comes behind b, events got
// places in another order than that of their ids, and a page of a list left letters out.
func TestIDsAreInTheOrderOfTheirBytesInADanishDatabase(t *testing.T) {
	server, ok := suite.Server(t, "a Danish database")
	if !ok {
		return
	}
	s := mustOpen(t, danish(t, server))
	if one[bool](t, s, `SELECT '0aa' < '0b'`) {
		t.Fatal("the database is not Danish: this shows nothing")
	}
	if err := each(t.Context(), s.read, func(r *sql.Rows) error {
		var column string
		err := r.Scan(&column)
		t.Errorf(`%s has the order of a language: COLLATE "C"`, column)
		return err
	}, `SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
		  AND attcollation NOT IN (0, '"C"'::regcollation) AND relname <> 'goose_db_version'`); err != nil {
		t.Fatal(err)
	}
	fence, _, err := s.HoldSole(t.Context(), "ledger", "us", 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"019aa000", "019ab000", "019ac000"}
	for _, n := range []int{1, 2, 0} {
		e := ledger.New("letter.signed", "engdal", post.NewID())
		e.ID = ids[n] + e.ID[8:]
		ids[n] = e.ID
		write(t, s, []ledger.Event{e}, n == 1)
	}
	for n, id := range ids {
		if placed, err := s.PlaceEvents(t.Context(), "ledger", fence, 1); err != nil || placed != 1 {
			t.Fatalf("%d have a place, %v", placed, err)
		}
		if got := one[string](t, s, `SELECT event FROM ledger_place ORDER BY idx DESC LIMIT 1`); got != id {
			t.Errorf("place %d is that of %s, not of %s", n, got, id)
		}
	}
}

// danish makes a database whose texts are in the order of Danish.
func danish(t *testing.T, server string) (address string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	const name = "sikkerpost_danish"
	if _, err := db.ExecContext(t.Context(), `CREATE DATABASE `+name+` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'da-DK'`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil { //nolint:noctx // the test's is over
			t.Error(err)
		}
	})
	u.Path = "/" + name
	return u.String()
}
