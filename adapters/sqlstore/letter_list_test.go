package sqlstore

import (
	"os"
	"testing"

	"sikkerpost.dk/gateway/adapters/sqlstore/sqlstoretest/suite"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// TestTheLettersOfABatchAreListedFromItsIndex asks for letters that there are none
// of, beside some hundred others: whoever looked elsewhere would read all of those.
func TestTheLettersOfABatchAreListedFromItsIndex(t *testing.T) {
	server := os.Getenv("SIKKERPOST_POSTGRES")
	if server == "" {
		if os.Getenv("SIKKERPOST_FULL") == "1" {
			t.Fatal("SIKKERPOST_POSTGRES is not set")
		}
		t.Log("LEFT OUT: PostgreSQL, because SIKKERPOST_POSTGRES is not set")
		return
	}
	s, err := Open(t.Context(), suite.Schema(t, server))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.write.SetMaxOpenConns(1) // it tells what it has read
	v := &volume{T: t, s: s}
	v.live(300)
	v.must(v.exec(`ANALYZE letter`))
	n, from := v.count(func() {
		all, err := s.LetterList(t.Context(), letter.Filter{Batch: "another", State: post.LetterRefused})
		if err != nil || len(all) != 0 {
			t.Errorf("%d letters, %v", len(all), err)
		}
	})
	if n > 20 {
		t.Errorf("%d rows and entries were read: %v", n, from)
	}
}
