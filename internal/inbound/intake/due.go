package intake

import (
	"time"
	_ "time/tzdata" // Danish time must not depend on the machine

	"sikkerpost.dk/gateway/internal/post"
)

// copenhagen is where the legal clocks tick.
var copenhagen = mustZone("Europe/Copenhagen")

func mustZone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zone is compiled in
	}
	return z
}

// Copenhagen returns the time zone of the legal clocks.
func Copenhagen() *time.Location { return copenhagen }

// breachTime is the time to notify the supervisory authority (GDPR art. 33(1)).
const breachTime = 72 * time.Hour

// Due returns the last moment at which an inquiry accepted at t is answered in
// time, in UTC; zero when no legal time runs.
//
// To a DPO it is one month (GDPR art. 12(3)), counted by Regulation (EEC,
// Euratom) 1182/71: the day of receipt is not counted (art. 3(1)); the period
// ends with the last hour of the same date one month on, or of that month's
// last day when it has no such date (art. 3(2)(c)); and a last day that is a
// Saturday, a Sunday or a public holiday moves to the next working day (art.
// 3(4)). A breach has 72 hours, which no holiday lengthens (art. 3(4) speaks
// of periods other than hours).
func Due(road post.Road, kind post.InquiryKind, t time.Time) time.Time {
	switch {
	case road != post.ToDPO:
		return time.Time{}
	case kind == post.Breach:
		return t.UTC().Add(breachTime)
	}
	day := monthLater(t.In(copenhagen))
	for !workingDay(day) {
		day = day.AddDate(0, 0, 1)
	}
	y, m, d := day.Date()
	return time.Date(y, m, d, 23, 59, 59, 0, copenhagen).UTC()
}

func monthLater(t time.Time) time.Time {
	y, m, d := t.Date()
	last := time.Date(y, m+2, 0, 12, 0, 0, 0, copenhagen).Day() // day 0 is the day before the 1st
	return time.Date(y, m+1, min(d, last), 12, 0, 0, 0, copenhagen)
}

func workingDay(t time.Time) bool {
	return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday && !Holiday(t)
}

// Holiday reports whether the day of t, in Danish time, is a public holiday
// (helligdag). Store bededag is none since 2024. Constitution Day, Christmas
// Eve and New Year's Eve are not public holidays by law; leaving them out
// never makes a due date later than the law allows.
func Holiday(t time.Time) bool {
	y, m, d := t.In(copenhagen).Date()
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
