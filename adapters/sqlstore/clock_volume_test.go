package sqlstore

import (
	"fmt"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// TestWhatIsDoneByTheClockReadsNoMoreRowsWithThousandsBehindIt counts, on a connection
// that planned its statements when the house was nearly empty, what PostgreSQL reads
// where alarms, retention and the sweep of documents look. Two in a hundred letters are on
// their road, in five municipalities; none is past its time but those of the first look.
func TestWhatIsDoneByTheClockReadsNoMoreRowsWithThousandsBehindIt(t *testing.T) {
	v := newVolume(t)
	if v == nil {
		return
	}
	ctx, s := t.Context(), v.s
	v.live(20)
	looks := map[string]func() error{
		"letters that wait for a person": func() error { _, err := s.WaitingGroups(ctx); return err },
		"letters that have a day":        func() error { _, err := s.TimedGroups(ctx); return err },
		"letters that do not get on": func() error {
			_, err := s.LetterList(ctx, letter.Filter{State: post.LetterNotTaken, AtWork: time.Now()})
			return err
		},
		"retention of letters": func() error { _, err := s.LetterShelf(Whose{}).Overdue(ctx, time.UnixMicro(0), 100); return err },
		"retention of one's letters": func() error {
			_, err := s.LetterShelf(Whose{Only: "m1"}).Overdue(ctx, time.UnixMicro(0), 100)
			return err
		},
		"retention of receipts":        func() error { _, err := s.ReceiptShelf(Whose{}).Overdue(ctx, time.UnixMicro(0), 100); return err },
		"letters of a rare state":      func() error { _, err := s.LetterList(ctx, letter.Filter{State: post.LetterRefused}); return err },
		"a document that is let go of": func() error { _, err := s.Unreferenced(ctx, []string{"b"}); return err },
	}
	for _, look := range looks {
		v.must(look()) // is planned
	}
	const n = 3000
	grow(t, s, n, false)
	for name, look := range looks {
		read, from := v.count(func() { v.must(look()) })
		if read > 60 {
			t.Errorf("%s: %d rows and entries were read with %d letters behind: %v", name, read, n, from)
		}
	}
	// So do those that are found: of each municipality those that are asked for.
	read, from := v.count(func() {
		items, err := s.LetterShelf(Whose{}).Overdue(ctx, time.Now(), 10)
		v.must(err)
		for i, item := range items {
			if item.Tenant == "" || i > 0 && item.Ended.Before(items[i-1].Ended) {
				v.must(fmt.Errorf("item %d is %+v", i, item))
			}
		}
		if len(items) != 10 {
			t.Errorf("%d letters are past their time", len(items))
		}
	})
	if read > 200 {
		t.Errorf("%d rows and entries were read for 10 of %d letters: %v", read, n, from)
	}
	// Receipts that went long before their letters are passed over once a day.
	mustExec(t, s, `UPDATE receipt SET raw = $1 WHERE letter <> ''`, []byte{})
	shelf := s.ReceiptShelf(Whose{})
	passed, _ := v.count(func() { _, err := shelf.Overdue(ctx, time.Now(), 100); v.must(err) })
	read, from = v.count(func() { _, err := shelf.Overdue(ctx, time.Now(), 100); v.must(err) })
	if passed < n/4 || read > 60 {
		t.Errorf("%d rows and entries were read with %d letters whose receipts have gone, and %d at the next look: %v", passed, n, read, from)
	}
}
