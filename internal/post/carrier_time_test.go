package post_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

func TestACarriersTimeIsBelievedAsFarAsItCanBeTrue(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	from := now.Add(-72 * time.Hour)
	for what, c := range map[string]struct {
		at, from, want time.Time
		odd            bool
	}{
		"an hour ago":                      {now.Add(-time.Hour), from, now.Add(-time.Hour), false},
		"a minute ahead":                   {now.Add(time.Minute), from, now.Add(time.Minute), false},
		"an hour ahead":                    {now.Add(time.Hour), from, now.Add(time.Hour), true},
		"a day ahead":                      {now.Add(24 * time.Hour), from, now.Add(24 * time.Hour), true},
		"a year ahead":                     {now.AddDate(1, 0, 0), from, now, true},
		"midnight of the day of hand-over": {from.Add(-12 * time.Hour), from, from.Add(-12 * time.Hour), false},
		"a year before its hand-over":      {from.AddDate(-1, 0, 0), from, from, true},
		"long ago, of an unknown one":      {from.AddDate(-1, 0, 0), time.Time{}, from.AddDate(-1, 0, 0), false},
	} {
		if got, odd := post.CarrierTime(c.at, c.from, now); !got.Equal(c.want) || odd != c.odd {
			t.Errorf("%s: %s, odd %v", what, got, odd)
		}
	}
}
