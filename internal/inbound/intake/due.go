package intake

import (
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// Copenhagen returns the time zone of the legal clocks.
func Copenhagen() *time.Location { return calendar.Zone() }

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
	day := monthLater(t.In(calendar.Zone()))
	for !calendar.Working(day) {
		day = day.AddDate(0, 0, 1)
	}
	y, m, d := day.Date()
	return time.Date(y, m, d, 23, 59, 59, 0, calendar.Zone()).UTC()
}

func monthLater(t time.Time) time.Time {
	y, m, d := t.Date()
	last := time.Date(y, m+2, 0, 12, 0, 0, 0, calendar.Zone()).Day() // day 0 is the day before the 1st
	return time.Date(y, m+1, min(d, last), 12, 0, 0, 0, calendar.Zone())
}

// Holiday reports whether the day of t, in Danish time, is a public holiday.
func Holiday(t time.Time) bool { return calendar.Holiday(t) }
