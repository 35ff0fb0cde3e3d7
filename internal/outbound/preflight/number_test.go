package preflight_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/outbound/preflight/preflighttest"
	"sikkerpost.dk/gateway/internal/post"
)

// at is a word of 3 mm type whose digits are 2 mm wide.
func at(left float64, text string) preflight.Word { return word(text, left, 70) }

// large is a word of 8 mm type whose digits are 3 mm wide.
func large(left float64, text string) preflight.Word {
	return preflight.Word{Text: text, Left: left, Top: 70, Right: left + 3*float64(len(text)), Bottom: 78}
}

// TestOnlyWhatCanBeACPRNumberIsRefusedInTheWindow has the numbers that people
// write there. Those that can be one are replacement numbers, or of somebody who
// would be older than anybody alive.
func TestOnlyWhatCanBeACPRNumberIsRefusedInTheWindow(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	old := "1112" + "58" // 11 December 1858, by the digit that follows
	for _, c := range []struct {
		why   string
		words []preflight.Word
		can   bool
	}{
		{"as it is written", []preflight.Word{at(30, "710452-1145")}, true},
		{"ten digits in a row", []preflight.Word{at(30, "7104521145")}, true},
		{"with a space", []preflight.Word{at(30, "710452"), at(44, "1145")}, true},
		{"with a dash between spaces", []preflight.Word{at(30, "710452"), at(44, "-"), at(48, "1145")}, true},
		{"with a hyphen that does not break", []preflight.Word{at(30, "710452\u20111145")}, true},
		{"with a space that does not break", []preflight.Word{at(30, "710452\u00a01145")}, true},
		{"with a full stop", []preflight.Word{at(30, "710452.1145")}, true},
		{"after its word", []preflight.Word{at(30, "CPR:710452-1145,")}, true},
		{"as the beginning of a case number", []preflight.Word{at(30, "710452-1145-03")}, true},
		{"after a number that cannot be one", []preflight.Word{at(30, "991399-1234"), at(54, "710452-1145")}, true},
		{"without modulus 11", []preflight.Word{at(30, "610160-1111")}, true},
		{"of 29 February of a leap year", []preflight.Word{at(30, "890296-1234")}, true},
		{"of somebody born long ago", []preflight.Word{at(30, old+"-5123")}, true},
		{"made for somebody born today", []preflight.Word{at(30, "831126-5123")}, true},
		{"in type so large that its gaps are columns of small type", []preflight.Word{large(30, "710452"), large(60, "1145")}, true},

		{"a telephone number", []preflight.Word{at(30, "72"), at(36, "25"), at(42, "30"), at(48, "00")}, false},
		{"a telephone number with the country's", []preflight.Word{at(30, "+45"), at(38, "72253000")}, false},
		{"the same in one", []preflight.Word{at(30, "4572253000")}, false},
		{"a case number with another month", []preflight.Word{at(30, "712352-1145")}, false},
		{"a case number with another day", []preflight.Word{at(30, "320452-1145")}, false},
		{"a day between the real and the replaced ones", []preflight.Word{at(30, "600452-1145")}, false},
		{"31 April", []preflight.Word{at(30, "910452-1145")}, false},
		{"29 February of another year", []preflight.Word{at(30, "890295-1234")}, false},
		{"29 February 1900", []preflight.Word{at(30, "890200-1234")}, false},
		{"a day that has not come", []preflight.Word{at(30, "851126-5123")}, false},
		{"2030", []preflight.Word{at(30, "610130-4123")}, false},
		{"a case number and, in another column, a postal code", []preflight.Word{at(30, "240123"), at(90, "2690"), at(99, "Engdal")}, false},
		{"a case number, a comma and a postal code", []preflight.Word{at(30, "240123,"), at(46, "2690"), at(56, "Engdal")}, false},
		{"a case number and words between", []preflight.Word{at(30, "240123"), at(44, "i"), at(48, "2690")}, false},
		{"eleven digits", []preflight.Word{at(30, "71045211455")}, false},
		{"a number with five digits behind", []preflight.Word{at(30, "710452-11455")}, false},
		{"an EAN number", []preflight.Word{at(30, "5798710452114")}, false},
		{"a CVR number", []preflight.Word{at(30, "11223491")}, false},
		{"a date and a year", []preflight.Word{at(30, "24.11.2026")}, false},
		{"a year and a case", []preflight.Word{at(30, "2026-710452")}, false},
		{"further down", []preflight.Word{word("710452-1145", 30, 95)}, false},
		{"further to the right", []preflight.Word{word("710452-1145", 120, 70)}, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			white := preflight.Picture{Width: 595, Height: 842, Gray: bytes.Repeat([]byte{255}, 595*842)}
			k, err := preflight.New(preflight.Config{Rules: map[post.TenantID]preflight.Rules{tenant: {Render: true, Window: preflight.Overprint}},
				Eyes: &seen{picture: white, words: c.words}, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			_, err = k.One(context.Background(), tenant, preflight.Document{Content: preflighttest.Letter(1).Bytes()}, true)
			if errors.Is(err, post.FaultPaperCPR) != c.can || err != nil && !c.can {
				t.Fatalf("got %v", err)
			}
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("refused", slog.Any("error", err))
			for _, w := range c.words {
				if err != nil && strings.ContainsAny(w.Text, "0123456789") && strings.Contains(log.String(), w.Text) {
					t.Errorf("the log quotes the page: %s", log.String())
				}
			}
		})
	}
}
