package printhouse

import (
	"context"
	"io/fs"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/track"
)

var _ track.Reader = (*House)(nil)

// Reread implements [track.Reader]: an event under the name that its file had.
func (h *House) Reread(_ context.Context, old track.Receipt) (track.Receipt, error) {
	name, _, _ := strings.Cut(old.EventID, besides)
	now := receipt(name+".json", old.Raw, asItWas{old})
	if now.Kind == track.Unreadable {
		return old, nil
	}
	now.EventID = old.EventID
	return now, nil
}

// asItWas is the file that a receipt was.
type asItWas struct{ r track.Receipt }

func (f asItWas) Name() string       { return f.r.EventID }
func (f asItWas) Size() int64        { return int64(len(f.r.Raw)) }
func (f asItWas) Mode() fs.FileMode  { return 0 }
func (f asItWas) ModTime() time.Time { return f.r.At }
func (f asItWas) IsDir() bool        { return false }
func (f asItWas) Sys() any           { return nil }
