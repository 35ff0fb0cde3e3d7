package post_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sikkerpost.dk/gateway/internal/post"
)

var channels = []post.Channel{"", post.Digital, post.Physical}

// next lists every state that may follow s on any channel.
func next(s post.LetterState, on ...post.Channel) (out []post.LetterState) {
	for _, n := range post.LetterStates() {
		if slices.ContainsFunc(on, func(c post.Channel) bool { return s.May(n, c) }) {
			out = append(out, n)
		}
	}
	return out
}

func TestEveryLetterStateIsReachable(t *testing.T) {
	seen := map[post.LetterState]bool{post.LetterAccepted: true}
	for todo := []post.LetterState{post.LetterAccepted}; len(todo) > 0; todo = todo[1:] {
		for _, n := range next(todo[0], channels...) {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	for _, s := range post.LetterStates() {
		if !seen[s] {
			t.Errorf("nothing leads to %s", s)
		}
	}
}

func TestEveryLetterStateHasAWayToItsEnd(t *testing.T) {
	for _, s := range post.LetterStates() {
		seen, todo, ends := map[post.LetterState]bool{s: true}, []post.LetterState{s}, false
		for ; len(todo) > 0 && !ends; todo = todo[1:] {
			ends = todo[0].Final()
			for _, n := range next(todo[0], channels...) {
				if !seen[n] {
					seen[n] = true
					todo = append(todo, n)
				}
			}
		}
		if !ends {
			t.Errorf("a letter that is %s never ends", s)
		}
	}
}

func TestNoRoadLeadsOutOfAFinalStateButTheDocumentedOnes(t *testing.T) {
	allowed := map[post.LetterState][]post.LetterState{
		post.LetterPresumed: {post.LetterProven, post.LetterReturned}, // a later return re-opens it
	}
	for _, s := range post.LetterStates() {
		if !s.Final() {
			continue
		}
		for _, n := range next(s, channels...) {
			if n != post.LetterPurged && !slices.Contains(allowed[s], n) {
				t.Errorf("%s is final, yet leads to %s", s, n)
			}
		}
	}
	if out := next(post.LetterPurged, channels...); len(out) > 0 {
		t.Errorf("purged leads to %v", out)
	}
}

func TestStateTableKeepsTheRulesOfTheRoad(t *testing.T) {
	for _, tt := range []struct {
		rule     string
		from, to post.LetterState
		channel  post.Channel
		may      bool
	}{
		{"an unknown outcome is never re-routed", post.LetterOutcomeUnknown, post.LetterRouted, post.Digital, false},
		{"an unknown outcome may be asked again with the same ids", post.LetterOutcomeUnknown, post.LetterHandingOver, post.Digital, true},
		{"paper only after a definite refusal", post.LetterHandedOver, post.LetterRouted, post.Digital, false},
		{"a definite refusal re-routes", post.LetterRefused, post.LetterRouted, post.Digital, true},
		{"a print house does not refuse recipients", post.LetterHandedOver, post.LetterRefused, post.Physical, false},
		{"a hand-over is not a delivery", post.LetterHandingOver, post.LetterDelivered, post.Digital, false},
		{"delivered is a digital word", post.LetterHandedOver, post.LetterDelivered, post.Physical, false},
		{"posted is a word of paper", post.LetterHandedOver, post.LetterPosted, post.Digital, false},
		{"signing is not skipped", post.LetterReady, post.LetterAwaitingLookup, "", false},
		{"no canceling once bytes are on the wire", post.LetterHandingOver, post.LetterCancelled, post.Digital, false},
		{"after hand-over a letter is recalled, not cancelled", post.LetterHandedOver, post.LetterCancelled, post.Digital, false},
		{"a held letter is not signed", post.LetterHeld, post.LetterSigned, "", false},
	} {
		if got := tt.from.May(tt.to, tt.channel); got != tt.may {
			t.Errorf("%s: %s → %s on %q is %v", tt.rule, tt.from, tt.to, tt.channel, got)
		}
	}
}

// A letter walks at random; what must hold on every road is checked at every step.
func TestRandomLettersObeyTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state, channel := post.LetterAccepted, post.Channel("")
		signed, handed, carrierSpoke := false, false, true
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			options := next(state, channel)
			if state == post.LetterNeedsPerson && !signed { // the table cannot know; letter.Judge does
				options = slices.DeleteFunc(options, func(to post.LetterState) bool { return to == post.LetterRouted })
			}
			if len(options) == 0 {
				if !state.Final() {
					t.Fatalf("%s on %q is a dead end", state, channel)
				}
				return
			}
			to := rapid.SampledFrom(options).Draw(t, "to")
			switch to {
			case post.LetterSigned:
				signed = true
			case post.LetterRouted:
				if !signed {
					t.Fatalf("routed from %s before it was signed", state)
				}
				if state == post.LetterHandingOver || state == post.LetterOutcomeUnknown {
					t.Fatalf("re-routed while the outcome was open, from %s", state)
				}
				channel = rapid.SampledFrom(channels[1:]).Draw(t, "channel")
			case post.LetterHandingOver:
				if channel == "" {
					t.Fatal("handed over without a channel")
				}
				handed, carrierSpoke = true, false
			case post.LetterHandedOver, post.LetterRefused, post.LetterNotTaken:
				carrierSpoke = true
			case post.LetterDelivered, post.LetterProven, post.LetterPosted, post.LetterPresumed:
				if !handed || !carrierSpoke {
					t.Fatalf("%s without a word from the carrier", to)
				}
			}
			if to == post.LetterDelivered && channel != post.Digital || to == post.LetterPosted && channel != post.Physical {
				t.Fatalf("%s on %s", to, channel)
			}
			state = to
		}
	})
}

func TestInquiryStates(t *testing.T) {
	all := []post.InquiryState{post.InquiryWaiting, post.InquiryLeased, post.InquiryAcknowledged, post.InquiryRejected,
		post.InquiryAnswered, post.InquiryForwarding, post.InquiryForwarded, post.InquiryClosed, post.InquiryPurged}
	starts := []post.InquiryState{post.InquiryWaiting, post.InquiryForwarding} // one for each road
	seen := map[post.InquiryState]bool{starts[0]: true, starts[1]: true}
	for todo := starts; len(todo) > 0; todo = todo[1:] {
		for _, n := range all {
			if todo[0].May(n) && !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	for _, s := range all {
		if !seen[s] {
			t.Errorf("nothing leads to %s", s)
		}
		if s != post.InquiryPurged && !slices.ContainsFunc(all, s.May) {
			t.Errorf("%s is a dead end", s)
		}
		if s != post.InquiryClosed && s.May(post.InquiryPurged) {
			t.Errorf("%s is purged before it is closed", s)
		}
		if post.InquiryPurged.May(s) {
			t.Errorf("purged leads to %s", s)
		}
	}
	if post.InquiryWaiting.May(post.InquiryAcknowledged) {
		t.Error("an inquiry is acknowledged without a lease")
	}
}
