package letter

import (
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// A Budget is what a latest day of arrival leaves, by a tenant's lead times and
// the cut-off of its print house. It is a function of them; its paper part says
// the same as [PaperDays], read backward.
type Budget struct {
	Arrive post.Day
	// Digital and Paper are the last moments at which a hand-over on that
	// channel still arrives in time.
	Digital, Paper time.Time
	// Ask is when a person is asked if it is not known by then which channel the
	// letter takes, so that paper can still be decided and arrive in time.
	Ask time.Time
	// End is the first moment after the day itself.
	End time.Time
}

// BudgetOf returns the budget of a letter that must arrive by day; ok is false
// when there is no such day.
func BudgetOf(day post.Day, times post.LetterTimes) (b Budget, ok bool) {
	t, err := time.ParseInLocation(time.DateOnly, string(day), calendar.Zone())
	if err != nil {
		return Budget{}, false
	}
	times = times.Filled()
	cut := cutoff(times)
	b = Budget{Arrive: day, End: calendar.End(t), Paper: cut.On(calendar.Before(t, times.Paper))}
	b.Digital = b.End // Digital Post takes letters on every day, at every hour
	if times.Digital > 0 {
		b.Digital = calendar.End(calendar.Before(t, times.Digital))
	}
	b.Ask = cut.On(calendar.Before(b.Paper, times.Person))
	return b, true
}

// leastLookup is how long a look-up may stay unsure even when the day is near:
// a directory that answers again in a moment spares a person.
const leastLookup = time.Hour

// LookupEnds returns until when a look-up that began at since may stay unsure.
// most bounds it whatever the day; early says that the day ends it before that.
func (b Budget) LookupEnds(since time.Time, most time.Duration) (end time.Time, early bool) {
	end = since.Add(most)
	ask := b.Ask
	if least := since.Add(leastLookup); ask.Before(least) {
		ask = least
	}
	if ask.Before(end) {
		return ask, true
	}
	return end, false
}

// Timing says whether a letter with a latest day of arrival comes in time.
type Timing string

// Timings, from calm to late. The letters of the middle ones need somebody.
const (
	TimingOpen    Timing = "in-time"       // every road that it may take is open
	TimingSent    Timing = "on-its-way"    // handed over early enough
	TimingClosing Timing = "paper-closing" // somebody decides now, or paper comes too late
	TimingDigital Timing = "digital-only"  // paper would come too late
	TimingLate    Timing = "too-late"      // it has not arrived in time, or cannot any more
	TimingArrived Timing = "arrived"       // in time, as far as is known
	TimingBehind  Timing = "arrived-late"
)

// Timing judges a letter as v shows it, at a moment; "" when it no longer
// matters. An arrival on paper counts by its hand-over where nothing proves the
// day.
func (b Budget) Timing(v View, now time.Time) Timing {
	switch v.State {
	case post.LetterCancelled, post.LetterClosed, post.LetterRecalled, post.LetterPurged:
		return ""
	case post.LetterDelivered:
		return arrived(v.AvailableAt.Before(b.End))
	case post.LetterProven, post.LetterPresumed:
		return arrived(!v.SentAt.After(b.Paper) || v.Since.Before(b.End))
	case post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterHandedOver, post.LetterPrinting, post.LetterPosted:
		last := b.Paper
		if v.Channel == post.Digital {
			last = b.Digital
			if !now.Before(b.End) { // its receipt says the day, and none has come
				return TimingLate
			}
		}
		if v.SentAt.After(last) {
			return TimingLate
		}
		return TimingSent
	default: // nothing has left yet
		return b.open(v, now)
	}
}

func arrived(inTime bool) Timing {
	if inTime {
		return TimingArrived
	}
	return TimingBehind
}

// open judges a letter that no carrier has.
func (b Budget) open(v View, now time.Time) Timing {
	paper := v.Channel == post.Physical || v.State == post.LetterRefused || v.State == post.LetterReturned
	switch {
	case now.After(b.Paper) && paper, !now.Before(b.Digital):
		return TimingLate
	case now.After(b.Paper):
		return TimingDigital
	case now.After(b.Ask) && !(paper && moves(v.State)):
		return TimingClosing
	}
	return TimingOpen
}

// moves reports whether a letter in state s goes on by itself.
func moves(s post.LetterState) bool { return s != post.LetterNeedsPerson && s != post.LetterReturned }

// Urges reports whether somebody should look at a letter with this timing.
func (t Timing) Urges() bool {
	return t == TimingClosing || t == TimingDigital || t == TimingLate
}

// CheckArrive refuses what is not a day, or lies more than a year ahead, and
// returns the budget that it leaves; ok is false when there is no day. A day
// that no road can meet any more is [post.FaultTooLate].
func CheckArrive(day string, notBefore, now time.Time, times post.LetterTimes) (b Budget, ok bool, err error) {
	if day == "" {
		return Budget{}, false, nil
	}
	d, ok := post.ParseDay(day)
	if !ok {
		return Budget{}, false, post.FaultArriveDay
	}
	b, _ = BudgetOf(d, times)
	if b.End.Sub(now) > maxAhead+24*time.Hour {
		return Budget{}, false, post.FaultArriveDay
	}
	first := now
	if notBefore.After(now) {
		first = notBefore
	}
	if !first.Before(b.Digital) {
		return b, true, post.FaultTooLate.At("latest day %s; to be handed over digitally before %s, on paper by %s",
			d, b.Digital.Add(-time.Minute).Format("2006-01-02 15:04"), b.Paper.Format("2006-01-02 15:04"))
	}
	return b, true, nil
}
