package digitalposttest

import (
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/memo"
)

// due returns when the business receipt of a message that came at at is given:
// after the usual delay, and not before its value date in Denmark
// (doNotDeliverUntilDate).
func (s *Server) due(m *memo.Message, at time.Time) time.Time {
	usual := at.Add(s.cfg.Delay)
	if m == nil || m.Header.DeliverFrom == "" {
		return usual
	}
	day, err := time.ParseInLocation(time.DateOnly, m.Header.DeliverFrom, calendar.Zone())
	if err != nil || day.Before(usual) { // one with a zone of its own is not a date of ours
		return usual
	}
	return day.UTC()
}

// past reports whether a value date is before the day of at in Denmark. How far
// ahead one may lie is not known to us.
func past(date string, at time.Time) bool {
	day, err := time.ParseInLocation(time.DateOnly, date, calendar.Zone())
	return err == nil && day.AddDate(0, 0, 1).Before(at.In(calendar.Zone()))
}
