package printhouse

import (
	"context"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

var _ track.Reader = (*House)(nil)

// Reread implements [track.Reader]: an event under the name that its file had.
func (h *House) Reread(_ context.Context, old track.Receipt) (track.Receipt, error) {
	name, _, _ := strings.Cut(old.EventID, besides)
	return receipt(name+".json", old.Raw, old.At), nil
}
