package sqlstore

import (
	"errors"
	"fmt"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// fill lets the database say that its disk is full, and returns what makes room.
func fill(t *testing.T, s *Store) (room func()) {
	t.Helper()
	if !s.d.locks() {
		mustExec(t, s, `VACUUM`) // migrations leave room in the file
		pages := one[int](t, s, `PRAGMA page_count`)
		if one[int](t, s, `PRAGMA freelist_count`) > 0 {
			t.Fatal("the file has room")
		}
		limit := func(n int) {
			mustExec(t, s, fmt.Sprintf("PRAGMA max_page_count = %d", n))
		}
		limit(pages)
		return func() { limit(1 << 30) }
	}
	mustExec(t, s, `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	     RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`)
	for _, table := range []string{"batch_line", "letter"} {
		mustExec(t, s, `CREATE TRIGGER no_room BEFORE INSERT ON `+table+` EXECUTE FUNCTION no_room()`)
	}
	return func() { mustExec(t, s, `DROP FUNCTION no_room() CASCADE`) }
}

// A database whose disk is full says so before any id is given, and keeps nothing.
func TestAFullDiskOfTheDatabaseIsToldAndKeepsNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s := open(t)
		lines := speedPart(1).Lines
		o := batch.Opened{ID: post.BatchID(post.NewID()), Tenant: "engdal", Client: "case", Key: []byte("k"), Digest: []byte("d"), Count: len(lines), Lines: lines}
		a := letter.Accepted{ID: post.LetterID(post.NewID()), Reference: post.NewReference(), Tenant: "engdal", Client: "case",
			Key: []byte("l"), Digest: []byte("d"), Recipient: make([]byte, 1<<20), Content: []byte("c")}
		room := fill(t, s)
		if _, err := s.OpenBatch(t.Context(), o); !errors.Is(err, post.FaultStorageFull) {
			t.Errorf("a batch: %v", err)
		}
		if _, _, err := s.AcceptLetter(t.Context(), a); !errors.Is(err, post.FaultStorageFull) {
			t.Errorf("a letter: %v", err)
		}
		if n := one[int](t, s, `SELECT (SELECT count(*) FROM batch) + (SELECT count(*) FROM batch_line) + (SELECT count(*) FROM letter) +
		     (SELECT count(*) FROM job) + (SELECT count(*) FROM ledger_event)`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		room()
		if v, err := s.OpenBatch(t.Context(), o); err != nil || v.Repeated || v.Lines != len(lines) {
			t.Errorf("with room again: %+v, %v", v, err)
		}
		if _, fresh, err := s.AcceptLetter(t.Context(), a); err != nil || !fresh {
			t.Errorf("a letter with room again: %v, %v", fresh, err)
		}
	})
}
