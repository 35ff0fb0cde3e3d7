package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// short is what SQLite may read from end to end: what a statement brings itself, tables
// that stay short, and indexes of what waits.
var short = regexp.MustCompile(`^SCAN (\d+ |\d+-ROW )?(CONSTANT ROWS?|VALUES CLAUSE|v|lanes|roads|whose|few|due|share\d+|a|m|p VIRTUAL.*|pause.*|draft|` +
	`ledger_checkpoint.*|ledger_waiting|(receipt|letter|l|t) USING (COVERING )?INDEX (receipt_waiting|receipt_again|receipt_parked|letter_person|letter_timed|trace_open))$|` +
	`^SCAN (p|ledger_hash USING INDEX sqlite_autoindex_ledger_hash_1)$`) // the last place of the ledger and the last hashes, one row

// broad is what a search must not stop at: it would read all of a tenant, or of a kind.
var broad = regexp.MustCompile(`^SEARCH (letter|l|k|job|j|hand_over|h|receipt|r|ledger_event|e|inquiry|mail) .* \((tenant|<expr>|kind|state|verdict|lane)=\?\)`)

// stepping is how [Store.shares] and the like go from one value of an index to the next.
var stepping = regexp.MustCompile(`^SEARCH (job|letter) USING COVERING INDEX`)

// firstTenant is where such steps begin, at the one row that is the first.
const firstTenant = "SCAN letter USING COVERING INDEX letter_state"

// TestNothingThatRunsForALetterOrByTheClockReadsAllOfATable asks SQLite how it would run
// each statement of a letter's road, of its receipts, of the ledger, of the sweeper, of
// alarms, and of retention. It has no statistics, so the answer is the same of any number of rows.
func TestNothingThatRunsForALetterOrByTheClockReadsAllOfATable(t *testing.T) {
	address := "sqlite://" + filepath.Join(t.TempDir(), "plans.db")
	s := mustOpen(t, address)
	h := listen(s, address)
	v := &volume{T: t, s: s}
	heard := 0
	for query, args := range h.during(func() { v.live(10); v.clock() }) {
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = a.Value
		}
		if word, _, _ := strings.Cut(strings.TrimSpace(query), " "); !slices.Contains([]string{"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}, word) {
			continue
		}
		heard++
		v.must(each(t.Context(), s.write, func(rows *sql.Rows) error {
			var id, parent, rest int
			var step string
			if err := rows.Scan(&id, &parent, &rest, &step); err != nil {
				return err
			}
			if strings.HasPrefix(step, "SCAN") && !short.MatchString(step) && !(step == firstTenant && strings.HasPrefix(query, `WITH RECURSIVE whose`)) || broad.MatchString(step) && !stepping.MatchString(step) {
				t.Errorf("%s\n%s", step, strings.Join(strings.Fields(query), " "))
			}
			return nil
		}, `EXPLAIN QUERY PLAN `+query, values...))
	}
	if heard < 80 {
		t.Errorf("%d statements were heard", heard)
	}
}

// clock does once what is done by the clock.
func (v *volume) clock() {
	v.Helper()
	ctx, s, now := v.Context(), v.s, time.Now()
	fence, _, err := s.HoldSole(ctx, "ledger", "us", time.Minute)
	v.must(err)
	_, err1 := s.PlaceEvents(ctx, "ledger", fence, 1000)
	size, _, err2 := s.LedgerState(ctx)
	_, err3 := s.LedgerRows(ctx, 0, min(size, 10))
	_, err4 := s.UnplacedEvents(ctx)
	v.must(err1, err2, err3, err4, s.KeepCheckpoint(ctx, "ledger", fence, size, []byte("note")))
	_, err1 = s.Due(ctx, queue.AdvanceLetter, 10, time.Second)
	_, err2 = s.Backlog(ctx, queue.AdvanceLetter, 10)
	_, err3 = s.BatchesToSign(ctx, now)
	v.must(err1, err2, err3, s.ReleaseApproved(ctx, 100, nil))
	_, err1 = s.WaitingGroups(ctx)
	_, err2 = s.TimedGroups(ctx)
	_, _, err3 = s.ParkedReceipts(ctx)
	_, err4 = s.UnreadReceipts(ctx, 0, 10)
	v.must(err1, err2, err3, err4)
	_, err1 = s.ListParkedReceipts(ctx, track.ParkedPage{Limit: 10})
	_, err2 = s.OpenTraces(ctx, 10)
	_, err3 = s.Paused(ctx)
	_, err4 = s.LetterList(ctx, letter.Filter{Waiting: true, Oldest: true})
	v.must(err1, err2, err3, err4)
	_, err1 = s.LetterList(ctx, letter.Filter{Waiting: true})
	_, err2 = s.LetterList(ctx, letter.Filter{Batch: "another", State: post.LetterRefused})
	_, err3 = s.Dossiers(ctx, "", 200)
	_, err4 = s.LetterList(ctx, letter.Filter{State: post.LetterNotTaken, AtWork: now})
	v.must(err1, err2, err3, err4, s.ForgetAnswers(ctx, now), s.ForgetTraces(ctx, now))
	v.retain()
	_, err = s.Unreferenced(ctx, []string{"nobody's"})
	v.must(err)
}

// retain looks once for what retention lets go of, and lets go of some.
func (v *volume) retain() {
	v.Helper()
	ctx, s, now := v.Context(), v.s, time.Now()
	for _, of := range []Whose{{}, {Only: volumeTenant}, {Not: []post.TenantID{"another", "third"}}} {
		items, err1 := s.LetterShelf(of).Overdue(ctx, now, 10)
		receipts, err2 := s.ReceiptShelf(of).Overdue(ctx, now, 10)
		_, err3 := s.InquiryShelf(post.InquiryClosed, of).Overdue(ctx, now, 10)
		_, err4 := s.MailShelf(of).Overdue(ctx, now, 10)
		v.must(err1, err2, err3, err4)
		if len(items) < 2 || len(receipts) < 1 {
			v.Fatalf("%d letters are over", len(items))
		}
		_, err1 = s.ReceiptShelf(of).Purge(ctx, receipts[0], now)
		_, err2 = s.LetterShelf(of).Purge(ctx, items[1], now)
		v.must(err1, err2)
	}
	_, err := s.StrayReceiptShelf().Overdue(ctx, now, 10)
	v.must(err)
}

// heard keeps each statement that is run, with the values of one time.
type heard struct {
	mu   sync.Mutex
	said map[string][]driver.NamedValue // guarded by mu
}

// listen lets all that s runs from now on be heard.
func listen(s *Store, address string) *heard {
	h := &heard{said: map[string][]driver.NamedValue{}}
	again := func(db *sql.DB, more string) *sql.DB {
		l := sql.OpenDB(listener{db.Driver(), liteFile(address) + more, h})
		l.SetMaxOpenConns(db.Stats().MaxOpenConnections)
		return l
	}
	s.write, s.read = again(s.write, "&_txlock=immediate"), again(s.read, "&_pragma=query_only(1)")
	return h
}

func liteFile(address string) string {
	return "file:" + strings.TrimPrefix(address, "sqlite://") + "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"
}

func (h *heard) hear(query string, args []driver.NamedValue) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said[query] = slices.Clone(args)
}

// during returns what was said while f ran.
func (h *heard) during(f func()) map[string][]driver.NamedValue {
	h.mu.Lock()
	h.said = map[string][]driver.NamedValue{}
	h.mu.Unlock()
	f()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said
}

type listener struct {
	d    driver.Driver
	file string
	h    *heard
}

func (l listener) Driver() driver.Driver { return l.d }

func (l listener) Connect(context.Context) (driver.Conn, error) {
	c, err := l.d.Open(l.file)
	if err != nil {
		return nil, err
	}
	lite, ok := c.(liteConn)
	if !ok {
		return nil, errors.Join(errors.New("not a connection to SQLite"), c.Close())
	}
	return ear{lite, l.h}, nil
}

type liteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
}

type ear struct {
	liteConn
	h *heard
}

func (e ear) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	e.h.hear(query, args)
	return e.liteConn.QueryContext(ctx, query, args)
}

func (e ear) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	e.h.hear(query, args)
	return e.liteConn.ExecContext(ctx, query, args)
}
