package postctlapp

import (
	"strings"
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

func TestAPostingDayIsToldAsAConditionOrAnExpectation(t *testing.T) {
	for state, want := range map[post.LetterState]string{
		post.LetterRouted: "if it is handed over now", post.LetterNotTaken: "if it is handed over now",
		post.LetterHandedOver: "as expected", post.LetterPrinting: "as expected", post.LetterOutcomeUnknown: "as expected",
	} {
		if got := postingDay(wire.LetterView{State: string(state), PostingDay: "2026-11-26"}); !strings.HasPrefix(got, "2026-11-26 "+want) {
			t.Errorf("%s: %q", state, got)
		}
		if got := postingDay(wire.LetterView{State: string(state)}); got != "" {
			t.Errorf("%s without a day: %q", state, got)
		}
	}
}
