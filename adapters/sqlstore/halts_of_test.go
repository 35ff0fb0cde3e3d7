package sqlstore

import (
	"errors"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// TestAHaltKeepsBackWhatItNamesAndNothingElse: a pause of one municipality or of one
// channel leaves the others alone, and of both reasons the batch is told.
func TestAHaltKeepsBackWhatItNamesAndNothingElse(t *testing.T) {
	m := &dispatch.Move{Tenant: "engdal", Batch: "b", Channel: post.Digital}
	for name, tt := range map[string]struct {
		all  halts
		want error
	}{
		"nothing":                         {nil, nil},
		"everything":                      {halts{{}}, dispatch.ErrRoadHalted},
		"its municipality":                {halts{{tenant: "engdal"}}, dispatch.ErrRoadHalted},
		"another municipality":            {halts{{tenant: "fjordby"}}, nil},
		"its channel":                     {halts{{channel: post.Digital}}, dispatch.ErrRoadHalted},
		"another channel":                 {halts{{channel: post.Physical}}, nil},
		"its channel, of another":         {halts{{tenant: "fjordby", channel: post.Digital}}, nil},
		"another channel of its own":      {halts{{tenant: "engdal", channel: post.Physical}}, nil},
		"its batch":                       {halts{{batch: "b"}}, dispatch.ErrBatchHalted},
		"another batch":                   {halts{{batch: "c"}}, nil},
		"everything, and then its batch":  {halts{{}, {batch: "b"}}, dispatch.ErrBatchHalted},
		"another first, then its channel": {halts{{tenant: "fjordby"}, {channel: post.Digital}}, dispatch.ErrRoadHalted},
	} {
		if got := tt.all.of(m); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
