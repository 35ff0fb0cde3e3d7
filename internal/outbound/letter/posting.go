package letter

import (
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// cutoff returns the time of day until which the print house takes letters in.
// Configuration refuses what is none; noon stands in for it all the same.
func cutoff(times post.LetterTimes) calendar.Clock {
	if c, ok := calendar.ParseClock(times.Filled().Cutoff); ok {
		return c
	}
	return calendar.Clock(12 * 60)
}

// PaperDays returns the day on which a letter on paper that is handed over at a
// moment is given to the post, and the day on which it arrives, by a tenant's
// rules. Both count working days from the day whose cut-off takes the letter in.
// They are expectations: the print house's receipt says what happened.
func PaperDays(handedOver time.Time, times post.LetterTimes) (posted, arrives post.Day) {
	times = times.Filled()
	taken := cutoff(times).Taken(handedOver)
	day := func(n int) post.Day { return post.Day(calendar.After(taken, n).Format(time.DateOnly)) }
	return day(times.Produce), day(times.Paper)
}

// expected says of a letter on paper that is not posted yet when it will be.
func (d *Desk) expected(v View) View {
	if at, ok := handOver(v, d.Now()); ok {
		v.Posting, _ = PaperDays(at, d.tenants[v.Tenant].TimesBy(v.paperBy()))
	}
	return v
}

// paperBy returns who has the letter on paper, or alone may have it again; "" when
// the road decides that anew.
func (v View) paperBy() post.Carrier {
	if v.Channel != post.Physical || v.State == post.LetterReturned {
		return ""
	}
	return v.Carrier
}

// handOver returns the moment at which a letter on paper that is not posted yet
// was handed over last, or is at the earliest; ok is false for other letters.
func handOver(v View, now time.Time) (at time.Time, ok bool) {
	if v.Channel != post.Physical {
		return time.Time{}, false
	}
	switch v.State {
	case post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterHandedOver, post.LetterPrinting:
		at = v.SentAt
		for _, e := range v.Events { // a later attempt of the same hand-over
			if e.Kind == "letter."+string(post.LetterHandingOver) && e.At.After(at) {
				at = e.At
			}
		}
		return at, !at.IsZero()
	case post.LetterRouted, post.LetterNotTaken:
		return now, true
	default: // not on paper yet, gone to the post, or somebody decides
		return time.Time{}, false
	}
}
