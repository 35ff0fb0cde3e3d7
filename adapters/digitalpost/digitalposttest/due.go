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
