package postctlapp

import (
	"testing"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

func TestABatchSaysWhatItIsWaitingFor(t *testing.T) {
	for name, c := range map[string]struct {
		b    wire.Batch
		want string
	}{
		"nothing counted yet": {wire.Batch{State: "released", Lines: 1}, "1 letter"},
		"not approved":        {wire.Batch{State: "closed", Lines: 2, Letters: map[string]int{"held": 2}}, "held 2 (waits for approval)"},
		"not closed":          {wire.Batch{State: "open", Lines: 2}, "2 letters (not sent completely)"},
		"paused":              {wire.Batch{State: "released", Lines: 2, Paused: true, Letters: map[string]int{"ready": 2}}, "ready 2 (paused)"},
		"stopped when paused": {wire.Batch{State: "stopped", Lines: 2, Paused: true, Letters: map[string]int{"cancelled": 2}}, "cancelled 2"},
		"on its way":          {wire.Batch{State: "released", Lines: 3, Letters: map[string]int{"delivered": 1, "printing": 2}}, "delivered 1, printing 2"},
	} {
		if got := stands(c.b); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
