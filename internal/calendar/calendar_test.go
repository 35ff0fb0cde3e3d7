package calendar_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
)

func TestWorkingDaysBeforeADay(t *testing.T) {
	for _, c := range []struct {
		why, day, want string
		n              int
	}{
		{"an ordinary Thursday", "2026-11-26", "2026-11-26", 0},
		{"a Sunday is not worked on", "2026-11-29", "2026-11-27", 0},
		{"a weekend between", "2026-11-30", "2026-11-27", 1},
		{"Easter 2026: Maundy Thursday to Easter Monday", "2026-04-07", "2026-04-01", 1},
		{"Christmas and New Year: closed by custom on Christmas Eve and New Year's Eve too", "2027-01-04", "2026-12-23", 4},
		{"Store bededag is a working day since 2024", "2026-05-01", "2026-05-01", 0},
		{"Ascension and Whitsun", "2026-05-26", "2026-05-13", 7},
	} {
		day, err := time.ParseInLocation(time.DateOnly, c.day, calendar.Zone())
		if err != nil {
			t.Fatal(err)
		}
		if got := calendar.Before(day, c.n).Format(time.DateOnly); got != c.want {
			t.Errorf("%s: %d working days before %s is %s, want %s", c.why, c.n, c.day, got, c.want)
		}
	}
}

func TestDaysAreDanish(t *testing.T) {
	// 23:30 UTC on 31 December is New Year's Day in Denmark.
	if !calendar.Holiday(time.Date(2026, 12, 31, 23, 30, 0, 0, time.UTC)) {
		t.Error("the day was taken in another zone")
	}
}
