package suite

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// Server returns the address of the PostgreSQL server that SIKKERPOST_POSTGRES names, on
// which the test may make schemas. Where there is none, ok is false and the log says that
// what was left out; with SIKKERPOST_FULL=1 the test fails.
func Server(t testing.TB, what string) (address string, ok bool) {
	t.Helper()
	if address = os.Getenv("SIKKERPOST_POSTGRES"); address != "" { //nolint:forbidigo // it tells tests how much to do; no program links this
		return address, true
	}
	if outside.Full() {
		t.Fatal("SIKKERPOST_POSTGRES is not set, and SIKKERPOST_FULL=1 asks for every check")
	}
	t.Logf("LEFT OUT, because SIKKERPOST_POSTGRES is not set: %s", what)
	return "", false
}

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
