package letter_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

func TestWhatIsLateIsWhatSomebodyShouldLookAt(t *testing.T) {
	now := at("2026-11-25 13:00") // a Wednesday
	d := &letter.Desk{Config: letter.Config{Now: func() time.Time { return now }}}
	for _, c := range []struct {
		name    string
		state   post.LetterState
		channel post.Channel
		since   string
		arrive  post.Day
		want    bool
	}{
		{"waits since this morning", post.LetterNeedsPerson, "", "2026-11-25 08:00", "", false},
		{"waits since Monday", post.LetterNeedsPerson, "", "2026-11-23 08:00", "", true},
		{"came back on Monday", post.LetterReturned, post.Physical, "2026-11-23 08:00", "", true},
		{"Digital Post has been silent for an hour", post.LetterHandedOver, post.Digital, "2026-11-25 12:00", "", false},
		{"Digital Post has been silent for two days", post.LetterHandedOver, post.Digital, "2026-11-23 12:00", "", true},
		{"paper takes two days", post.LetterHandedOver, post.Physical, "2026-11-23 12:00", "", false},
		{"paper has been silent for a month", post.LetterPosted, post.Physical, "2026-10-23 12:00", "", true},
		{"delivered long ago", post.LetterDelivered, post.Digital, "2026-10-23 12:00", "", false},
		{"its day is over", post.LetterAwaitingLookup, "", "2026-11-25 12:00", "2026-11-24", true},
		{"its day is far", post.LetterAwaitingLookup, "", "2026-11-25 12:00", "2027-01-24", false},
		{"tried again since this morning", post.LetterNotTaken, post.Digital, "2026-11-25 08:00", "", false},
		{"tried again for more than a day", post.LetterNotTaken, post.Digital, "2026-11-24 12:00", "", true},
		{"its carrier has rested for more than a day", post.LetterRouted, post.Digital, "2026-11-24 12:00", "", true},
		{"not signed for more than a day", post.LetterReady, "", "2026-11-24 12:00", "", true},
		{"accepted, and nobody began", post.LetterAccepted, "", "2026-11-24 12:00", "", true},
		{"held for its date", post.LetterHeld, "", "2026-10-24 12:00", "", false},
	} {
		v := letter.View{State: c.state, Channel: c.channel, Since: at(c.since), SentAt: at(c.since), Arrive: c.arrive}
		if got := d.Late(v); got != c.want {
			t.Errorf("%s: late is %v", c.name, got)
		}
	}
	long, just := at("2026-11-20 08:00"), at("2026-11-25 12:59")
	for _, c := range []struct {
		name string
		v    letter.View
		want bool
	}{
		{"tried a minute ago, as for days", letter.View{State: post.LetterNotTaken, Since: just, SentAt: long}, true},
		{"unclear a minute ago, as for days", letter.View{State: post.LetterOutcomeUnknown, Since: just, SentAt: long}, true},
		{"on the wire, as for days", letter.View{State: post.LetterHandingOver, Since: just, SentAt: long}, true},
		{"the second hand-over was decided just now", letter.View{State: post.LetterNotTaken, Since: just, SentAt: just, AcceptedAt: long}, false},
		{"its channel is paused", letter.View{State: post.LetterRouted, Since: long, Code: letter.CodePaused}, false},
		{"its batch is paused", letter.View{State: post.LetterReady, Since: long, Code: letter.CodeHeld}, false},
		{"its carrier rests", letter.View{State: post.LetterRouted, Since: long, Code: "carrier-resting"}, true},
		{"a line of a batch that nobody approved", letter.View{State: post.LetterAccepted, Since: long, Batch: "b"}, false},
		{"may go since a minute", letter.View{State: post.LetterReady, Since: long, NotBefore: just}, false},
	} {
		if got := d.Late(c.v); got != c.want {
			t.Errorf("%s: late is %v", c.name, got)
		}
	}
}

// many is n letters, of which every tenth is late.
type many struct {
	letter.Records
	n     int
	asked int
}

func (m *many) LetterList(_ context.Context, f letter.Filter) ([]letter.View, error) {
	m.asked++
	var all []letter.View
	for i := range m.n {
		id := post.LetterID(fmt.Sprintf("%08d", i))
		if id <= f.After || len(all) == f.Limit {
			continue
		}
		v := letter.View{ID: id, State: post.LetterHandedOver, Channel: post.Digital, Since: time.Now()}
		if i%10 == 0 {
			v.Since = time.Now().Add(-72 * time.Hour)
		}
		all = append(all, v)
	}
	return all, nil
}

func TestLateLettersAreFoundOnEveryPageAndOnceEach(t *testing.T) {
	m := &many{n: 30_001}
	d := &letter.Desk{Config: letter.Config{Records: m, Now: time.Now}}
	seen := map[post.LetterID]bool{}
	f := letter.Filter{Limit: 700}
	for calls := 1; ; calls++ {
		page, next, err := d.ListLate(t.Context(), f)
		if err != nil || len(page) > 700 || calls > 20 {
			t.Fatalf("call %d: %d letters, %v", calls, len(page), err)
		}
		for _, v := range page {
			if seen[v.ID] {
				t.Fatalf("%s comes twice", v.ID)
			}
			seen[v.ID] = true
		}
		if f.After = next; next == "" {
			break
		}
	}
	if len(seen) != 3001 {
		t.Errorf("%d late letters, want 3001", len(seen))
	}
}
