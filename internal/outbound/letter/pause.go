package letter

import (
	"context"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A Pause halts hand-overs: of one municipality or of every one (""), on one
// channel or on both (""). Letters are still taken in, signed and looked up.
type Pause struct {
	Tenant  post.TenantID
	Channel post.Channel
	Actor   post.ClientID
	At      time.Time
}

// Pauses keeps pauses. Pausing what is paused, and resuming what is not,
// changes nothing.
type Pauses interface {
	PauseChannel(ctx context.Context, p Pause) error
	// ResumeChannel lifts the pause of just that municipality, or of every one,
	// on that channel; with both channels, also those on a single one. In the same
	// transaction it wakes the letters that wait for its end, also when it was lifted before.
	ResumeChannel(ctx context.Context, p Pause) error
	// Paused returns every pause, ordered by municipality and channel.
	Paused(ctx context.Context) ([]Pause, error)
}
