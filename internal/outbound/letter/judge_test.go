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
