package calendar_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
)

func TestATimeOfDayIsReadStrictly(t *testing.T) {
	for s, want := range map[string]calendar.Clock{"00:00": 0, "12:00": 720, "16:30": 990, "23:59": 1439} {
		if got, ok := calendar.ParseClock(s); !ok || got != want {
			t.Errorf("%q is %d, %v; want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "12", "9:00", "24:00", "12:60", "12.00", "12:00:00", "12:00 ", "-1:00", "noon"} {
		if got, ok := calendar.ParseClock(s); ok {
			t.Errorf("%q is taken for %d", s, got)
		}
	}
}

func TestACutOffIsDanishTimeWinterAndSummer(t *testing.T) {
	noon, _ := calendar.ParseClock("12:00")
	for _, c := range []struct {
		why, at, want string
	}{
		{"winter: noon is 11 UTC", "2026-03-27T11:00:00Z", "2026-03-27"},
		{"winter: right after noon", "2026-03-27T11:00:01Z", "2026-03-30"},
		{"the Monday after clocks went forward: noon is 10 UTC", "2026-03-30T10:00:00Z", "2026-03-30"},
		{"and 11 UTC is too late", "2026-03-30T11:00:00Z", "2026-03-31"},
		{"the Sunday itself, in the hour that is left out", "2026-03-29T01:00:00Z", "2026-03-30"},
		{"the last Friday of summer time", "2026-10-23T10:00:01Z", "2026-10-26"},
		{"the Monday after clocks went back", "2026-10-26T11:00:00Z", "2026-10-26"},
		{"the day is Danish too: after midnight there", "2026-11-23T23:30:00Z", "2026-11-24"},
		{"before noon of a day closed by custom", "2026-12-24T08:00:00Z", "2026-12-28"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := noon.Taken(at); got.Format(time.DateOnly) != c.want || got.Hour() != 12 {
			t.Errorf("%s: what comes at %s is taken in on %s, want %s", c.why, c.at, got, c.want)
		}
	}
}
