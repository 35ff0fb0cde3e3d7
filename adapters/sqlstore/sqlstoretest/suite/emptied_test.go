package suite_test

import (
	"database/sql"
	"net/url"
	"slices"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
)

func TestASchemaIsHandedOnEmptyAndNotAfterItWasChanged(t *testing.T) {
	server, ok := suite.Server(t, "schemas that are handed on")
	if !ok {
		return
	}
	t.Cleanup(func() {
		if err := suite.Forget(); err != nil {
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
			var left int // every table that was ever written into
			if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_class c WHERE c.relnamespace = $1::regnamespace
				AND relkind = 'r' AND relname <> 'goose_db_version' AND (pg_relation_size(c.oid) > 0 OR reltuples > 0)`, schema).Scan(&left); err != nil || left != 0 {
				t.Errorf("%d tables are not as they were made: %v", left, err)
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
	use("one more row", true, row, `DELETE FROM sole`)
	use("rows that name others", true, `INSERT INTO look_up (batch, tenant, actor, asked_at, lines) VALUES ('b', 't', 'a', 1, 1)`, `INSERT INTO look_up_line (batch, first, answers) VALUES ('b', 1, 'x')`)
	use("a column more", true, `ALTER TABLE sole ADD COLUMN more TEXT`)
	for _, changed := range []struct{ what, do string }{
		{"an index more", `CREATE INDEX mine ON sole (owner)`},
		{"another index of the same name", `DROP INDEX letter_person; CREATE INDEX letter_person ON letter (since)`},
		{"another default", `ALTER TABLE sole ALTER COLUMN fence SET DEFAULT 1`},
		{"a rule more", `ALTER TABLE sole ADD CONSTRAINT mine CHECK (fence > 0)`},
		{"another rule of the same name", `ALTER TABLE look_up_line DROP CONSTRAINT look_up_line_batch_fkey,
			ADD CONSTRAINT look_up_line_batch_fkey FOREIGN KEY (batch) REFERENCES look_up (batch) ON DELETE CASCADE`},
		{"a right more", `GRANT SELECT ON sole TO PUBLIC`},
		{"a setting", `ALTER TABLE sole SET (autovacuum_enabled = off)`},
		{"a table that may be lost", `ALTER TABLE sole SET UNLOGGED`},
		{"a function", `CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`},
		{"statistics", row + `; ANALYZE sole`},
		{"a migration undone", `UPDATE goose_db_version SET is_applied = false WHERE version_id = 1`},
		{"no migrations", `DROP TABLE goose_db_version`},
		{"a table less", `DROP TABLE sole`},
	} {
		use(changed.what, false, changed.do)
	}
	use("nothing but the last", false, row)
}

// TestASchemaThatSomebodyStillWritesIntoIsNotHandedOn leaves a connection behind.
func TestASchemaThatSomebodyStillWritesIntoIsNotHandedOn(t *testing.T) {
	server, ok := suite.Server(t, "schemas that are handed on")
	if !ok {
		return
	}
	suite.Impatient(t, time.Second)
	var first string
	var left *sql.Conn
	t.Run("leaves it", func(t *testing.T) {
		first = suite.Postgres(t, sqlstore.Open, server)
		db, err := sql.Open("pgx", first)
		if err != nil {
			t.Fatal(err)
		}
		if left, err = db.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	defer left.Close()
	t.Run("next", func(t *testing.T) {
		if second := suite.Postgres(t, sqlstore.Open, server); second == first {
			t.Error("two tests have the same schema")
		}
	})
	if err := suite.Forget(); err != nil {
		t.Error(err)
	}
}
