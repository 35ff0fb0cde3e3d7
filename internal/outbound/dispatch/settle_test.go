package dispatch

import (
	"log/slog"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// handingOver returns an advancer of a letter whose hand-over was begun.
func handingOver(ch post.Channel, unsure bool) (*oneLetter, *Advancer, *clock) {
	s, k := &oneLetter{}, &clock{at: time.Unix(1_800_000_000, 0)}
	s.is = Record{ID: "a", Tenant: "engdal", State: post.LetterHandingOver, Version: 3, Released: true, Channel: ch, Generation: 1,
		Intent: &Intent{MessageID: "m", Carrier: post.UsualCarrier(ch), CreatedAt: k.at, Attempts: 1, Unsure: unsure}}
	return s, &Advancer{Config: Config{Store: s, Roads: Straight(map[post.Channel]Channel{ch: struct{ Channel }{}}), LeaseTime: time.Minute, Poison: 8,
		Backoff: 4 * time.Second, Quiet: time.Minute, Overdue: 24 * time.Hour, Resends: 3,
		Log: slog.New(slog.DiscardHandler), Now: k.now, Rand: func(time.Duration) time.Duration { return 0 }}}, k
}

// What a carrier answers, with and without a doubt from before, is what the page on
// the life of a letter says.
func TestWhatACarrierAnswersAndWhatItBecomes(t *testing.T) {
	for _, c := range []struct {
		name    string
		verdict Verdict
		on      post.Channel
		unsure  bool
		becomes post.LetterState
		after   time.Duration // until its next step; 0 for one that somebody else takes
		doubt   bool          // noted with this answer
		spare   bool
	}{
		{"taken", Taken, post.Digital, false, post.LetterHandedOver, 24 * time.Hour, false, false},
		{"taken ends a doubt", Taken, post.Physical, true, post.LetterHandedOver, 24 * time.Hour, false, false},
		{"not taken", NotTaken, post.Digital, false, post.LetterNotTaken, 2 * time.Second, false, true},
		{"not taken now says nothing of before", NotTaken, post.Digital, true, post.LetterOutcomeUnknown, 2 * time.Second, false, false},
		{"a recipient refused", RefusedRecipient, post.Digital, false, post.LetterRefused, time.Nanosecond, false, false},
		{"a recipient refused now says nothing of before", RefusedRecipient, post.Digital, true, post.LetterOutcomeUnknown, time.Minute, false, false},
		{"a recipient refused on paper", RefusedRecipient, post.Physical, false, post.LetterNeedsPerson, 0, false, false},
		{"the same in doubt", RefusedRecipient, post.Physical, true, post.LetterOutcomeUnknown, time.Minute, false, false},
		{"content refused", RefusedContent, post.Digital, false, post.LetterNeedsPerson, 0, false, false},
		{"content refused in doubt", RefusedContent, post.Digital, true, post.LetterNeedsPerson, 0, false, false},
		{"nothing clear", Unknown, post.Digital, false, post.LetterOutcomeUnknown, time.Minute, true, false},
		{"a word that nobody knows", Verdict("gone fishing"), post.Digital, false, post.LetterOutcomeUnknown, time.Minute, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, a, k := handingOver(c.on, c.unsure)
			again, err := a.settle(t.Context(), queue.Lease{ID: "a"}, s.is, Outcome{Verdict: c.verdict}, false)
			if err != nil || len(s.moves) != 1 {
				t.Fatalf("%v, %+v", err, s.moves)
			}
			m := s.moves[0]
			if m.To != c.becomes || m.Unsure != c.doubt || m.Spare != c.spare || m.MessageID != "m" || m.Answer == nil || m.Intent != nil {
				t.Errorf("%+v", m)
			}
			if on := m.To == post.LetterRefused; again != on || m.Free == on {
				t.Errorf("goes on: %t, gives its lease back: %t", again, m.Free)
			}
			wait := m.Due.Sub(k.at)
			switch {
			case c.after == 0 && !m.Due.IsZero(), c.after == time.Nanosecond && wait != 0, c.after > time.Nanosecond && wait != c.after:
				t.Errorf("the next step is due after %s", wait)
			}
		})
	}
}

// A process that died in a hand-over may have sent it all: that doubt is kept with
// the hand-over, so that no later refusal is proof.
func TestABrokenHandOverIsADoubt(t *testing.T) {
	s, a, k := handingOver(post.Digital, false)
	if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if len(s.moves) != 1 {
		t.Fatalf("%+v", s.moves)
	}
	if m := s.moves[0]; m.To != post.LetterOutcomeUnknown || !m.Unsure || m.MessageID != "m" || m.Answer != nil || m.Spare || !m.Free || m.Due.Sub(k.at) < a.Quiet {
		t.Errorf("%+v", m)
	}
}

// What is unclear is sent again as often as is said, then a person is asked, and what
// was spared does not count.
func TestAPersonIsAskedAfterAllRepetitionsAndNotBefore(t *testing.T) {
	for _, c := range []struct {
		attempts, spared int
		asks             bool
	}{{3, 0, false}, {4, 0, true}, {4, 1, false}, {40, 37, false}, {40, 36, true}} {
		s, a, _ := handingOver(post.Digital, true)
		s.is.State, s.is.Intent.Attempts, s.is.Intent.Spared = post.LetterOutcomeUnknown, c.attempts, c.spared
		a.Roads = Straight(map[post.Channel]Channel{post.Physical: struct{ Channel }{}}) // whoever goes on is asked about for another reason
		if err := a.AdvanceLeased(t.Context(), queue.Lease{ID: "a"}); err != nil {
			t.Fatal(err)
		}
		if len(s.moves) != 1 || s.moves[0].To != post.LetterNeedsPerson || (code("outcome-unknown", "") == s.moves[0].Code) != c.asks {
			t.Errorf("%d attempts, %d of them spared: %+v", c.attempts, c.spared, s.moves)
		}
	}
}
