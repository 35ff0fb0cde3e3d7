package post

import "time"

// Born returns the day of birth that a CPR number says, by its seventh digit and
// the year (CPR-kontoret, "Opbygning af CPR-nummeret"); of a replacement number,
// whose day is raised by 60, the day that it was made for. ok is false when there
// is no such day: no number is given out for it.
func (c CPR) Born() (day time.Time, ok bool) {
	s := c.Reveal()
	if s == "" {
		return time.Time{}, false
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	d, m, y := two(0), two(2), two(4)
	if d > 60 {
		d -= 60
	}
	switch seventh := s[6]; {
	case seventh <= '3', (seventh == '4' || seventh == '9') && y >= 37:
		y += 1900
	case seventh == '4', seventh == '9', y <= 57:
		y += 2000
	default:
		y += 1800
	}
	day = time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return day, day.Day() == d && day.Month() == time.Month(m)
}
