package letter

import (
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

func TestAPersonIsToldWhatTheLetterAsksForAndIsOfferedNothingThatIsRefused(t *testing.T) {
	signed := time.Now()
	events := func(states ...post.LetterState) (all []Event) {
		for _, s := range states {
			all = append(all, Event{Kind: "letter." + string(s)})
		}
		return all
	}
	for name, c := range map[string]struct {
		v      View
		as     Case // as the store knows it
		offers string
		says   string
	}{
		"no address": {View{Code: "no-address", Channel: post.Physical, Generation: 1, SignedAt: signed},
			Case{Channel: post.Physical, Generation: 1, Signed: true}, "retry, cancel or close", "no postal address"},
		"an unsure look-up": {View{Code: "lookup-unsure", SignedAt: signed}, Case{Signed: true}, "retry, print, cancel or close", "print decides for paper"},
		"never signed":      {View{Code: "step-failed"}, Case{}, "retry, cancel or close", "dispatcher's log"},
		"no clear answer": {View{Code: "outcome-unknown: timeout", Channel: post.Digital, Generation: 1, SignedAt: signed,
			Events: events(post.LetterHandingOver, post.LetterOutcomeUnknown)},
			Case{Channel: post.Digital, Generation: 1, Signed: true, Unsure: true}, "retry or close", "postctl letter trace"},
		"refused after it was taken in doubt": {View{Code: "memo.invalid", Channel: post.Digital, Generation: 1, SignedAt: signed,
			Events: events(post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterHandedOver)},
			Case{Channel: post.Digital, Generation: 1, Signed: true, Spent: true}, "retry, print, cancel or close", ""},
		"refused after an attempt in doubt": {View{Code: "refused-content", Channel: post.Digital, Generation: 1, SignedAt: signed,
			Events: events(post.LetterHandingOver, post.LetterOutcomeUnknown, post.LetterRefused)},
			Case{Channel: post.Digital, Generation: 1, Signed: true, Spent: true}, "retry, print, cancel or close", "for good"},
		"its batch was stopped": {View{Code: "batch-stopped: timeout", Channel: post.Digital, Generation: 1, SignedAt: signed,
			Events: events(post.LetterHandingOver, post.LetterOutcomeUnknown)},
			Case{Channel: post.Digital, Generation: 1, Signed: true, Unsure: true, Stopped: true}, "close", "was stopped"},
	} {
		c.v.State, c.as.State = post.LetterNeedsPerson, post.LetterNeedsPerson
		got := next(c.v)
		offer, says, _ := strings.Cut(strings.TrimPrefix(got, "somebody decides: "), ". ")
		if offer != c.offers || !strings.Contains(says, c.says) {
			t.Errorf("%s: %q, want %q and %q", name, got, c.offers, c.says)
		}
		for _, d := range []Decision{Retry, Print, Cancel, Close} {
			_, err := Judge(d, c.as)
			if offered := strings.Contains(" "+strings.ReplaceAll(offer, ",", " ")+" ", " "+string(d)+" "); offered != (err == nil) {
				t.Errorf("%s: %s is offered: %v; the rules say %v", name, d, offered, err)
			}
		}
	}
}

func TestAdvice(t *testing.T) {
	for code, says := range advices {
		if strings.Contains(code, ":") || says == "" || strings.HasSuffix(says, ".") {
			t.Errorf("%q: %q", code, says)
		}
	}
	if Advice("refused-by-rule: POST-2003") == "" || Advice("their.own.word") != "" || Advice("") != "" {
		t.Error("a code is read wrongly")
	}
}

// A letter whose signer a dispatcher does not know waits, and says for what; once it has
// come to a person, or its road has ended, it is as any other.
func TestALetterWhoseSignerIsNotKnownSaysWhatToName(t *testing.T) {
	for state, waits := range map[post.LetterState]bool{post.LetterRouted: true, post.LetterOutcomeUnknown: true, post.LetterNeedsPerson: false, post.LetterCancelled: false} {
		got := next(View{State: state, Code: "signer-unknown"})
		if strings.Contains(got, "goes on by itself") != waits {
			t.Errorf("%s: %s", state, got)
		}
		if state == post.LetterNeedsPerson && !strings.Contains(got, "other_letter_cert_file") {
			t.Errorf("%s: %s", state, got)
		}
	}
}
