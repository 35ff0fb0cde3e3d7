package post

import "time"

// A Day is a calendar day in Danish time, written 2026-12-28. "" is none. Days
// compare as strings do.
type Day string

// ParseDay reads a day as people and machines write it: 2026-12-28. It refuses
// every other form, and days that do not exist.
func ParseDay(s string) (Day, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return "", false
	}
	return Day(t.Format(time.DateOnly)), true
}

// LetterTimes are a tenant's rules about time, in working days (hverdage). What
// is 0 takes the value of [LetterTimes.Filled], except Presume.
type LetterTimes struct {
	// Digital is the time from the hand-over to the mailbox; 0 is the same day.
	Digital int `json:"digital_days,omitempty"`
	// Paper is the time from the hand-over to the letter box, printing included.
	// 7: two for the print house, five for the post.
	Paper int `json:"paper_days,omitempty"`
	// Produce is how many of Paper the print house takes until it gives the
	// letter to the post. 2, or Paper where that is less.
	Produce int `json:"produce_days,omitempty"`
	// Cutoff is the time of day in Danish time, 15:04, until which the print
	// house counts a letter to the working day on which it comes. 12:00.
	Cutoff string `json:"cutoff,omitempty"`
	// Person is how long somebody may take to decide about a letter. 1.
	Person int `json:"person_days,omitempty"`
	// Silence is how long a carrier of paper may say nothing before it is
	// reported. 7.
	Silence int `json:"silence_days,omitempty"`
	// Presume is how long after it was posted a letter that nobody has heard of
	// again counts as delivered (presumed-delivered); 0 is never.
	Presume int `json:"presume_days,omitempty"`
	// PrintHouse and KombiPost hold for what that carrier has, or is to have, on
	// paper. What of them is 0 is as above.
	PrintHouse PaperTimes `json:"printhouse,omitzero"`
	KombiPost  PaperTimes `json:"kombipost,omitzero"`
}

// PaperTimes are what was agreed with one carrier of paper, in the words of
// [LetterTimes].
type PaperTimes struct {
	Paper   int    `json:"paper_days,omitempty"`
	Produce int    `json:"produce_days,omitempty"`
	Cutoff  string `json:"cutoff,omitempty"`
	Silence int    `json:"silence_days,omitempty"`
}

// By returns the rules for paper that c carries. They hold for no other carrier
// any more.
func (t LetterTimes) By(c Carrier) LetterTimes {
	own := map[Carrier]PaperTimes{PrintHouse: t.PrintHouse, KombiPost: t.KombiPost}[c]
	t.PrintHouse, t.KombiPost = PaperTimes{}, PaperTimes{}
	for _, d := range []struct {
		have *int
		own  int
	}{{&t.Paper, own.Paper}, {&t.Produce, own.Produce}, {&t.Silence, own.Silence}} {
		if d.own != 0 {
			*d.have = d.own
		}
	}
	if own.Cutoff != "" {
		t.Cutoff = own.Cutoff
	}
	return t
}

// TimesBy returns the rules about time for letters of t that c has on paper, or,
// when c is "" because nobody has them yet, for those that will go there. All
// that counts days or hours asks here.
func (t Tenant) TimesBy(c Carrier) LetterTimes {
	if c == "" {
		c = t.PaperBy
	}
	if c == "" {
		c = UsualCarrier(Physical)
	}
	return t.Times.By(c)
}

// Filled returns t with the defaults in place of zeros.
func (t LetterTimes) Filled() LetterTimes {
	for _, d := range []struct {
		have *int
		def  int
	}{{&t.Paper, 7}, {&t.Person, 1}, {&t.Silence, 7}} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	if t.Produce == 0 {
		t.Produce = min(2, t.Paper)
	}
	if t.Cutoff == "" {
		t.Cutoff = "12:00"
	}
	return t
}

// Keep says how many days a tenant's records are kept after their road has
// ended. What is 0 takes the value of [Keep.Filled].
type Keep struct {
	Letters   int `json:"letters,omitempty"`   // 180
	Inquiries int `json:"inquiries,omitempty"` // 180
	// Forwarded is for inquiries that a letter carries on to Digital Post. 30.
	Forwarded int `json:"forwarded,omitempty"`
	// Receipts is for carriers' receipts in their own form, which may name the
	// recipient. They go with their letter at the latest; what was made of them
	// stays as evidence. As Letters.
	Receipts int `json:"receipts,omitempty"`
}

// Filled returns k with the defaults in place of zeros.
func (k Keep) Filled() Keep {
	for _, d := range []struct {
		have *int
		def  int
	}{{&k.Letters, 180}, {&k.Inquiries, 180}, {&k.Forwarded, 30}} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	if k.Receipts == 0 {
		k.Receipts = k.Letters
	}
	return k
}

// HoldReason is why nothing of a letter may be purged (legal hold). It comes
// from a closed list, because free text about a case names people.
type HoldReason string

// Reasons of a hold.
const (
	HoldComplaint   HoldReason = "complaint"     // klage
	HoldLawsuit     HoldReason = "lawsuit"       // retssag
	HoldSupervision HoldReason = "supervision"   // tilsyn
	HoldAccess      HoldReason = "access"        // aktindsigt or indsigt under way
	HoldInquest     HoldReason = "investigation" // a breach or an error is looked into
)

// Known reports whether r is one of the list.
func (r HoldReason) Known() bool {
	switch r {
	case HoldComplaint, HoldLawsuit, HoldSupervision, HoldAccess, HoldInquest:
		return true
	}
	return false
}
