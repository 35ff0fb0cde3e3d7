package deskapp_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/calendar"
)

// submit sends a letter as the case system, with what change makes of it.
func (r *rig) submit(key string, change func(*wire.Letter)) (wire.LetterReceipt, error) {
	b := pdf(r.t, "decision-01")
	l := wire.Letter{Key: key, Title: "Afgørelse", Documents: []wire.Document{{Filename: "a.pdf"}},
		Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
	if change != nil {
		change(&l)
	}
	return r.client("case").SubmitLetter(r.t.Context(), l, []client.File{{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}})
}

// asks runs postctl and returns what it says, on either stream.
func (r *rig) asks(as string, args ...string) (code int, said string) {
	code, out, errs := r.postctl(as, args...)
	return code, out + errs
}

func TestAHoldIsPlacedSeenAndLiftedByAnApproverOnly(t *testing.T) {
	r := newRig(t)
	got, err := r.submit("k", nil)
	must(t, err)
	for _, as := range []string{"case", "operator", "tool"} {
		if _, err := r.client(as).HoldLetter(t.Context(), got.ID, "lawsuit"); !refusedWith(err, "POST-4003") {
			t.Errorf("%s placed a hold: %v", as, err)
		}
	}
	if _, err := r.client("approver").HoldLetter(t.Context(), got.ID, "because of Nancy"); !refusedWith(err, "POST-2023") {
		t.Errorf("a reason in free text was taken: %v", err)
	}
	if code, out := r.asks("approver", "letter", "hold", got.ID, "-reason", "lawsuit"); code != 0 || !strings.Contains(out, "on hold since") {
		t.Fatalf("%d: %s", code, out)
	}
	if code, out := r.asks("operator", "letter", "list", "-held"); code != 0 || !strings.Contains(out, got.Reference) || !strings.Contains(out, "lawsuit") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := r.asks("case-far", "letter", "list", "-held"); strings.Contains(out, got.Reference) {
		t.Errorf("another municipality sees it: %d, %s", code, out)
	}
	e, err := r.client("operator").Explain(t.Context(), got.ID)
	must(t, err)
	if last := e.Facts[len(e.Facts)-1]; last.Code != "lawsuit" || !strings.Contains(last.Fact, "hold") {
		t.Errorf("explanation %+v", e.Facts)
	}
	if code, out := r.asks("approver", "letter", "unhold", got.ID, "-reason", "lawsuit"); code != 0 {
		t.Fatalf("%d: %s", code, out)
	}
	v, err := r.client("operator").Letter(t.Context(), got.ID)
	must(t, err)
	if v.Hold != "" || !v.HeldAt.IsZero() {
		t.Errorf("still on hold: %+v", v)
	}
}

func TestLettersThatWaitForSomebodyAreListedOldestFirst(t *testing.T) {
	r := newRig(t)
	var ids, references []string
	for i, key := range []string{"a", "b", "c", "d"} {
		got, err := r.submit(key, nil)
		must(t, err)
		ids, references = append(ids, got.ID), append(references, got.Reference)
		state, since := []string{"needs-person", "returned", "needs-person", "ready"}[i], time.Now().Add(-time.Duration(i+1)*time.Hour)
		_, err = r.db.Exec(`UPDATE letter SET state = $1, since = $2 WHERE id = $3`, state, since.UnixMicro(), got.ID)
		must(t, err)
	}
	var seen []string
	for ask := (client.Choice{NeedsPerson: true, Oldest: true, Limit: 2}); ; {
		page, err := r.client("operator").Letters(t.Context(), ask)
		must(t, err)
		for _, l := range page.Items {
			seen = append(seen, l.ID)
		}
		if ask.After = page.Next; ask.After == "" {
			break
		}
	}
	if want := []string{ids[2], ids[1], ids[0]}; strings.Join(seen, " ") != strings.Join(want, " ") {
		t.Errorf("listed %v, want %v", seen, want)
	}
	code, out := r.asks("approver", "letter", "list", "-needs-person")
	if at := strings.Index(out, references[2]); code != 0 || at < 0 || at > strings.Index(out, references[1]) || strings.Contains(out, references[3]) || !strings.Contains(out, "3 h") {
		t.Errorf("%d: %s", code, out)
	}
	if page, err := r.client("case-far").Letters(t.Context(), client.Choice{}); err != nil || len(page.Items) != 0 {
		t.Errorf("another municipality sees %v, %v", page.Items, err)
	}
}

func TestALatestDayIsHeldAtTheDoorAndExplained(t *testing.T) {
	r := newRig(t)
	day := func(n int) string { return calendar.After(time.Now(), n).Format(time.DateOnly) }
	if _, err := r.submit("late", func(l *wire.Letter) { l.ArriveBy = time.Now().AddDate(0, 0, -2).Format(time.DateOnly) }); !refusedWith(err, "POST-2022") {
		t.Errorf("a day that is over: %v", err)
	}
	if _, err := r.submit("odd", func(l *wire.Letter) { l.ArriveBy = "tomorrow" }); !refusedWith(err, "POST-2021") {
		t.Errorf("not a day: %v", err)
	}
	got, err := r.submit("soon", func(l *wire.Letter) { l.ArriveBy, l.Urgent = day(3), true })
	must(t, err)
	if got.Timing != "digital-only" {
		t.Errorf("timing %q", got.Timing)
	}
	v, err := r.client("case").Letter(t.Context(), got.ID)
	must(t, err)
	if v.ArriveBy != day(3) || !v.Urgent || v.Timing != "digital-only" || v.Since.IsZero() {
		t.Errorf("%+v", v)
	}
	code, out := r.asks("case", "letter", "explain", got.ID)
	if code != 0 || !strings.Contains(out, "by "+day(3)+": paper would come too late") || !strings.Contains(out, "a person is asked at") {
		t.Errorf("%d: %s", code, out)
	}
}

func TestABatchRefusesEachNewLineThatComesTooLateAndKnowsItsOwnAgain(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	line := func(key, day string) wire.BatchLine {
		return wire.BatchLine{Key: key, Title: "Afgørelse", Document: "a.pdf", SHA256: strings.Repeat("ab", 32), ArriveBy: day,
			Recipient: wire.Party{IDType: "CPR", ID: r.nancy.CPR, Name: r.nancy.Name, Address: r.nancy.Address}}
	}
	good, over := calendar.After(time.Now(), 20).Format(time.DateOnly), time.Now().AddDate(0, 0, -2).Format(time.DateOnly)
	_, err := r.client("case").OpenBatch(ctx, wire.BatchOpen{Key: "b", Lines: []wire.BatchLine{line("1", good), line("2", over), line("3", over)}})
	var several *client.Problem
	if !errors.As(err, &several) || len(several.Errors) != 2 || several.Errors[0].Code != "POST-2022" || several.Errors[0].Location != "line 2" || several.Errors[1].Location != "line 3" {
		t.Fatalf("taken, or not each line is named: %+v", err)
	}
	b, err := r.client("case").OpenBatch(ctx, wire.BatchOpen{Key: "b", Lines: []wire.BatchLine{line("1", good), line("2", "")}})
	must(t, err)
	again, err := r.client("case").OpenBatch(ctx, wire.BatchOpen{Key: "b", Lines: []wire.BatchLine{line("1", good), line("2", "")}})
	if err != nil || !again.Repeated || again.ID != b.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := r.client("case").OpenBatch(ctx, wire.BatchOpen{Key: "b", Lines: []wire.BatchLine{line("1", good), line("2", good)}}); !refusedWith(err, "POST-6003") {
		t.Errorf("another day in a line is another batch: %v", err)
	}
	var kept string
	must(t, r.db.QueryRow(`SELECT arrive FROM batch_line WHERE batch = $1 AND n = 1`, b.ID).Scan(&kept))
	if kept != good {
		t.Errorf("kept %q", kept)
	}
}
