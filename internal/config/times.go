package config

import (
	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// letterTimes checks the rules about time of a tenant at a path.
func (r *report) letterTimes(at string, t post.Tenant) {
	const mostDays = 60 // working days: beyond a quarter of a year it is a slip of the pen
	for _, d := range []struct {
		name string
		n    int
	}{
		{"digital_days", t.Times.Digital}, {"paper_days", t.Times.Paper}, {"person_days", t.Times.Person},
		{"produce_days", t.Times.Produce}, {"silence_days", t.Times.Silence}, {"presume_days", t.Times.Presume},
	} {
		if d.n < 0 || d.n > mostDays {
			r.at(at+".times."+d.name, "want between 0 and %d working days", mostDays)
		}
	}
	if f := t.Times.Filled(); f.Produce > f.Paper {
		r.at(at+".times.produce_days", "want no more than paper_days (%d): they are part of them", f.Paper)
	}
	if c := t.Times.Cutoff; c != "" {
		if _, ok := calendar.ParseClock(c); !ok {
			r.at(at+".times.cutoff", "want a time of day in Danish time such as 12:00")
		}
	}
	if f := t.Times.Filled(); f.Presume > 0 && f.Presume <= f.Silence {
		r.at(at+".times.presume_days", "want more than silence_days (%d): silence is reported before it counts as delivery", f.Silence)
	}
	const leastDays, mostKept = 14, 3650 // a letter may come back, or be complained about, for a while
	for _, d := range []struct {
		name string
		n    int
	}{
		{"letters", t.Keep.Letters}, {"inquiries", t.Keep.Inquiries}, {"forwarded", t.Keep.Forwarded}, {"receipts", t.Keep.Receipts},
	} {
		if d.n != 0 && (d.n < leastDays || d.n > mostKept) {
			r.at(at+".keep_days."+d.name, "want between %d and %d days, or leave it out", leastDays, mostKept)
		}
	}
	if k := t.Keep.Filled(); k.Receipts > k.Letters {
		r.at(at+".keep_days.receipts", "want no more than letters (%d): a receipt goes with its letter", k.Letters)
	}
}
