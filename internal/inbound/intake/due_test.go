package intake_test

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/post"
)

func TestDue(t *testing.T) {
	tests := []struct {
		name     string
		road     post.Road
		kind     post.InquiryKind
		accepted string // UTC
		want     string // UTC
	}{
		{"a last day on a Saturday moves to Monday", post.ToDPO, post.Access, "2026-09-10T08:00:00Z", "2026-10-12T21:59:59Z"},
		{"a working day stays", post.ToDPO, post.Access, "2026-11-22T13:30:00Z", "2026-12-22T22:59:59Z"},
		{"a month without that date ends on its last day", post.ToDPO, post.Erasure, "2027-03-31T10:00:00Z", "2027-04-30T21:59:59Z"},
		{"January 30 ends with February", post.ToDPO, post.Erasure, "2028-01-30T10:00:00Z", "2028-02-29T22:59:59Z"},
		{"the day is the Danish one", post.ToDPO, post.Access, "2026-11-22T23:30:00Z", "2026-12-23T22:59:59Z"},
		{"over the change to summer time", post.ToDPO, post.Access, "2027-03-02T10:00:00Z", "2027-04-02T21:59:59Z"},
		{"Christmas and the weekend after are skipped", post.ToDPO, post.Question, "2026-11-25T10:00:00Z", "2026-12-28T22:59:59Z"},
		{"New Year's Day is skipped", post.ToDPO, post.Question, "2026-12-01T10:00:00Z", "2027-01-04T22:59:59Z"},
		{"Easter is skipped whole", post.ToDPO, post.Access, "2027-02-25T10:00:00Z", "2027-03-30T21:59:59Z"},
		{"Ascension Day is skipped", post.ToDPO, post.Access, "2027-04-06T10:00:00Z", "2027-05-07T21:59:59Z"},
		{"Whit Monday is skipped", post.ToDPO, post.Access, "2027-04-17T10:00:00Z", "2027-05-18T21:59:59Z"},
		{"a breach has 72 hours, holidays or not", post.ToDPO, post.Breach, "2026-12-24T15:00:00Z", "2026-12-27T15:00:00Z"},
		{"no legal time runs on the Digital Post road", post.ToDigitalPost, post.Mail, "2026-11-22T10:00:00Z", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			accepted, err := time.Parse(time.RFC3339, test.accepted)
			if err != nil {
				t.Fatal(err)
			}
			got := intake.Due(test.road, test.kind, accepted)
			text := ""
			if !got.IsZero() {
				text = got.Format(time.RFC3339)
			}
			if text != test.want {
				t.Errorf("got %s, want %s", text, test.want)
			}
		})
	}
}

func TestHolidays(t *testing.T) {
	// Dates of the Danish calendar, looked up by year.
	holidays := map[int][]string{
		2025: {"01-01", "04-17", "04-18", "04-20", "04-21", "05-29", "06-08", "06-09", "12-25", "12-26"},
		2026: {"01-01", "04-02", "04-03", "04-05", "04-06", "05-14", "05-24", "05-25", "12-25", "12-26"},
		2027: {"01-01", "03-25", "03-26", "03-28", "03-29", "05-06", "05-16", "05-17", "12-25", "12-26"},
		2038: {"01-01", "04-22", "04-23", "04-25", "04-26", "06-03", "06-13", "06-14", "12-25", "12-26"}, // latest Easter
	}
	for year, want := range holidays {
		var got []string
		for day := time.Date(year, 1, 1, 12, 0, 0, 0, intake.Copenhagen()); day.Year() == year; day = day.AddDate(0, 0, 1) {
			if intake.Holiday(day) {
				got = append(got, day.Format("01-02"))
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d: got %v, want %v", year, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%d: got %v, want %v", year, got, want)
				break
			}
		}
	}
}
