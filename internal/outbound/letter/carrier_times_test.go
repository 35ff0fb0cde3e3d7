package letter

import (
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// TestTheCarrierThatHasALetterSaysItsDays: the road says them while nobody has
// it, and anew once it came back.
func TestTheCarrierThatHasALetterSaysItsDays(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, calendar.Zone())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	// By the print house until 15:00, posted the next day, there on the third; by
	// KombiPost until 10:00, posted on the second, there on the fifth.
	tenant := post.Tenant{PaperBy: post.KombiPost, Times: post.LetterTimes{Produce: 1, Paper: 3, Cutoff: "15:00",
		KombiPost: post.PaperTimes{Produce: 2, Paper: 5, Cutoff: "10:00"}}}
	sent := at("2026-11-23 11:00") // a Monday; Thursday for the one, the next Tuesday for the other
	for _, c := range []struct {
		why    string
		v      View
		post   post.Day
		timing Timing
	}{
		{"KombiPost has it", View{State: post.LetterPrinting, Channel: post.Physical, SentAt: sent, Carrier: post.KombiPost}, "2026-11-26", TimingLate},
		{"the print house has it, from before the road went by KombiPost", View{State: post.LetterPrinting, Channel: post.Physical, SentAt: sent, Carrier: post.PrintHouse}, "2026-11-24", TimingSent},
		{"the print house does not have it, and alone may", View{State: post.LetterNotTaken, Channel: post.Physical, SentAt: sent, Carrier: post.PrintHouse}, "2026-11-24", TimingOpen},
		{"nobody has it: the road", View{State: post.LetterRouted, Channel: post.Physical}, "2026-11-26", TimingLate},
		{"it came back from the print house and goes by the road next", View{State: post.LetterReturned, Channel: post.Physical, SentAt: sent, Carrier: post.PrintHouse}, "", TimingLate},
		{"KombiPost has it digitally: no rule of paper", View{State: post.LetterHandedOver, Channel: post.Digital, SentAt: sent, Carrier: post.KombiPost}, "", TimingSent},
		{"Digital Post refused it: the road", View{State: post.LetterRefused, Channel: post.Digital, SentAt: sent, Carrier: post.DigitalPost}, "", TimingLate},
	} {
		c.v.Tenant, c.v.Arrive = "engdal", "2026-11-27"
		d := Desk{Config: Config{Records: oneLetter{v: c.v}, Now: func() time.Time { return sent }}, tenants: map[post.TenantID]post.Tenant{"engdal": tenant}}
		got, err := d.Show(t.Context(), "engdal", "l")
		if err != nil || got.Posting != c.post || got.Timing != c.timing {
			t.Errorf("%s: posted on %q, %q; want %q, %q (%v)", c.why, got.Posting, got.Timing, c.post, c.timing, err)
		}
	}
}
