package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/account"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// shelf holds blobs in memory.
type shelf map[string][]byte

func (s shelf) Get(_ context.Context, blob string) (io.ReadCloser, error) {
	b, ok := s[blob]
	if !ok {
		return nil, post.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// List lists them as a day old, and those named "old …" as long there.
func (s shelf) List(_ context.Context, visit func(blob string, size int64, at time.Time) error) error {
	for name, b := range s {
		at := time.Now().Add(-24 * time.Hour)
		if strings.HasPrefix(name, "old ") {
			at = time.Now().Add(-72 * time.Hour)
		}
		if err := visit(name, int64(len(b)), at); err != nil {
			return err
		}
	}
	return nil
}

// held is what a carrier holds.
type held map[string]int

func (h held) Held(context.Context) (map[string]int, error) {
	c := map[string]int{}
	for k, v := range h {
		c[k] = v
	}
	return c, nil
}

// ledgered is a house with two letters, one delivered to each carrier.
type ledgered struct {
	s              *Store
	blobs          shelf
	digital, paper held
	ids            []post.LetterID
}

func newLedgered(t *testing.T, s *Store) *ledgered {
	t.Helper()
	l := &ledgered{s: s, blobs: shelf{}, digital: held{}, paper: held{}}
	for i, ch := range []post.Channel{post.Digital, post.Physical} {
		id := post.LetterID(post.NewID())
		blob, body := post.NewID(), []byte{byte(i)}
		sum := sha256.Sum256(body)
		l.blobs[blob] = body
		if _, fresh, err := s.AcceptLetter(t.Context(), letter.Accepted{ID: id, Reference: string(id), Tenant: "engdal", Client: "case", Key: []byte(id),
			Digest: []byte("d"), Recipient: []byte("sealed"), Content: []byte("sealed"),
			Documents: []letter.Sealed{{Object: seal.Object{Header: []byte("h"), Blob: blob, SHA256: sum[:], Size: 1}, Clear: 1}}}); err != nil || !fresh {
			t.Fatal(fresh, err)
		}
		lease, ok, err := s.Lease(t.Context(), queue.AdvanceLetter, string(id), time.Minute)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		message := post.DerivedID(id, ch, 1)
		from := post.LetterAccepted
		for n, to := range []post.LetterState{post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterHandingOver, post.LetterHandedOver} {
			m := dispatch.Move{Letter: id, Tenant: "engdal", From: from, Version: int64(n + 1), To: to, Due: time.Now()}
			if n >= 3 {
				m.Channel, m.Generation = ch, 1
			}
			if to == post.LetterHandingOver {
				m.Intent = &dispatch.Intent{MessageID: message, CreatedAt: time.Now(), Size: 1, Attempts: 1}
			}
			if to == post.LetterHandedOver {
				m.MessageID, m.Answer = message, &dispatch.Outcome{Verdict: dispatch.Taken, At: time.Now()}
			}
			if err := s.MoveLetter(t.Context(), lease, m); err != nil {
				t.Fatal(err)
			}
			from = to
		}
		map[post.Channel]held{post.Digital: l.digital, post.Physical: l.paper}[ch][message] = 1
		l.ids = append(l.ids, id)
	}
	return l
}

func (l *ledgered) check(t *testing.T) *account.Report {
	t.Helper()
	r, err := account.Check(t.Context(), account.Config{Books: l.s, Blobs: l.blobs, Shelf: l.blobs, Late: time.Minute,
		Carriers: map[post.Channel]account.Carrier{post.Digital: l.digital, post.Physical: l.paper}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEachKindOfHarmIsFound does one harm at a time to a house that adds up,
// and wants the rule that it breaks to be named.
func TestEachKindOfHarmIsFound(t *testing.T) {
	var at *ledgered
	first := func() string { return string(at.ids[0]) }
	second := func() string { return string(at.ids[1]) } // on paper
	do := func(query string, args ...func() string) func(t *testing.T) {
		return func(t *testing.T) {
			var all []any
			for _, a := range args {
				all = append(all, a())
			}
			err := at.s.tx(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), query, all...)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	harms := []struct {
		name, rule string
		do         func(t *testing.T)
	}{
		{"a letter is deleted", "conservation", func(t *testing.T) {
			for _, table := range []string{"hand_over", "letter_document", "job"} {
				column := "letter"
				if table == "job" {
					column = "id"
				}
				do(`DELETE FROM `+table+` WHERE `+column+` = $1`, first)(t)
			}
			do(`DELETE FROM letter WHERE id = $1`, first)(t)
		}},
		{"a letter is moved by hand", "events", do(`UPDATE letter SET state = 'delivered', version = version + 1 WHERE id = $1`, first)},
		{"an event is deleted", "events", do(`DELETE FROM ledger_event WHERE id = (SELECT max(id) FROM ledger_event WHERE subject = $1)`, first)},
		{"a job is deleted", "job", do(`DELETE FROM job WHERE id = $1`, first)},
		{"a final letter has a job", "job", do(`UPDATE letter SET state = 'closed' WHERE id = $1`, first)},
		{"a job without a letter", "stray", do(`INSERT INTO job (kind, id, due_at) VALUES ('letter.advance', $1, 0)`, post.NewID)},
		{"a hand-over under another id", "ids", do(`UPDATE hand_over SET message_id = $1 WHERE letter = $2`, post.NewID, first)},
		{"taken on both channels", "both-channels", do(
			`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts, taken_at)
			 SELECT $1, letter, 'physical', 1, created_at, form_size, form_sha256, 1, 1 FROM hand_over WHERE letter = $2`,
			func() string { return post.DerivedID(at.ids[0], post.Physical, 1) }, first)},
		{"at both carriers, though one answer was lost", "both-channels", func(t *testing.T) {
			id := post.DerivedID(at.ids[0], post.Physical, 1)
			do(`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts)
			    SELECT $1, letter, 'physical', 1, created_at, form_size, form_sha256, 1 FROM hand_over WHERE letter = $2`,
				func() string { return id }, first)(t)
			at.paper[id] = 1
		}},
		{"a generation that nobody decided", "generation", do(`UPDATE letter SET generation = 2 WHERE id = $1`, first)},
		{"lost at the carrier", "lost", func(*testing.T) { clear(at.digital) }},
		{"twice at the carrier", "twice", func(*testing.T) { at.digital[post.DerivedID(at.ids[0], post.Digital, 1)] = 2 }},
		{"a stranger's message at the carrier", "carrier", func(*testing.T) { at.digital[post.NewID()] = 1 }},
		{"an envelope is posted that nobody took", "paper", do(`UPDATE hand_over SET taken_at = 0 WHERE letter = $1`, second)},
		{"an envelope is taken, and nothing says where it is", "paper", do(`UPDATE hand_over SET generation = 7 WHERE letter = $1`, second)},
		{"the letter says more than its envelope", "paper", do(`UPDATE letter SET state = 'posted' WHERE id = $1`, second)},
		{"it was sent again while the former one is out", "paper", do(`UPDATE letter SET generation = 2 WHERE id = $1`, second)},
		{"it was sent again while the former one may be out", "paper", func(t *testing.T) {
			do(`UPDATE letter SET generation = 2 WHERE id = $1`, second)(t)
			do(`UPDATE hand_over SET taken_at = 0, unsure = 1 WHERE letter = $1`, second)(t)
			do(`DELETE FROM ledger_event WHERE subject = $1 AND kind = 'letter.handed-over'`, second)(t)
		}},
		{"two envelopes bear one tracking number", "tracking", do(`UPDATE hand_over SET tracking = 'RR473124829DK' WHERE letter IN ($1, $2)`, first, second)},
		{"a hand-over that the ledger does not know of", "hand-over", do(
			`INSERT INTO hand_over (message_id, letter, channel, generation, created_at, form_size, form_sha256, attempts)
			 SELECT $1, letter, 'physical', 1, created_at, form_size, form_sha256, 1 FROM hand_over WHERE letter = $2`,
			func() string { return post.DerivedID(at.ids[0], post.Physical, 1) }, first)},
		{"a hand-over is deleted", "hand-over", do(`DELETE FROM hand_over WHERE letter = $1`, first)},
		{"bytes that nothing names lie there for days", "blob", func(*testing.T) { at.blobs["old blob"] = []byte("x") }},
		{"a parked message is gone", "blob", do(`INSERT INTO mail (id, carrier, tenant, message_id, digest, received_at, header, blob, blob_sha256, blob_size, state, due_at)
			SELECT $1, 'digitalpost', 'engdal', 'm', form_sha256, 1, form_sha256, $2, form_sha256, 1, 'parked', 0 FROM hand_over WHERE letter = $3`, post.NewID, post.NewID, first)},
		{"a document is gone", "blob", func(*testing.T) { clear(at.blobs) }},
		{"a document is changed", "blob", func(*testing.T) {
			for k := range at.blobs {
				at.blobs[k] = []byte{9}
			}
		}},
		{"a receipt is never matched", "receipts", do(
			`INSERT INTO receipt (carrier, event_id, message_id, kind, at, code, tracking, raw, received_at) SELECT 'd', $1, 'm', 'delivered', 1, '', '', form_sha256, 1 FROM hand_over WHERE letter = $2`,
			post.NewID, first)},
	}
	eachEngine(t, func(t *testing.T, open opener) {
		for _, h := range harms {
			t.Run(h.name, func(t *testing.T) {
				at = newLedgered(t, open(t))
				if r := at.check(t); r.Found != 0 || r.Letters != 2 || r.HandOvers != 2 || r.Blobs != 2 || r.Events != 14 || r.Paper != (account.Paper{Taken: 1, Waiting: 1}) {
					t.Fatalf("the house does not add up before any harm: %+v", r)
				}
				h.do(t)
				if r := at.check(t); !slices.ContainsFunc(r.Faults, func(f account.Fault) bool { return f.Rule == h.rule }) {
					t.Errorf("rule %q is silent: %+v", h.rule, r.Faults)
				}
			})
		}
	})
}

// TestWhatCannotBeAskedIsSaid: a carrier that lists nothing is not passed over in
// silence, and letters of which it has not spoken again are counted.
func TestWhatCannotBeAskedIsSaid(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		l := newLedgered(t, open(t))
		if r := l.check(t); len(r.Rests) != 2 || !r.Rests[0].Compared || !strings.Contains(r.Rests[0].Says, "was compared with the 1 letter") {
			t.Errorf("compared: %+v", r.Rests)
		}
		mustExec(t, l.s, `UPDATE hand_over SET carrier = 'kombipost'`)
		r := l.check(t)
		if r.Found != 0 || len(r.Rests) != 1 || r.Rests[0].Compared || r.Rests[0].Taken != 2 ||
			!strings.HasPrefix(r.Rests[0].Says, "KombiPost cannot be asked") || !strings.Contains(r.Rests[0].Says, "2 letters rest on its receipts alone, and of 2 it has said nothing") {
			t.Errorf("cannot be asked: %+v", r)
		}
		m := matcherOf(t, l.s)
		if err := l.s.KeepReceipts(t.Context(), []track.Receipt{{Carrier: "kombipost", EventID: "e", MessageID: post.DerivedID(l.ids[1], post.Physical, 1),
			Kind: track.Posted, At: time.Now()}}); err != nil {
			t.Fatal(err)
		}
		if err := m.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := l.check(t); r.Rests[0].Heard != 1 || !strings.Contains(r.Rests[0].Says, "of 1 it has said nothing") {
			t.Errorf("one was posted: %+v", r.Rests)
		}
	})
}

// TestAnotherCarriersLetterIsNotMissedAtTheUsualOne takes a message away from
// Digital Post that KombiPost was given.
func TestAnotherCarriersLetterIsNotMissedAtTheUsualOne(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		l := newLedgered(t, open(t))
		id := post.DerivedID(l.ids[0], post.Digital, 1)
		if err := l.s.tx(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `UPDATE hand_over SET carrier = 'kombipost' WHERE message_id = $1`, id)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if r := l.check(t); r.Found != 0 { // it may well lie there, since KombiPost delivers there
			t.Errorf("there: %+v", r.Faults)
		}
		delete(l.digital, id)
		if r := l.check(t); r.Found != 0 {
			t.Errorf("not there: %+v", r.Faults)
		}
	})
}
