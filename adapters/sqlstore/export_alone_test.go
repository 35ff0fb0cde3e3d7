package sqlstore

import (
	"context"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/queue"
)

// MoveAlone is how a letter is moved whose group could not be written together.
func (s *Store) MoveAlone(ctx context.Context, l queue.Lease, m dispatch.Move) error {
	return s.moveAlone(ctx, l, m)
}

// WaitAlone is one wait in a transaction of its own.
func (s *Store) WaitAlone(ctx context.Context, l queue.Lease, w dispatch.Wait) error {
	return s.waitAlone(ctx, l, w)
}
