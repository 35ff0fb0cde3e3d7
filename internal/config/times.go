package config

import (
	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// paperTimes checks that the rules of one carrier do not contradict each other;
// silence names the key that is blamed when its silence and presumption do.
func (r *report) paperTimes(at, silence string, t post.LetterTimes) {
	f := t.Filled()
	if f.Produce > f.Paper {
		r.at(at+".produce_days", "want no more than paper_days (%d): they are part of them", f.Paper)
	}
	if f.Presume > 0 && f.Presume <= f.Silence {
		r.at(at+"."+silence, "presume_days (%d) must be more than silence_days (%d): silence is reported before it counts as delivery", f.Presume, f.Silence)
	}
}

func (r *report) cutoff(at, c string) {
	if _, ok := calendar.ParseClock(c); c != "" && !ok {
		r.at(at, "want a time of day in Danish time such as 12:00")
	}
}

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
	r.cutoff(at+".times.cutoff", t.Times.Cutoff)
	r.paperTimes(at+".times", "presume_days", t.Times.By(""))
	for by, own := range map[post.Carrier]post.PaperTimes{post.PrintHouse: t.Times.PrintHouse, post.KombiPost: t.Times.KombiPost} {
		at := at + ".times." + string(by)
		for name, n := range map[string]int{"paper_days": own.Paper, "produce_days": own.Produce, "silence_days": own.Silence} {
			if n < 0 || n > mostDays {
				r.at(at+"."+name, "want between 0 and %d working days", mostDays)
			}
		}
		r.cutoff(at+".cutoff", own.Cutoff)
		if own != (post.PaperTimes{}) {
			r.paperTimes(at, "silence_days", t.Times.By(by))
		}
	}
	for name, dkk := range map[string]float64{"digital": t.Costs.Digital, "paper": t.Costs.Paper, "registered": t.Costs.Registered} {
		if !(dkk >= 0 && dkk <= 10_000) { // a comma that slipped
			r.at(at+".costs."+name, "want DKK between 0 and 10000")
		}
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
