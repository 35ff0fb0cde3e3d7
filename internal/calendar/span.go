package calendar

import "time"

// open reports whether the post and offices work on the day of t: a working day
// that is not closed by custom either (Constitution Day, Christmas Eve, New
// Year's Eve).
func open(t time.Time) bool {
	_, m, d := t.In(zone).Date()
	closed := m == time.June && d == 5 || m == time.December && (d == 24 || d == 31)
	return Working(t) && !closed
}

// After returns noon of the n-th working day after the day of t, counted as
// [Before] does; for n 0 noon of the day itself.
func After(t time.Time, n int) time.Time {
	y, m, d := t.In(zone).Date()
	day := time.Date(y, m, d, 12, 0, 0, 0, zone)
	for ; n > 0; n-- {
		for day = day.AddDate(0, 0, 1); !open(day); {
			day = day.AddDate(0, 0, 1)
		}
	}
	return day
}

// End returns the first moment after the day of t.
func End(t time.Time) time.Time {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, zone)
}
