package sqlstore_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/sqlstore"
	"sikkerpost.dk/gateway/internal/inbound/inbox/inboxtest/suite"
	"sikkerpost.dk/gateway/internal/post"
)

func TestInboxStoreKeepsTheContract(t *testing.T) {
	suite.Run(t, func(t *testing.T) (suite.Store, func(post.InboxID, time.Time, []byte) post.InquiryID) {
		path := filepath.Join(t.TempDir(), "inbox.db")
		address, driver, dsn := "sqlite://"+path, "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
		if pg := os.Getenv("SIKKERPOST_POSTGRES"); pg != "" {
			address, driver, dsn = pg, "pgx", pg
		}
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
		if driver == "pgx" { // the database is shared
			if _, err := db.Exec(`DELETE FROM inquiry WHERE inbox IN ('a', 'b')`); err != nil {
				t.Fatal(err)
			}
		}
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
	})
}
