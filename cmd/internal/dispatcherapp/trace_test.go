package dispatcherapp

import (
	"log/slog"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/trace"
	"sikkerpost.dk/gateway/internal/post"
)

// TestADispatcherAsksDigitalPostWhatItKnowsOfALetter: through the adapter, each
// municipality by its own system; what is kept of the answer names nobody.
func TestADispatcherAsksDigitalPostWhatItKnowsOfALetter(t *testing.T) {
	m := newMailHouse(t)
	m.roads = dispatch.Straight(map[post.Channel]dispatch.Channel{post.Digital: m.client, post.Physical: m.paper})
	sent, waits := m.submit("sent"), m.submit("waits")
	m.advance(sent)
	desk := trace.Desk{Questions: m.store, Letters: m.store}
	ask := func(id post.LetterID) []trace.Told {
		t.Helper()
		q, err := desk.Ask(t.Context(), "operator", id)
		if err != nil {
			t.Fatal(err)
		}
		a := (&App{store: m.store, log: slog.New(slog.DiscardHandler)}).tracer(carriers{digital: m.client})
		if err := a.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		told, done, err := m.store.FindTrace(t.Context(), id, q)
		if err != nil || !done {
			t.Fatalf("not answered: %v, %v", done, err)
		}
		return told
	}
	told := ask(sent)
	if len(told) != 1 || told[0].Carrier != post.DigitalPost || len(told[0].Steps) < 4 || told[0].Steps[0].Tag != "MEMO_SEND_RECEIVED" {
		t.Fatalf("Digital Post told %+v", told)
	}
	if n := m.count(t, `SELECT count(*) FROM hand_over WHERE letter = $1 AND message_id = $2`, string(sent), told[0].MessageID); n != 1 {
		t.Error("it told of another message")
	}
	for i, step := range told[0].Steps {
		if step.At.IsZero() || i > 0 && step.At.Before(told[0].Steps[i-1].At) {
			t.Errorf("step %d is out of the order of time: %+v", i, told[0].Steps)
		}
	}
	if told := ask(waits); len(told) != 0 {
		t.Errorf("of a letter that was not handed over it told %+v", told)
	}
	var kept string
	if err := m.raw.QueryRow(`SELECT answer FROM trace WHERE letter = $1`, string(sent)).Scan(&kept); err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{m.nancy.ID, m.nancy.Name, "Afgørelse", "afgoerelse.pdf"} {
		if strings.Contains(kept, private) {
			t.Errorf("%q is kept in clear", private)
		}
	}
	// Another municipality's system knows nothing of it.
	if _, err := m.raw.Exec(`UPDATE letter SET tenant = $1 WHERE id = $2`, string(m.tenants[1].ID), string(sent)); err != nil {
		t.Fatal(err)
	}
	if told := ask(sent); len(told) != 1 || len(told[0].Steps) != 0 || !strings.Contains(told[0].Says, "knows nothing") {
		t.Errorf("another municipality was told %+v", told)
	}
}
