package letter_test

import (
	"errors"
	"strings"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// A refusal names the way out, and that way is open: for each state, channel and
// doubt, of a letter whose batch runs and of one whose batch was stopped.
func TestARefusalNamesTheDecisionsThatAreOpenAndNoOther(t *testing.T) {
	all := []letter.Decision{letter.Retry, letter.Print, letter.Reissue, letter.Cancel, letter.Close}
	for _, state := range post.LetterStates() {
		for _, channel := range []post.Channel{"", post.Digital, post.Physical} {
			for bits := range 16 {
				c := letter.Case{State: state, Channel: channel, Generation: 1, Signed: bits&1 > 0, Stopped: bits&2 > 0, Taken: bits&4 > 0, Unsure: bits&8 > 0}
				open := map[letter.Decision]bool{}
				for _, d := range all {
					_, err := letter.Judge(d, c)
					open[d] = err == nil
				}
				for _, d := range all {
					_, err := letter.Judge(d, c)
					if err == nil {
						if c.Stopped && d != letter.Cancel && d != letter.Close {
							t.Fatalf("%+v: %s sends a letter of a stopped batch", c, d)
						}
						continue
					}
					checkRefusal(t, c, d, err, open)
				}
			}
		}
	}
}

func checkRefusal(t *testing.T, c letter.Case, d letter.Decision, err error, open map[letter.Decision]bool) {
	t.Helper()
	var at *post.Refusal
	if !errors.As(err, &at) {
		t.Fatalf("%+v, %s: %v says nothing of what is open", c, d, err)
	}
	words := strings.FieldsFunc(at.Detail, func(r rune) bool { return strings.ContainsRune(" ,:;", r) })
	any := false
	for o, is := range open {
		any = any || is
		named := false
		for _, w := range words[1:] {
			named = named || w == string(o)
		}
		if named != is {
			t.Errorf("%+v, %s: %q; %s is open: %v", c, d, at.Detail, o, is)
		}
	}
	if words[0] != string(c.State) || !any && !strings.Contains(at.Detail, "nothing") {
		t.Errorf("%+v, %s: %q", c, d, at.Detail)
	}
	if errors.Is(err, post.FaultBatchStopped) && !any {
		t.Errorf("%+v, %s: that the batch was stopped is not why: %v", c, d, err)
	}
}

func TestADeliveredLetterOfAStoppedBatchIsNotSaidToBeClosed(t *testing.T) {
	_, err := letter.Judge(letter.Retry, letter.Case{State: post.LetterDelivered, Channel: post.Digital, Generation: 1, Signed: true, Stopped: true, Taken: true})
	if !errors.Is(err, post.FaultLetterState) || !strings.Contains(err.Error(), "delivered: its road has ended") {
		t.Error(err)
	}
}

// What is sent once more goes under ids of its own exactly when the present ones
// would do nothing: the letter came back, or its carrier took it and then refused it.
func TestADecisionRaisesTheGenerationOnlyWhenTheIDsAreSpent(t *testing.T) {
	for name, c := range map[string]struct {
		decision letter.Decision
		is       letter.Case
		want     letter.Ruling
	}{
		"one that came back": {letter.Reissue, letter.Case{State: post.LetterReturned, Channel: post.Physical, Generation: 2, Signed: true},
			letter.Ruling{To: post.LetterRouted, Channel: post.Physical, Generation: 3}},
		"one that was never clearly taken": {letter.Retry, letter.Case{State: post.LetterNeedsPerson, Channel: post.Digital, Generation: 1, Signed: true, Unsure: true},
			letter.Ruling{To: post.LetterRouted, Channel: post.Digital, Generation: 1}},
		"one whose ids its carrier has used up": {letter.Retry, letter.Case{State: post.LetterNeedsPerson, Channel: post.Digital, Generation: 1, Signed: true, Spent: true},
			letter.Ruling{To: post.LetterRouted, Channel: post.Digital, Generation: 2}},
		"one that has no channel yet": {letter.Retry, letter.Case{State: post.LetterNeedsPerson},
			letter.Ruling{To: post.LetterReady}},
		"one that goes on paper instead": {letter.Print, letter.Case{State: post.LetterNeedsPerson, Channel: post.Digital, Generation: 2, Signed: true},
			letter.Ruling{To: post.LetterRouted, Channel: post.Physical, Generation: 2}},
		"one before its digital carrier": {letter.Print, letter.Case{State: post.LetterNotTaken, Channel: post.Digital, Generation: 1, Signed: true},
			letter.Ruling{Through: post.LetterNeedsPerson, To: post.LetterRouted, Channel: post.Physical, Generation: 1}},
	} {
		if got, err := letter.Judge(c.decision, c.is); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}
