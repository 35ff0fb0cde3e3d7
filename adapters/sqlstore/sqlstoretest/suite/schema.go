package suite

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
)

// Schema makes a schema of the test's own on the PostgreSQL server and returns
// its address; it goes when the test ends. The test's package must have linked
// the driver "pgx", as whatever uses the store has.
func Schema(t testing.TB, server string) (address string) {
	t.Helper()
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := newName()
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the test's own context has ended
		if _, err := db.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	return at(t, server, url.Values{"search_path": {name}})
}

func newName() string { return "test_" + strings.ReplaceAll(post.NewID(), "-", "") }

// at is the address of the server with more parameters.
func at(t testing.TB, server string, more url.Values) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for k, v := range more {
		q[k] = v
	}
	u.RawQuery = q.Encode()
	return u.String()
}
