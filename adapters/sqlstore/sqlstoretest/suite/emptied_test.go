package suite_test

import (
	"database/sql"
	"net/url"
	"os"
	"slices"
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outside"
)

func TestASchemaIsHandedOnEmptyAndNotAfterItWasChanged(t *testing.T) {
	server := os.Getenv("SIKKERPOST_POSTGRES")
	if server == "" {
		if outside.Full() {
			t.Fatal("SIKKERPOST_POSTGRES is not set")
		}
		t.Log("LEFT OUT: PostgreSQL, because SIKKERPOST_POSTGRES is not set")
		return
	}
	t.Cleanup(func() {
		if err := suite.Forget(server); err != nil {
			t.Error(err)
		}
	})
	var seen []string
	// use does something with a schema; its connections are closed after the test.
	use := func(name string, again bool, do ...string) {
		t.Run(name, func(t *testing.T) {
			address := suite.Postgres(t, sqlstore.Open, server)
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			schema := u.Query().Get("search_path")
			if slices.Contains(seen, schema) != again {
				t.Errorf("handed on: %t, want %t", !again, again)
			}
			seen = append(seen, schema)
			db, err := sql.Open("pgx", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			var n int
			if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM sole`).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows were there: %v", n, err)
			}
			for _, one := range do {
				if _, err := db.ExecContext(t.Context(), one); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	row := `INSERT INTO sole (name, owner, until, fence) VALUES ('a', 'b', 1, 1)`
	use("made", false, row)
	use("one more row", true, row)
	use("a column more", true, `ALTER TABLE sole ADD COLUMN more TEXT`)
	use("made anew", false, `CREATE INDEX mine ON sole (owner)`)
	use("and once more", false, `UPDATE goose_db_version SET is_applied = false WHERE version_id = 1`)
	use("and at last", false, `DROP TABLE sole`)
}
