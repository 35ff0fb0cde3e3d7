package sqlstore

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// TestOneLetterIsListedProvedAndPurgedWithoutReadingTheOthers asks for what there is
// little or nothing of, beside some hundred others: whoever looked elsewhere would
// read all of those.
func TestOneLetterIsListedProvedAndPurgedWithoutReadingTheOthers(t *testing.T) {
	v := newVolume(t)
	if v == nil {
		return
	}
	s := v.s
	for range 6 {
		v.live(60)
	}
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
	items, err := s.LetterShelf(Whose{}).Overdue(t.Context(), time.Now(), 1)
	if err != nil || len(items) != 1 {
		t.Fatalf("%d letters to purge, %v", len(items), err)
	}
	v.must(v.exec(`ANALYZE`))
	for name, read := range map[string]func() error{
		"proof": func() error { _, err := s.LetterProof(t.Context(), "", post.LetterID(items[0].ID)); return err },
		"purge": func() error { _, err := s.LetterShelf(Whose{}).Purge(t.Context(), items[0], time.Now()); return err },
	} {
		_, from := v.count(func() { v.must(read()) })
		if n := from["receipt"] + from["batch_line"] + from["letter"]; n > 70 { // all of its batch at most
			t.Errorf("%s: %d rows were read: %v", name, n, from)
		}
	}
}
