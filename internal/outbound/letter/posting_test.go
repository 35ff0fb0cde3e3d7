package letter_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

func TestPaperIsPostedByCutOffAndWorkingDays(t *testing.T) {
	one := post.LetterTimes{Produce: 1, Paper: 3}
	for _, c := range []struct {
		why, handedOver string
		times           post.LetterTimes
		posted, arrives post.Day
	}{
		{"the defaults, before the cut-off", "2026-11-23 11:59", post.LetterTimes{}, "2026-11-25", "2026-12-02"},
		{"at the cut-off it is still the day", "2026-11-23 12:00", post.LetterTimes{}, "2026-11-25", "2026-12-02"},
		{"after it, the next day", "2026-11-23 12:01", post.LetterTimes{}, "2026-11-26", "2026-12-03"},
		{"a cut-off in the afternoon", "2026-11-23 16:30", post.LetterTimes{Cutoff: "16:30"}, "2026-11-25", "2026-12-02"},
		{"a cut-off in the morning", "2026-11-23 08:01", post.LetterTimes{Cutoff: "08:00"}, "2026-11-26", "2026-12-03"},
		{"Friday before the cut-off", "2026-11-27 11:00", one, "2026-11-30", "2026-12-02"},
		{"Friday after it counts as Monday", "2026-11-27 13:00", one, "2026-12-01", "2026-12-03"},
		{"so does Saturday morning", "2026-11-28 09:00", one, "2026-12-01", "2026-12-03"},
		{"Sunday night", "2026-11-29 23:59", one, "2026-12-01", "2026-12-03"},
		{"the last morning before Christmas", "2026-12-23 11:00", one, "2026-12-28", "2026-12-30"},
		{"the last afternoon before Christmas", "2026-12-23 12:30", one, "2026-12-29", "2027-01-04"},
		{"New Year's Eve is closed by custom", "2026-12-31 09:00", one, "2027-01-05", "2027-01-07"},
		{"before Easter, after the cut-off", "2026-04-01 12:01", one, "2026-04-08", "2026-04-10"},
		{"before Ascension", "2026-05-13 10:00", one, "2026-05-15", "2026-05-19"},
		{"Whit Monday", "2026-05-25 10:00", one, "2026-05-27", "2026-05-29"},
		{"Constitution Day between", "2026-06-04 10:00", one, "2026-06-08", "2026-06-10"},
		{"clocks go forward between", "2026-03-27 12:00", one, "2026-03-30", "2026-04-01"},
		{"clocks go back between", "2026-10-23 12:00", one, "2026-10-26", "2026-10-28"},
		{"paper in one day leaves the print house one", "2026-11-23 09:00", post.LetterTimes{Paper: 1}, "2026-11-24", "2026-11-24"},
	} {
		posted, arrives := letter.PaperDays(at(c.handedOver).UTC(), c.times)
		if posted != c.posted || arrives != c.arrives {
			t.Errorf("%s: handed over %s it is posted %s and arrives %s; want %s, %s", c.why, c.handedOver, posted, arrives, c.posted, c.arrives)
		}
	}
}

func TestABudgetAndAnExpectationAgree(t *testing.T) {
	for _, times := range []post.LetterTimes{{}, {Paper: 1}, {Paper: 4, Produce: 1, Cutoff: "08:00", Person: 2}, {Paper: 9, Cutoff: "23:59"}, {Cutoff: "00:00"}} {
		for d := at("2026-01-01 12:00"); d.Year() < 2029; d = d.AddDate(0, 0, 1) {
			day := post.Day(d.Format(time.DateOnly))
			b, _ := letter.BudgetOf(day, times)
			if _, arrives := letter.PaperDays(b.Paper, times); arrives > day {
				t.Fatalf("%+v: handed over at the last moment for %s it arrives on %s", times, day, arrives)
			}
			if _, arrives := letter.PaperDays(b.Paper.Add(time.Nanosecond), times); arrives <= day {
				t.Fatalf("%+v: handed over after the last moment for %s it arrives on %s", times, day, arrives)
			}
			if hm := times.Filled().Cutoff; b.Paper.In(calendar.Zone()).Format("15:04") != hm || !b.Ask.Before(b.Paper) {
				t.Fatalf("%+v: for %s paper closes at %s, a person is asked at %s", times, day, b.Paper, b.Ask)
			}
		}
	}
}
