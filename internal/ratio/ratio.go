// Package ratio measures one thing against another within one run, so that the
// result means the same on a slow, shared or throttled machine. Only tests
// import it.
//
// A package that has a speed goal gets one function BenchmarkRatio with a
// sub-benchmark per [Row]; `make bench` finds them all and prints one table.
// Subject and base take turns, round by round, and each round gives its own
// ratio: the median of those is what is reported, so that whatever disturbs the
// machine disturbs both sides or is voted out. A cost is processor time, garbage
// collection included, where the system tells it; a speed, in which other
// programs have a part, is time on the wall. The figures come out as ordinary
// benchmark metrics, which benchstat reads too.
package ratio

import (
	"cmp"
	"runtime"
	"slices"
	"testing"
	"time"
)

// Units of the metrics; cmd/internal/bench reads them.
const (
	UnitRatio   = "ratio"
	UnitAtMost  = "at-most"
	UnitAtLeast = "at-least"
	UnitSubject = "subject-ns"
	UnitBase    = "base-ns"
)

// Row is one line of the table. Name says what is compared with what, in words
// joined by underscores: "login_to_raw_RSA".
type Row struct {
	Name string
	// Goal is a bound on the ratio; neither set: the row only informs.
	AtMost, AtLeast float64
	Rounds          int // 21 when 0
	// Each is how often each side runs in one round; 1 when 0. Take so many
	// that a round lasts a few milliseconds.
	Each int
}

// Cost reports how much processor time subject takes, in those of base. Both
// run in this process alone.
func (r Row) Cost(b *testing.B, subject, base func()) { r.run(b, subject, base, Cost) }

// Speed reports how many times as often subject gets done in the time of base.
func (r Row) Speed(b *testing.B, subject, base func()) { r.run(b, subject, base, Speed) }

func (r Row) run(b *testing.B, subject, base func(), measure func(rounds, each int, subject, base func()) Measured) {
	b.Run(r.Name, func(b *testing.B) {
		m := measure(cmp.Or(r.Rounds, 21), cmp.Or(r.Each, 1), subject, base)
		b.ReportMetric(0, "ns/op") // of the whole: tells nothing
		b.ReportMetric(m.Ratio, UnitRatio)
		b.ReportMetric(float64(m.Subject.Nanoseconds()), UnitSubject)
		b.ReportMetric(float64(m.Base.Nanoseconds()), UnitBase)
		r.goal(b)
	})
}

// Amount reports a number with its unit, such as "KB", against the goal. It
// does not depend on the machine's speed and needs no base.
func (r Row) Amount(b *testing.B, unit string, value float64) {
	b.Run(r.Name, func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(value, unit)
		r.goal(b)
	})
}

func (r Row) goal(b *testing.B) {
	if r.AtMost > 0 {
		b.ReportMetric(r.AtMost, UnitAtMost)
	}
	if r.AtLeast > 0 {
		b.ReportMetric(r.AtLeast, UnitAtLeast)
	}
}

// Measured is the medians of several rounds.
type Measured struct {
	Ratio         float64
	Subject, Base time.Duration // of one run
}

// Cost measures what [Row.Cost] reports. Subject and base run each times in each
// round.
func Cost(rounds, each int, subject, base func()) Measured {
	spent := processor
	if _, ok := cpu(); !ok {
		spent = wall
	}
	return turns(rounds, each, subject, base, spent, func(s, o time.Duration) float64 { return float64(s) / float64(o) })
}

// Speed measures what [Row.Speed] reports.
func Speed(rounds, each int, subject, base func()) Measured {
	return turns(rounds, each, subject, base, wall, func(s, o time.Duration) float64 { return float64(o) / float64(s) })
}

// spent measures n runs of f.
type spent func(n int, f func()) time.Duration

func turns(rounds, each int, subject, base func(), spent spent, of func(s, o time.Duration) float64) Measured {
	subject() // caches warm, pools filled
	base()
	var ratios []float64
	var ss, bs []time.Duration
	for i := range rounds {
		var s, o time.Duration
		// Who goes first alternates: neither always pays for the other's garbage.
		if i%2 == 0 {
			s, o = spent(each, subject), spent(each, base)
		} else {
			o, s = spent(each, base), spent(each, subject)
		}
		ratios, ss, bs = append(ratios, of(s, o)), append(ss, s), append(bs, o)
	}
	return Measured{median(ratios), median(ss) / time.Duration(each), median(bs) / time.Duration(each)}
}

func wall(n int, f func()) time.Duration {
	at := time.Now()
	for range n {
		f()
	}
	return time.Since(at)
}

func processor(n int, f func()) time.Duration {
	began, _ := cpu() // was asked before whether it answers
	for range n {
		f()
	}
	ended, _ := cpu()
	return ended - began
}

// Allocated returns how many bytes one run of f allocates.
func Allocated(runs int, f func()) float64 {
	f()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / float64(runs)
}

func median[T int64 | float64 | time.Duration](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}
