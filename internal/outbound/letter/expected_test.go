package letter

import (
	"context"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// oneLetter is a store of one letter; nothing but its view is asked for.
type oneLetter struct {
	Records
	v View
}

func (o oneLetter) LetterView(context.Context, post.TenantID, post.LetterID) (View, error) {
	return o.v, nil
}

func TestALetterOnPaperSaysWhenItIsPosted(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, calendar.Zone())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	sent := at("2026-11-23 14:59") // the cut-off is 15:00, and it is posted a day later
	again := []Event{{Kind: "letter.handing-over", At: sent}, {Kind: "letter.not-taken", At: sent}, {Kind: "letter.handing-over", At: at("2026-11-24 15:01")}, {Kind: "letter.handed-over", At: at("2026-11-24 15:02")}}
	for _, c := range []struct {
		why  string
		v    View
		want post.Day
	}{
		{"it has the paper channel: as if it went now", View{State: post.LetterRouted, Channel: post.Physical}, "2026-11-30"},
		{"the print house certainly has nothing: as if it went now", View{State: post.LetterNotTaken, Channel: post.Physical, SentAt: sent}, "2026-11-30"},
		{"on the wire", View{State: post.LetterHandingOver, Channel: post.Physical, SentAt: sent}, "2026-11-24"},
		{"perhaps taken", View{State: post.LetterOutcomeUnknown, Channel: post.Physical, SentAt: sent}, "2026-11-24"},
		{"taken", View{State: post.LetterHandedOver, Channel: post.Physical, SentAt: sent}, "2026-11-24"},
		{"taken at a later attempt, after the cut-off", View{State: post.LetterHandedOver, Channel: post.Physical, SentAt: sent, Events: again}, "2026-11-26"},
		{"in print", View{State: post.LetterPrinting, Channel: post.Physical, SentAt: sent}, "2026-11-24"},
		{"posted already", View{State: post.LetterPosted, Channel: post.Physical, SentAt: sent}, ""},
		{"came back", View{State: post.LetterReturned, Channel: post.Physical, SentAt: sent}, ""},
		{"somebody decides first", View{State: post.LetterNeedsPerson, Channel: post.Physical}, ""},
		{"canceled", View{State: post.LetterCancelled, Channel: post.Physical}, ""},
		{"in Digital Post", View{State: post.LetterHandedOver, Channel: post.Digital, SentAt: sent}, ""},
		{"nobody knows its channel", View{State: post.LetterAwaitingLookup}, ""},
	} {
		c.v.Tenant = "engdal"
		d := Desk{Config: Config{Records: oneLetter{v: c.v}, Now: func() time.Time { return at("2026-11-27 14:00") }},
			tenants: map[post.TenantID]post.Tenant{"engdal": {Times: post.LetterTimes{Produce: 1, Cutoff: "15:00"}}}}
		got, err := d.Show(t.Context(), "engdal", "l")
		if err != nil || got.Posting != c.want {
			t.Errorf("%s: posted on %q, want %q (%v)", c.why, got.Posting, c.want, err)
		}
	}
}
