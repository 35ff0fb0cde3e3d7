// Package calendar knows Danish days: the time zone of the legal clocks, public
// holidays and working days. Every function takes a moment and looks at its day
// in Danish time. It holds no times of its own and cannot fail.
package calendar

import (
	"time"
	_ "time/tzdata" // Danish time must not depend on the machine
)

// zone is where the legal clocks tick.
var zone = mustZone("Europe/Copenhagen")

func mustZone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zone is compiled in
	}
	return z
}

// Zone returns the Danish time zone.
func Zone() *time.Location { return zone }

// Working reports whether the day of t is a working day (hverdag): neither a
// Saturday nor a Sunday nor a public holiday.
func Working(t time.Time) bool {
	d := t.In(zone).Weekday()
	return d != time.Saturday && d != time.Sunday && !Holiday(t)
}

// Before returns noon of the n-th working day before the day of t, on which
// something must leave to arrive in time. For n 0 it is the day of t itself, or
// the last working day before it. Days on which offices and the post are closed
// by custom do not count: whoever counted them would be late.
func Before(t time.Time, n int) time.Time {
	y, m, d := t.In(zone).Date()
	day := time.Date(y, m, d, 12, 0, 0, 0, zone)
	for !open(day) {
		day = day.AddDate(0, 0, -1)
	}
	for ; n > 0; n-- {
		for day = day.AddDate(0, 0, -1); !open(day); {
			day = day.AddDate(0, 0, -1)
		}
	}
	return day
}

// Holiday reports whether the day of t is a public holiday (helligdag). Store
// bededag is none since 2024. Constitution Day, Christmas Eve and New Year's
// Eve are not public holidays by law; leaving them out never makes a legal due
// date later than the law allows.
func Holiday(t time.Time) bool {
	y, m, d := t.In(zone).Date()
	switch {
	case m == time.January && d == 1, m == time.December && (d == 25 || d == 26):
		return true
	}
	easter := easterSunday(y)
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	switch int(day.Sub(easter).Hours() / 24) {
	case -3, -2, 0, 1, 39, 49, 50: // skærtorsdag … 2. påskedag, Kristi himmelfartsdag, pinsedag, 2. pinsedag
		return true
	}
	return false
}

// easterSunday follows the Gregorian computus (Meeus/Jones/Butcher).
func easterSunday(y int) time.Time {
	a, b, c := y%19, y/100, y%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 19*l) / 433
	month := (h + l - 7*m + 90) / 25
	day := (h + l - 7*m + 33*month + 19) % 32
	return time.Date(y, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}
