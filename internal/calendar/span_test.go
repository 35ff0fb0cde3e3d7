package calendar_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
)

func TestWorkingDaysAfterADay(t *testing.T) {
	for _, c := range []struct {
		why, day, want string
		n              int
	}{
		{"the day itself, worked on or not", "2026-11-29", "2026-11-29", 0},
		{"over a weekend", "2026-11-27", "2026-11-30", 1},
		{"from a Sunday the next working day is the first", "2026-11-29", "2026-11-30", 1},
		{"Christmas and New Year, their eves too", "2026-12-23", "2027-01-04", 4},
		{"Easter 2026", "2026-04-01", "2026-04-08", 2},
	} {
		day, err := time.ParseInLocation(time.DateOnly, c.day, calendar.Zone())
		if err != nil {
			t.Fatal(err)
		}
		got := calendar.After(day.Add(23*time.Hour), c.n)
		if got.Format(time.DateOnly) != c.want || got.Hour() != 12 {
			t.Errorf("%s: %d working days after %s is %s, want noon of %s", c.why, c.n, c.day, got, c.want)
		}
	}
}

func TestADayEndsAtDanishMidnight(t *testing.T) {
	// 23:30 UTC on 27 December is the 28th in Denmark.
	if got := calendar.End(time.Date(2026, 12, 27, 23, 30, 0, 0, time.UTC)); !got.Equal(time.Date(2026, 12, 28, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("ends at %s", got)
	}
	// A day of 25 hours.
	if got := calendar.End(time.Date(2026, 10, 25, 0, 30, 0, 0, calendar.Zone())); got.Sub(time.Date(2026, 10, 25, 0, 0, 0, 0, calendar.Zone())) != 25*time.Hour {
		t.Errorf("the long day ends at %s", got)
	}
}
