package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	pgsuite "sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/inbound/inbox/inboxtest/suite"
	"sikkerpost.dk/gateway/internal/post"
)

func TestInboxStoreKeepsTheContract(t *testing.T) {
	onEachEngine(t, func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) {
		suite.Run(t, func(t *testing.T) (suite.Store, func(post.InboxID, time.Time, []byte) post.InquiryID) {
			return openInbox(t, fresh)
		})
	})
}

// onEachEngine runs test on SQLite, and on PostgreSQL when SIKKERPOST_POSTGRES
// holds the address of a server. fresh gives an empty database.
func onEachEngine(t *testing.T, test func(t *testing.T, fresh func(*testing.T) (address, driver, dsn string))) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, func(t *testing.T) (string, string, string) {
			path := filepath.Join(t.TempDir(), "desk.db")
			return pgsuite.SQLite(t, sqlstore.Open, path), "sqlite", "file:" + path + "?_pragma=busy_timeout(60000)"
		})
	})
	server, ok := pgsuite.Server(t, "the same on PostgreSQL")
	if !ok {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		test(t, func(t *testing.T) (string, string, string) {
			address := pgsuite.Postgres(t, sqlstore.Open, server)
			return address, "pgx", address
		})
	})
}

func openInbox(t *testing.T, fresh func(*testing.T) (address, driver, dsn string)) (suite.Store, func(post.InboxID, time.Time, []byte) post.InquiryID) {
	t.Helper()
	address, driver, dsn := fresh(t)
	s, err := sqlstore.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return s, func(in post.InboxID, due time.Time, digest []byte) post.InquiryID {
		id := post.NewID()
		_, err := db.Exec(`INSERT INTO inquiry (id, reference, tenant, inbox, road, kind, state, accepted_at, due_at, digest, header,
			blob, blob_sha256, blob_size, attachments, person_index, person, statement)
			VALUES ($1, $2, 't', $3, 'dpo', 'access', 'waiting', 1, $4, $5, $6, 'b', $6, 0, 0, $6, $6, $6)`,
			id, post.NewReference(), string(in), due.UnixMicro(), digest, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		return post.InquiryID(id)
	}
}
