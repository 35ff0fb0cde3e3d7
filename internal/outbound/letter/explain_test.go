package letter

import (
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

func TestTheReasonForAChannelIsReadFromTheLedger(t *testing.T) {
	at := time.Now()
	ev := func(state post.LetterState, outcome, actor string) Event {
		at = at.Add(time.Second)
		return Event{ID: "e", At: at, Kind: "letter." + string(state), Outcome: outcome, Actor: actor}
	}
	for name, c := range map[string]struct {
		events []Event
		want   []string
	}{
		"exempt":     {[]Event{ev(post.LetterAwaitingLookup, "", ""), ev(post.LetterRouted, "physical/1 EXEMPT", "dispatcher")}, []string{"physical", "look-up", "EXEMPT"}},
		"registered": {[]Event{ev(post.LetterAwaitingLookup, "", ""), ev(post.LetterRouted, "digital/1 REGISTERED", "dispatcher")}, []string{"digital", "look-up", "REGISTERED"}},
		"refused":    {[]Event{ev(post.LetterRefused, "digital/1 exempt.not.allowed", ""), ev(post.LetterRouted, "physical/1 exempt.not.allowed", "dispatcher")}, []string{"physical", "refused", "exempt.not.allowed"}},
		"decided":    {[]Event{ev(post.LetterNeedsPerson, "digital/1 lookup-unsure", ""), ev(post.LetterRouted, "physical/1 decided: print", "anne")}, []string{"physical", "anne", "print"}},
		"kept": {[]Event{ev(post.LetterAwaitingLookup, "", ""), ev(post.LetterRouted, "physical/1 EXEMPT", "dispatcher"), ev(post.LetterNeedsPerson, "physical/1 no-address", ""),
			ev(post.LetterRouted, "physical/1 decided: retry", "anne")}, []string{"physical", "look-up", "EXEMPT"}},
		"the last wins": {[]Event{ev(post.LetterRouted, "digital/1 REGISTERED", ""), ev(post.LetterReturned, "", ""), ev(post.LetterRouted, "physical/2 decided: reissue", "bo")}, []string{"bo", "reissue"}},
	} {
		e := explain(Proof{View: View{State: post.LetterRouted, Events: c.events}, Receipts: []CarrierReceipt{{Carrier: "d", EventID: "r", Kind: "delivered", At: at}}})
		for _, w := range c.want {
			if !strings.Contains(e.Why, w) {
				t.Errorf("%s: %q does not say %q", name, e.Why, w)
			}
		}
		if e.Next == "" || len(e.Facts) == 0 || !strings.HasPrefix(e.Facts[len(e.Facts)-1].Source, "receipt d/") {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
