package sim

import (
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/track"
	"sikkerpost.dk/gateway/internal/outbound/verify"
)

// A hazard puts a known fault of such systems between the house's code and the
// world, to see that it is caught.
type hazard struct {
	plan    func(*plan)
	store   func(w *world, n *node, s *store) outerStore
	channel func(w *world, c dispatch.Channel) dispatch.Channel
	source  func(w *world, s track.Source) track.Source
	check   func(manifest []byte) (verify.Manifest, error)
	blobs   func(w *world, b dispatch.Blobs) dispatch.Blobs
}
