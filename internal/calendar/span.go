package calendar

import "time"

// After returns noon of the n-th working day after the day of t; for n 0 noon
// of the day itself.
func After(t time.Time, n int) time.Time {
	y, m, d := t.In(zone).Date()
	day := time.Date(y, m, d, 12, 0, 0, 0, zone)
	for ; n > 0; n-- {
		for day = day.AddDate(0, 0, 1); !Working(day); {
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
