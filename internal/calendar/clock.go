package calendar

import "time"

// A Clock is a time of day in Danish time, in minutes after midnight. Its zero
// value is midnight.
type Clock int

// ParseClock reads a time of day from 00:00 to 23:59, always five characters. It
// refuses every other form.
func ParseClock(s string) (Clock, bool) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, false
	}
	return Clock(t.Hour()*60 + t.Minute()), true
}

// On returns the moment at which the clock shows c on the day of t. Clocks are
// put forward and back on Sundays, so on a working day every time exists once.
func (c Clock) On(t time.Time) time.Time {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 0, int(c), 0, 0, zone)
}

// Taken returns noon of the day whose work takes in what comes at t, where work
// is taken in until c: the day of t when it is worked on and t is not after c,
// else the next day that is, counted as [Before] does.
func (c Clock) Taken(t time.Time) time.Time {
	if open(t) && !t.After(c.On(t)) {
		return After(t, 0)
	}
	return After(t, 1)
}
