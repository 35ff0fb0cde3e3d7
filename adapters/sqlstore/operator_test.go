package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

var nobody = slog.New(slog.NewTextHandler(io.Discard, nil))

// handedOver puts a letter of a tenant with a digital hand-over into s.
func handedOver(t *testing.T, s *Store, tenant post.TenantID) (post.LetterID, string) {
	t.Helper()
	id := post.LetterID(addLetter(t, s, post.LetterHandedOver, longAgo, "", post.NewID()))
	message := post.DerivedID(id, post.Digital, 1)
	mustExec(t, s, `UPDATE letter SET channel = 'digital', generation = 1, tenant = $2 WHERE id = $1`, string(id), string(tenant))
	mustExec(t, s, `DELETE FROM receipt WHERE letter = $1`, string(id))
	mustExec(t, s, `INSERT INTO hand_over (message_id, letter, carrier, channel, generation, created_at, form_size, form_sha256, attempts)
		VALUES ($1, $2, 'digitalpost', 'digital', 1, 1, 1, $3, 1)`, message, string(id), make([]byte, 32))
	return id, message
}

func matcherOf(t *testing.T, s *Store) *track.Matcher {
	t.Helper()
	m, err := track.New(track.Config{Inbox: s, Log: nobody, Seal: func(_ context.Context, raw []byte) ([]byte, error) { return raw, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAParkedReceiptHasAWayOut: it is seen, judged anew, and closed, each once, and
// never moves what is not its own.
func TestAParkedReceiptHasAWayOut(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, ctx := open(t), t.Context()
		theirs, message := handedOver(t, s, "fjordby")
		own, ownMessage := handedOver(t, s, "engdal")
		later := post.NewID()
		hands, m := &track.Hands{Drawer: s, Log: nobody}, matcherOf(t, s)
		give := func(event, message string, tenant post.TenantID, kind track.Kind) track.ReceiptID {
			t.Helper()
			r := track.Receipt{Carrier: "digitalpost", EventID: event, MessageID: message, Kind: kind, At: time.Now(), Tenant: tenant, Raw: []byte("sealed")}
			if err := s.KeepReceipts(ctx, []track.Receipt{r}); err != nil {
				t.Fatal(err)
			}
			return track.ReceiptID{Carrier: "digitalpost", Event: event}
		}
		foreign := give("engdal:1", message, "engdal", track.Delivered)
		stranger := give("engdal:2", later, "engdal", track.Delivered)
		garbage := give("engdal:3", "", "engdal", track.Unreadable)
		good := give("engdal:4", ownMessage, "engdal", track.Delivered)
		step := func() {
			t.Helper()
			if err := m.Step(ctx); err != nil {
				t.Fatal(err)
			}
		}
		want := func(id track.ReceiptID, verdict track.Verdict, word string) {
			t.Helper()
			k, err := hands.Show(ctx, id)
			if err != nil || k.Verdict != verdict || k.Word() != word {
				t.Errorf("%s is %s %q, want %s %q (%v)", id, k.Verdict, k.Word(), verdict, word, err)
			}
		}
		state := func(id post.LetterID) post.LetterState {
			t.Helper()
			return post.LetterState(one[string](t, s, `SELECT state FROM letter WHERE id = $1`, string(id)))
		}
		step()
		want(foreign, track.Parked, track.OtherTenant)
		want(stranger, track.Parked, "unknown-hand-over")
		want(garbage, track.Parked, "unreadable")
		want(good, track.Applied, "")
		if n := one[int](t, s, `SELECT count(*) FROM receipt WHERE letter = $1`, string(theirs)); n != 0 {
			t.Error("a receipt of another tenant is tied to the letter")
		}

		// Pages and words.
		page, err := hands.List(ctx, track.ParkedPage{Limit: 2})
		if err != nil || len(page) != 2 {
			t.Fatalf("%d, %v", len(page), err)
		}
		rest, err := hands.List(ctx, track.ParkedPage{Limit: 2, After: &page[1].ID})
		if err != nil || len(rest) != 1 || rest[0].ID == page[0].ID || rest[0].ID == page[1].ID {
			t.Fatalf("%+v, %v", rest, err)
		}
		if some, err := hands.List(ctx, track.ParkedPage{Limit: 9, Word: "unreadable"}); err != nil || len(some) != 1 || some[0].ID != garbage || some[0].Tenant != "engdal" {
			t.Errorf("%+v, %v", some, err)
		}

		// Tried again, it obeys every rule: nobody else's letter, and never back.
		for range 3 {
			if _, err := hands.Retry(ctx, "op", foreign); err != nil {
				t.Fatal(err)
			}
			want(foreign, track.Waiting, "")
			if k, err := hands.Retry(ctx, "op", foreign); err != nil || k.Verdict != track.Waiting { // being tried
				t.Errorf("%+v, %v", k, err)
			}
			step()
			want(foreign, track.Parked, track.OtherTenant)
		}
		if got := state(theirs); got != post.LetterHandedOver {
			t.Errorf("another tenant's letter is %s", got)
		}
		if _, err := hands.Retry(ctx, "op", good); !errors.Is(err, post.FaultReceiptNotParked) {
			t.Errorf("a receipt that moved its letter: %v", err)
		}
		if _, err := hands.Close(ctx, "op", good, "resolved"); !errors.Is(err, post.FaultReceiptNotParked) {
			t.Errorf("a receipt that moved its letter: %v", err)
		}
		if _, err := hands.Retry(ctx, "op", track.ReceiptID{Carrier: "digitalpost", Event: "engdal:9"}); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("a receipt that nobody knows: %v", err)
		}

		// One whose hand-over is known by now is believed.
		mustExec(t, s, `UPDATE letter SET state = 'handed-over' WHERE id = $1`, string(own))
		mustExec(t, s, `UPDATE hand_over SET message_id = $2 WHERE letter = $1`, string(own), later)
		if out, err := hands.RetryAll(ctx, "op", track.ParkedPage{Word: "unknown-hand-over", Limit: 100}); err != nil || out.Tried != 1 || out.Next != nil {
			t.Fatalf("%+v, %v", out, err)
		}
		step()
		want(stranger, track.Applied, "")
		if got := state(own); got != post.LetterDelivered {
			t.Errorf("its letter is %s", got)
		}

		// Closed, it leaves the alarm and stays stored; again changes nothing.
		n, _, err := s.ParkedReceipts(ctx)
		if err != nil || n != 2 {
			t.Errorf("%d parked, %v", n, err)
		}
		for range 2 {
			if k, err := hands.Close(ctx, "op", foreign, "carrier-error"); err != nil || k.Verdict != track.Closed {
				t.Errorf("%+v, %v", k, err)
			}
		}
		want(foreign, track.Closed, track.OtherTenant)
		if n, _, err := s.ParkedReceipts(ctx); err != nil || n != 1 {
			t.Errorf("%d parked, %v", n, err)
		}
		if raw := one[[]byte](t, s, `SELECT raw FROM receipt WHERE event_id = 'engdal:1'`); string(raw) != "sealed" {
			t.Error("a closed receipt lost its own form")
		}
		if _, err := hands.Retry(ctx, "op", foreign); !errors.Is(err, post.FaultReceiptNotParked) {
			t.Errorf("a closed receipt: %v", err)
		}
		if _, err := hands.RetryAll(ctx, "op", track.ParkedPage{Word: "wrong-carrier", Limit: 100}); !errors.Is(err, post.FaultReceiptCode) {
			t.Errorf("a code that none has: %v", err)
		}
		for kind, want := range map[string]int{"receipt.retried": 4, "receipt.closed": 1} {
			if got := one[int](t, s, `SELECT count(*) FROM ledger_event WHERE kind = $1`, kind); got != want {
				t.Errorf("%d events %s, want %d", got, kind, want)
			}
		}
		tally, err := s.ReceiptTally(ctx)
		if err != nil || tally.Closed != 1 || tally.Parked != 1 || tally.Applied != 2 || tally.Waiting != 0 {
			t.Errorf("%+v, %v", tally, err)
		}
	})
}

// TestWhatIsTriedAgainIsTiedToNothing until it has been judged, and what was judged
// meanwhile is left alone.
func TestWhatIsTriedAgainIsTiedToNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, ctx := open(t), t.Context()
		id, message := handedOver(t, s, "engdal")
		hands, m := &track.Hands{Drawer: s, Log: nobody}, matcherOf(t, s)
		keep := func(event string, kind track.Kind) track.ReceiptID {
			t.Helper()
			r := track.Receipt{Carrier: "digitalpost", EventID: event, MessageID: message, Kind: kind, At: time.Now(), Tenant: "engdal", Raw: []byte("sealed")}
			if err := s.KeepReceipts(ctx, []track.Receipt{r}); err != nil {
				t.Fatal(err)
			}
			if err := m.Step(ctx); err != nil {
				t.Fatal(err)
			}
			return track.ReceiptID{Carrier: "digitalpost", Event: event}
		}
		keep("engdal:1", track.Delivered)
		late := keep("engdal:2", track.RefusedRecipient) // contradicts it
		parked := track.ParkedPage{Word: "contradicts-delivered", Tenant: "engdal", Limit: 9}
		if page, err := hands.List(ctx, parked); err != nil || len(page) != 1 || page[0].ID != late || page[0].Letter != id || page[0].Reason != "contradicts delivered" {
			t.Fatalf("%+v, %v", page, err)
		}
		parked.Tenant = "fjordby"
		if page, err := hands.List(ctx, parked); err != nil || len(page) != 0 {
			t.Errorf("another's: %+v, %v", page, err)
		}
		if _, err := hands.Retry(ctx, "op", late); err != nil {
			t.Fatal(err)
		}
		if k, err := hands.Show(ctx, late); err != nil || k.Letter != "" || k.Reason != "" || k.Verdict != track.Waiting {
			t.Errorf("tried again: %+v, %v", k, err)
		}
		read := track.Receipt{Carrier: "digitalpost", EventID: "engdal:1", MessageID: post.NewID(), Kind: track.RefusedContent, At: time.Now()}
		if err := s.PutReread(ctx, read, ""); err != nil {
			t.Fatal(err)
		}
		if k, err := hands.Show(ctx, track.ReceiptID{Carrier: "digitalpost", Event: "engdal:1"}); err != nil || k.Verdict != track.Applied || k.Kind != track.Delivered || k.MessageID != message {
			t.Errorf("one that is not to be read again: %+v, %v", k, err)
		}
	})
}

// laterReader is a carrier whose words have become readable, or not.
type laterReader struct {
	t    *testing.T
	says track.Receipt
	err  error
}

func (laterReader) Carrier() string { return "digitalpost" }

func (r laterReader) Reread(_ context.Context, old track.Receipt) (track.Receipt, error) {
	if string(old.Raw) != "opened sealed" {
		r.t.Errorf("read from %q", old.Raw)
	}
	out := r.says
	out.Raw = old.Raw
	return out, r.err
}

// TestAnUnreadableReceiptIsReadAgain by the rules of today, and only then judged.
func TestAnUnreadableReceiptIsReadAgain(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		s, ctx := open(t), t.Context()
		id, message := handedOver(t, s, "engdal")
		_, other := handedOver(t, s, "fjordby")
		hands, m := &track.Hands{Drawer: s, Log: nobody}, matcherOf(t, s)
		for n, c := range []struct {
			name  string
			raw   string
			says  track.Receipt
			err   error
			want  track.Verdict
			word  string
			state post.LetterState
		}{
			{"no better", "sealed", track.Receipt{Kind: track.Unreadable}, nil, track.Parked, "unreadable", post.LetterHandedOver},
			{"our own fault", "sealed", track.Receipt{Kind: track.Delivered, MessageID: message}, errors.New("no key"), track.Again, "", post.LetterHandedOver},
			{"it names nothing", "sealed", track.Receipt{Kind: track.Delivered, MessageID: "x"}, nil, track.Parked, "unreadable", post.LetterHandedOver},
			{"another tenant's letter", "sealed", track.Receipt{Kind: track.Delivered, MessageID: other, Tenant: "engdal"}, nil, track.Parked, track.OtherTenant, post.LetterHandedOver},
			{"readable by now", "sealed", track.Receipt{Kind: track.Delivered, MessageID: message, Tenant: "engdal"}, nil, track.Applied, "", post.LetterDelivered},
		} {
			rid := track.ReceiptID{Carrier: "digitalpost", Event: fmt.Sprint("engdal:", n)}
			r := track.Receipt{Carrier: rid.Carrier, EventID: rid.Event, Kind: track.Unreadable, At: time.Now(), Tenant: "engdal", Raw: []byte(c.raw)}
			if err := s.KeepReceipts(ctx, []track.Receipt{r}); err != nil {
				t.Fatal(err)
			}
			if err := m.Step(ctx); err != nil {
				t.Fatal(err)
			}
			if k, err := hands.Retry(ctx, "op", rid); err != nil || k.Verdict != track.Again {
				t.Fatalf("%s: %+v, %v", c.name, k, err)
			}
			c.says.At = time.Now()
			reread := &track.Rereader{Unread: s, Log: nobody, Readers: []track.Reader{laterReader{t, c.says, c.err}},
				Open: func(_ context.Context, sealed []byte) ([]byte, error) { return []byte("opened " + string(sealed)), nil }}
			if err := reread.Step(ctx); (err != nil) != (c.err != nil) {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := m.Step(ctx); err != nil {
				t.Fatal(err)
			}
			k, err := hands.Show(ctx, rid)
			if err != nil || k.Verdict != c.want || k.Word() != c.word {
				t.Errorf("%s: %s %q, want %s %q (%v)", c.name, k.Verdict, k.Word(), c.want, c.word, err)
			}
			if got := post.LetterState(one[string](t, s, `SELECT state FROM letter WHERE id = $1`, string(id))); got != c.state {
				t.Errorf("%s: the letter is %s", c.name, got)
			}
			if c.err != nil {
				mustExec(t, s, `UPDATE receipt SET verdict = 'parked', reason = 'unreadable' WHERE event_id = $1`, rid.Event)
			}
		}
		// What is left of one whose own form was purged is nothing to read.
		mustExec(t, s, `UPDATE receipt SET raw = $1 WHERE event_id = 'engdal:0'`, []byte{})
		if _, err := hands.Retry(ctx, "op", track.ReceiptID{Carrier: "digitalpost", Event: "engdal:0"}); !errors.Is(err, post.FaultReceiptGone) {
			t.Errorf("nothing to read: %v", err)
		}
		out, err := hands.RetryAll(ctx, "op", track.ParkedPage{Word: "unreadable", Limit: 100})
		if err != nil || out.LeftOut != 1 || out.Tried != 2 {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

// TestLookUpsByCodeUseAnIndex: none of them goes through all hand-overs.
func TestLookUpsByCodeUseAnIndex(t *testing.T) {
	s := mustOpen(t, "sqlite://"+filepath.Join(t.TempDir(), "desk.db"))
	for name, by := range map[string]string{"reference": envelopeBy.reference, "tracking": envelopeBy.tracking, "message": envelopeBy.message} {
		var plan []string
		if err := each(t.Context(), s.read, func(rows *sql.Rows) error {
			var a, b, c int
			var what string
			err := rows.Scan(&a, &b, &c, &what)
			plan = append(plan, what)
			return err
		}, `EXPLAIN QUERY PLAN SELECT h.message_id FROM hand_over h JOIN letter l ON l.id = h.letter
			WHERE h.channel = $1 AND ($2 = '' OR l.tenant = $2) AND `+by, "physical", "", "x", 0); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(plan, "; "); strings.Contains(all, "SCAN") {
			t.Errorf("%s: %s", name, all)
		}
	}
}
