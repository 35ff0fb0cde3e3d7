package sqlstore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// TestADatabaseThatTheFormerVersionFilledIsBroughtUpToDate fills a database of
// version 20 and opens it: nothing is lost, jobs know whose they are, and of
// messages that were both the first of their id one is.
func TestADatabaseThatTheFormerVersionFilledIsBroughtUpToDate(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		testUpgrade(t, "sqlite://"+filepath.Join(t.TempDir(), "old.db"))
	})
	server, ok := suite.Server(t, "the same on PostgreSQL")
	if !ok {
		return
	}
	t.Run("postgres", func(t *testing.T) { testUpgrade(t, suite.Schema(t, server)) })
}

// openAt opens a database and brings it to one version of the schema.
func openAt(t *testing.T, address string, version int64) (*Store, *goose.Provider) {
	t.Helper()
	s, err := open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	p, err := s.migrator()
	if err == nil {
		_, err = p.UpTo(t.Context(), version)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func testUpgrade(t *testing.T, address string) {
	old, _ := openAt(t, address, 20)
	letter, inquiry := post.NewID(), post.NewID()
	mustExec(t, old, `INSERT INTO letter (id, reference, tenant, client, digest, state, accepted_at, since, recipient, content)
		VALUES ($1, 'R1', 'engdal', 'c', $2, 'ready', 1, 1, $2, $2)`, letter, []byte("x"))
	mustExec(t, old, `INSERT INTO inquiry (id, reference, tenant, inbox, road, kind, state, accepted_at, due_at, digest, header, blob, blob_sha256, blob_size, attachments, person_index, person, statement)
		VALUES ($1, 'R2', 'nordby', 'i', 'dpo', 'k', 'accepted', 1, 1, $2, $2, 'b', $2, 1, 0, $2, $2, $2)`, inquiry, []byte("x"))
	for _, id := range []string{letter, inquiry, "gone"} {
		mustExec(t, old, `INSERT INTO job (kind, id, due_at) VALUES ('k', $1, 1)`, id)
	}
	mustExec(t, old, `INSERT INTO receipt (carrier, event_id, message_id, kind, at, code, tracking, raw, received_at, verdict, reason)
		VALUES ('digitalpost', 'e1', 'm', 'k', 1, '', '', $1, 1, 'parked', 'no such letter')`, []byte("x"))
	mail := func(message, state, code string) string {
		id := post.NewID()
		mustExec(t, old, `INSERT INTO mail (id, carrier, tenant, message_id, digest, received_at, header, blob, blob_sha256, blob_size, state, code, due_at)
			VALUES ($1, 'digitalpost', 'engdal', $2, $3, 1, $3, 'b', $3, 1, $4, $5, 1)`, id, message, []byte(id), state, code)
		return id
	}
	one := mail("one", mailKept, "")
	first, second, third := mail("twice", mailKept, ""), mail("twice", mailKept, ""), mail("twice", mailParked, mailOther)
	late, taken, parked := mail("taken", mailKept, ""), mail("taken", mailTaken, ""), mail("taken", mailParked, "unreadable")
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	s := mustOpen(t, address)
	for id, want := range map[string]string{letter: "engdal", inquiry: "nordby", "gone": ""} {
		var got string
		if err := s.read.QueryRow(`SELECT tenant FROM job WHERE id = $1`, id).Scan(&got); err != nil || got != want {
			t.Errorf("job %s is %q's, %v", id, got, err)
		}
	}
	page, err := s.ListParkedReceipts(t.Context(), track.ParkedPage{Limit: 10})
	if err != nil || len(page) != 1 || page[0].Word() != "no-such-letter" || page[0].Tenant != "" {
		t.Errorf("parked receipts: %+v, %v", page, err)
	}
	for id, want := range map[string][2]string{
		one: {mailKept, ""}, first: {mailKept, ""}, second: {mailParked, mailOther}, third: {mailParked, mailOther},
		taken: {mailTaken, ""}, late: {mailParked, mailOther}, parked: {mailParked, mailOther},
	} {
		var got [2]string
		if err := s.read.QueryRow(`SELECT state, code FROM mail WHERE id = $1`, id).Scan(&got[0], &got[1]); err != nil || got != want {
			t.Errorf("mail is %q, want %q, %v", got, want, err)
		}
	}
	for message, want := range map[string]string{"one": one, "twice": first, "taken": taken} {
		if a, err := s.KnownMail(t.Context(), "digitalpost", "engdal", message); err != nil || a.ID != want {
			t.Errorf("the first of %s: %v", message, err)
		}
	}
	due, err := s.ClaimMail(t.Context(), time.Now(), time.Minute, 10)
	if err != nil || len(due) != 2 {
		t.Errorf("to be read: %d, %v", len(due), err)
	}
}
