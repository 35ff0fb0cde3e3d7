package postctlapp

import (
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

func TestAHaltSaysWhatWasUnderWayAndNothingElse(t *testing.T) {
	for want, letters := range map[string]map[string]int{
		"": {"ready": 3, "handed-over": 9, "delivered": 2, "cancelled": 1},
		"under way at that moment: 5 (being handed over, or the answer is unclear); they may still arrive\n": {"handing-over": 3, "outcome-unknown": 2, "ready": 7},
	} {
		if got := underWay(wire.Batch{Letters: letters}); got != want {
			t.Errorf("%v: %q, want %q", letters, got, want)
		}
	}
}
