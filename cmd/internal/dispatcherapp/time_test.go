package dispatcherapp

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/post"
)

// atNoon is a process whose clock stands at t, and what it logs.
func (h *house) advanceAt(id post.LetterID, t time.Time) string {
	h.t.Helper()
	var log bytes.Buffer
	a := h.advancer(h.store)
	a.Now = func() time.Time { return t }
	a.Log = slog.New(slog.NewTextHandler(&log, nil))
	h.later()
	if err := a.Advance(h.t.Context(), id); err != nil {
		h.t.Fatal(err)
	}
	return log.String()
}

// day returns the n-th working day from today.
func day(n int) post.Day {
	return post.Day(calendar.After(time.Now(), n).Format(time.DateOnly))
}

func (h *house) submitBy(key string, arrive post.Day) post.LetterID {
	h.t.Helper()
	s := submission(key)
	s.Arrive = arrive
	r, err := h.desk.Submit(h.t.Context(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	return r.ID
}

func TestAnUnsureLookUpWithADayAsksAPersonInTimeForPaper(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir = directory{reach(dispatch.Unsure, "timeout")}
	h.budget = 365 * 24 * time.Hour
	arrive := day(12)
	b, _ := letter.BudgetOf(arrive, h.tenants[0].Times)
	id, calm := h.submitBy("k1", arrive), h.submit("k2")
	h.advance(id)
	h.advance(calm)
	h.want(id, post.LetterAwaitingLookup)
	h.advanceAt(id, b.Ask.Add(-time.Minute))
	h.want(id, post.LetterAwaitingLookup)
	if log := h.advanceAt(id, b.Ask.Add(time.Minute)); !strings.Contains(log, "letter needs a person") {
		t.Errorf("no alarm: %s", log)
	}
	if v := h.want(id, post.LetterNeedsPerson); v.Code != "lookup-deadline" {
		t.Errorf("code %q", v.Code)
	}
	h.advanceAt(calm, b.Ask.Add(time.Minute)) // without a day it goes on waiting
	h.want(calm, post.LetterAwaitingLookup)
	if h.paper.count(id) != 0 {
		t.Fatal("printed without proof and without anybody's decision")
	}
	// Somebody decides, and paper is still in time.
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: id, Actor: "approver", Decision: letter.Print}); err != nil {
		t.Fatal(err)
	}
	h.advance(id)
	h.want(id, post.LetterHandedOver)
	e, err := h.desk.Explain(t.Context(), "engdal", id)
	if err != nil || e.Deadline == nil || e.Deadline.Arrive != arrive || e.Deadline.Timing != letter.TimingSent || !strings.Contains(e.Why, "approver") {
		t.Errorf("explanation %+v, %v", e, err)
	}
	h.conserved()
}

func TestALetterThatComesTooLateGoesAndIsReported(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.dir = directory{reach(dispatch.Unreachable, "EXEMPT")}
	id := h.submitBy("k1", day(2)) // seven days of paper do not fit
	if log := h.advanceAt(id, time.Now()); !strings.Contains(log, "letter comes too late") || !strings.Contains(log, "channel=physical") {
		t.Errorf("no alarm: %s", log)
	}
	if v := h.want(id, post.LetterHandedOver); v.Timing != letter.TimingLate || h.paper.count(id) != 1 {
		t.Errorf("timing %q, printed %d times", v.Timing, h.paper.count(id))
	}
	h.dir = directory{reach(dispatch.Reachable, "REGISTERED")}
	other := h.submitBy("k2", day(2))
	if log := h.advanceAt(other, time.Now()); strings.Contains(log, "too late") {
		t.Errorf("a digital letter that is in time was reported: %s", log)
	}
}

func TestANewLetterThatNoRoadBringsInTimeIsRefusedAndAKnownOneIsNot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := submission("k1")
	s.Arrive = post.Day(time.Now().In(calendar.Zone()).AddDate(0, 0, -1).Format(time.DateOnly))
	if _, err := h.desk.Submit(t.Context(), s); !errors.Is(err, post.FaultTooLate) {
		t.Fatalf("accepted: %v", err)
	}
	s.Arrive = day(3)
	r, err := h.desk.Submit(t.Context(), s)
	if err != nil || r.Timing != letter.TimingDigital { // seven days of paper do not fit
		t.Fatalf("%+v, %v", r, err)
	}
	// The same again, when its day is over: a repeated request must get its answer.
	desk := *h.desk
	desk.Now = func() time.Time { return time.Now().AddDate(0, 1, 0) }
	if again, err := desk.Submit(t.Context(), s); err != nil || !again.Repeated || again.ID != r.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	s.Arrive = day(4)
	if _, err := h.desk.Submit(t.Context(), s); !errors.Is(err, post.FaultLetterKeyUsed) {
		t.Errorf("another day under the same key: %v", err)
	}
}

func TestSomebodyMayPrintWhatADeadCarrierDoesNotTake(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.digital.answer = func(int, dispatch.Job) dispatch.Verdict { return dispatch.NotTaken }
	id := h.submitBy("k1", day(12))
	h.advance(id)
	h.want(id, post.LetterNotTaken)
	b, _ := letter.BudgetOf(day(12), h.tenants[0].Times)
	h.advanceAt(id, b.Paper.Add(-time.Minute)) // the rule goes on trying: nobody has decided
	h.want(id, post.LetterNotTaken)
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: id, Actor: "approver", Decision: letter.Print}); err != nil {
		t.Fatal(err)
	}
	v := h.want(id, post.LetterRouted)
	if v.Channel != post.Physical || v.Generation != 1 || v.Events[len(v.Events)-2].Kind != "letter.needs-person" {
		t.Errorf("%s/%d; %+v", v.Channel, v.Generation, v.Events)
	}
	h.digital.answer = nil // back again, too late to matter
	h.advance(id)
	h.want(id, post.LetterHandedOver)
	if h.paper.count(id) != 1 || h.digital.count(id) != 0 {
		t.Errorf("printed %d times, sent %d times", h.paper.count(id), h.digital.count(id))
	}
	h.conserved()

	// What may be out there is never printed.
	h.digital.answer = func(int, dispatch.Job) dispatch.Verdict { return dispatch.Unknown }
	doubt := h.submit("k2")
	h.advance(doubt)
	h.want(doubt, post.LetterOutcomeUnknown)
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: doubt, Actor: "approver", Decision: letter.Print}); !errors.Is(err, post.FaultLetterState) {
		t.Errorf("printed in doubt: %v", err)
	}
}

// posted brings a letter on paper to the postal company.
func (h *house) posted(key string) (post.LetterID, string) {
	h.t.Helper()
	h.dir = directory{reach(dispatch.Unreachable, "EXEMPT")}
	id := h.submit(key)
	h.advance(id)
	message := h.want(id, post.LetterHandedOver).MessageID
	h.receive(track.Receipt{EventID: "posted " + key, MessageID: message, Kind: track.Posted, At: time.Now()})
	h.want(id, post.LetterPosted)
	return id, message
}

func TestQuietAfterPostingCountsAsDeliveredByTheTenantsRule(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.tenants[0].Times = post.LetterTimes{Silence: 5, Presume: 8}
	id, message := h.posted("k1")
	since := h.show(id).Since
	silent, quiet := calendar.After(since, 5), calendar.After(since, 8)
	if log := h.advanceAt(id, silent.Add(-time.Minute)); strings.Contains(log, "overdue") {
		t.Errorf("reported before its time: %s", log)
	}
	if log := h.advanceAt(id, silent.Add(time.Minute)); !strings.Contains(log, "receipt overdue") {
		t.Errorf("silence was not reported: %s", log)
	}
	h.advanceAt(id, quiet.Add(-time.Minute))
	h.want(id, post.LetterPosted)
	h.advanceAt(id, quiet)
	if v := h.want(id, post.LetterPresumed); v.Code != "quiet-time" {
		t.Errorf("code %q", v.Code)
	}
	var jobs int
	if err := h.raw.QueryRow(`SELECT count(*) FROM job`).Scan(&jobs); err != nil || jobs != 0 {
		t.Errorf("%d jobs left, %v", jobs, err)
	}
	h.conserved()
	// It comes back all the same: the road is open again, and somebody sends it anew.
	h.receive(track.Receipt{EventID: "back", MessageID: message, Kind: track.Returned, Code: "moved", At: time.Now()})
	h.want(id, post.LetterReturned)
	if _, err := h.desk.Decide(t.Context(), letter.Decided{Tenant: "engdal", Letter: id, Actor: "approver", Decision: letter.Reissue}); err != nil {
		t.Fatal(err)
	}
	h.advance(id)
	if v := h.want(id, post.LetterHandedOver); v.Generation != 2 {
		t.Errorf("generation %d", v.Generation)
	}
	h.conserved()
}

func TestNothingIsPresumedWithoutARule(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id, _ := h.posted("k1")
	if log := h.advanceAt(id, time.Now().AddDate(1, 0, 0)); !strings.Contains(log, "receipt overdue") {
		t.Errorf("a year of silence: %s", log)
	}
	h.want(id, post.LetterPosted)
}

func TestUrgentLettersAreInALaneOfTheirOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := submission("k1")
	s.Urgent = true
	r, err := h.desk.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	calm := h.submit("k2")
	for id, want := range map[post.LetterID]int{r.ID: 0, calm: 1} {
		var lane int
		if err := h.raw.QueryRow(`SELECT lane FROM job WHERE id = $1`, string(id)).Scan(&lane); err != nil || lane != want {
			t.Errorf("lane %d, %v, want %d", lane, err, want)
		}
	}
	if !h.show(r.ID).Urgent || h.show(calm).Urgent {
		t.Error("the view does not say which is urgent")
	}
}

// TestTheRoadsCarrierSaysWhenAPersonIsAskedAndWhoHasALetterWhenItsSilenceCounts:
// one municipality, two carriers of paper with rules of their own.
func TestTheRoadsCarrierSaysWhenAPersonIsAskedAndWhoHasALetterWhenItsSilenceCounts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	own := &h.tenants[0]
	own.Times = post.LetterTimes{Paper: 3, Silence: 3, KombiPost: post.PaperTimes{Paper: 8, Silence: 9}}
	own.PaperBy = post.KombiPost
	h.dir = directory{reach(dispatch.Unsure, "timeout")}
	h.budget = 365 * 24 * time.Hour
	arrive := day(20)
	usual, _ := letter.BudgetOf(arrive, own.TimesBy(post.PrintHouse))
	kombi, _ := letter.BudgetOf(arrive, own.TimesBy(""))
	if !kombi.Ask.Before(usual.Ask) {
		t.Fatalf("asked at %s by the one and at %s by the other", kombi.Ask, usual.Ask)
	}
	id := h.submitBy("k1", arrive)
	h.advance(id)
	h.advanceAt(id, kombi.Ask.Add(-time.Minute))
	h.want(id, post.LetterAwaitingLookup)
	h.advanceAt(id, kombi.Ask.Add(time.Minute))
	h.want(id, post.LetterNeedsPerson)

	// The print house of these tests has the next one: its silence counts, though
	// the road's carrier may be silent for longer.
	h.dir = directory{reach(dispatch.Unreachable, "EXEMPT")}
	other := h.submit("k2")
	h.advance(other)
	since := h.want(other, post.LetterHandedOver).Since
	if log := h.advanceAt(other, calendar.After(since, 3).Add(-time.Minute)); strings.Contains(log, "receipt overdue") {
		t.Errorf("too early: %s", log)
	}
	if log := h.advanceAt(other, calendar.After(since, 3).Add(time.Minute)); !strings.Contains(log, "receipt overdue") {
		t.Errorf("silent for longer than its carrier may be: %s", log)
	}
}
