package letter_test

import (
	"errors"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, calendar.Zone())
	if err != nil {
		panic(err)
	}
	return t
}

func TestABudgetCountsWorkingDays(t *testing.T) {
	for _, c := range []struct {
		why                       string
		day                       post.Day
		times                     post.LetterTimes
		digital, paper, ask, last string
	}{
		{"the defaults: seven days of paper, one to decide", "2026-11-30", post.LetterTimes{},
			"2026-12-01 00:00", "2026-11-19 12:00", "2026-11-18 12:00", "2026-12-01 00:00"},
		{"over Christmas", "2027-01-04", post.LetterTimes{Paper: 3, Person: 2},
			"2027-01-05 00:00", "2026-12-28 12:00", "2026-12-22 12:00", "2027-01-05 00:00"},
		{"a Sunday can be met digitally, paper comes on Friday", "2026-11-29", post.LetterTimes{Paper: 2},
			"2026-11-30 00:00", "2026-11-25 12:00", "2026-11-24 12:00", "2026-11-30 00:00"},
		{"a municipality that counts a day for Digital Post", "2026-11-30", post.LetterTimes{Digital: 1, Paper: 5},
			"2026-11-28 00:00", "2026-11-23 12:00", "2026-11-20 12:00", "2026-12-01 00:00"},
	} {
		b, ok := letter.BudgetOf(c.day, c.times)
		if !ok || !b.Digital.Equal(at(c.digital)) || !b.Paper.Equal(at(c.paper)) || !b.Ask.Equal(at(c.ask)) || !b.End.Equal(at(c.last)) {
			t.Errorf("%s: %+v", c.why, b)
		}
		if b.Ask.After(b.Paper) || b.Paper.After(b.End) || b.Digital.After(b.End) {
			t.Errorf("%s: out of order: %+v", c.why, b)
		}
	}
	if _, ok := letter.BudgetOf("", post.LetterTimes{}); ok {
		t.Error("a budget without a day")
	}
}

func TestALookUpEndsWhileAPersonCanStillDecideForPaper(t *testing.T) {
	b, _ := letter.BudgetOf("2026-11-30", post.LetterTimes{Paper: 5, Person: 1}) // paper by Monday 23, asked by Friday 20
	most := 72 * time.Hour
	for _, c := range []struct {
		why, since, end string
		early           bool
	}{
		{"far ahead the look-up has all its time", "2026-11-10 09:00", "2026-11-13 09:00", false},
		{"near the day it ends early", "2026-11-19 09:00", "2026-11-20 12:00", true},
		{"so near that only an hour is left to the directory", "2026-11-20 11:30", "2026-11-20 12:30", true},
		{"when paper is too late already a person is asked all the same", "2026-11-27 09:00", "2026-11-27 10:00", true},
	} {
		end, early := b.LookupEnds(at(c.since), most)
		if !end.Equal(at(c.end)) || early != c.early {
			t.Errorf("%s: ends %s, early %v", c.why, end.In(calendar.Zone()), early)
		}
	}
	if end, early := b.LookupEnds(at("2026-11-19 09:00"), time.Minute); early || !end.Equal(at("2026-11-19 09:01")) {
		t.Errorf("a day never makes a look-up longer: %s, %v", end, early)
	}
}

func TestTiming(t *testing.T) {
	b, _ := letter.BudgetOf("2026-11-30", post.LetterTimes{Paper: 5, Person: 1})
	type v = letter.View
	for _, c := range []struct {
		why  string
		now  string
		v    v
		want letter.Timing
	}{
		{"long before", "2026-11-10 09:00", v{State: post.LetterReady}, letter.TimingOpen},
		{"held for approval in the last days of paper", "2026-11-20 13:00", v{State: post.LetterHeld}, letter.TimingClosing},
		{"unsure in the last days of paper", "2026-11-23 09:00", v{State: post.LetterAwaitingLookup}, letter.TimingClosing},
		{"a digital carrier is down in the last days of paper", "2026-11-23 09:00", v{State: post.LetterNotTaken, Channel: post.Digital}, letter.TimingClosing},
		{"paper goes by itself", "2026-11-23 09:00", v{State: post.LetterRouted, Channel: post.Physical}, letter.TimingOpen},
		{"paper waits for a person", "2026-11-23 09:00", v{State: post.LetterNeedsPerson, Channel: post.Physical}, letter.TimingClosing},
		{"too late for paper", "2026-11-24 09:00", v{State: post.LetterAwaitingLookup}, letter.TimingDigital},
		{"paper only, and too late", "2026-11-24 09:00", v{State: post.LetterRefused, Channel: post.Digital}, letter.TimingLate},
		{"came back, too late to be sent again", "2026-11-24 09:00", v{State: post.LetterReturned, Channel: post.Physical}, letter.TimingLate},
		{"the day is over", "2026-12-01 00:00", v{State: post.LetterReady}, letter.TimingLate},
		{"handed over digitally on the day", "2026-11-30 23:00", v{State: post.LetterHandedOver, Channel: post.Digital, SentAt: at("2026-11-30 22:00")}, letter.TimingSent},
		{"handed over digitally, and nothing heard", "2026-12-01 01:00", v{State: post.LetterHandedOver, Channel: post.Digital, SentAt: at("2026-11-30 22:00")}, letter.TimingLate},
		{"posted in time needs no receipt", "2026-12-03 09:00", v{State: post.LetterPosted, Channel: post.Physical, SentAt: at("2026-11-23 09:00")}, letter.TimingSent},
		{"printed too late", "2026-11-25 09:00", v{State: post.LetterPrinting, Channel: post.Physical, SentAt: at("2026-11-24 09:00")}, letter.TimingLate},
		{"available on the day", "2026-12-03 09:00", v{State: post.LetterDelivered, AvailableAt: at("2026-11-30 23:59")}, letter.TimingArrived},
		{"available the day after", "2026-12-03 09:00", v{State: post.LetterDelivered, AvailableAt: at("2026-12-01 00:00")}, letter.TimingBehind},
		{"proven before the day was over", "2026-12-03 09:00", v{State: post.LetterProven, Channel: post.Physical, SentAt: at("2026-11-24 09:00"), Since: at("2026-11-27 09:00")}, letter.TimingArrived},
		{"presumed of one posted late", "2026-12-23 09:00", v{State: post.LetterPresumed, Channel: post.Physical, SentAt: at("2026-11-24 09:00"), Since: at("2026-12-20 09:00")}, letter.TimingBehind},
		{"cancelled", "2026-12-23 09:00", v{State: post.LetterCancelled}, ""},
	} {
		if got := b.Timing(c.v, at(c.now)); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
	for _, s := range post.LetterStates() { // each state has an answer that has words
		letterTimingHasWords(t, b.Timing(v{State: s, Channel: post.Digital}, at("2026-11-23 09:00")))
	}
}

func letterTimingHasWords(t *testing.T, x letter.Timing) {
	t.Helper()
	switch x {
	case "", letter.TimingOpen, letter.TimingSent, letter.TimingClosing, letter.TimingDigital, letter.TimingLate, letter.TimingArrived, letter.TimingBehind:
	default:
		t.Errorf("timing %q", x)
	}
}

func TestADayThatNoRoadMeetsIsRefused(t *testing.T) {
	now := at("2026-11-24 09:00")
	for _, c := range []struct {
		why, day  string
		notBefore time.Time
		want      *post.Fault
	}{
		{"no day", "", time.Time{}, nil},
		{"today", "2026-11-24", time.Time{}, nil},
		{"yesterday", "2026-11-23", time.Time{}, post.FaultTooLate},
		{"held back beyond its day", "2026-11-26", at("2026-11-27 00:00"), post.FaultTooLate},
		{"not a day", "24/11/2026", time.Time{}, post.FaultArriveDay},
		{"a day that does not exist", "2026-02-30", time.Time{}, post.FaultArriveDay},
		{"years ahead", "2028-01-01", time.Time{}, post.FaultArriveDay},
	} {
		_, _, err := letter.CheckArrive(c.day, c.notBefore, now, post.LetterTimes{})
		if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
