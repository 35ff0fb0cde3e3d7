package deskapp

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/adapters/asynqueue"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// newBell returns the doorbell of the workers. Redis need not answer yet.
func newBell(cfg config.Desk, log *slog.Logger) (*asynqueue.Queue, error) {
	secret, err := config.ReadHexKey(cfg.TaskKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := queue.NewKey(secret)
	if err != nil {
		return nil, fmt.Errorf("task key: %w", err)
	}
	return asynqueue.New(cfg.Redis, key, log)
}

// released wakes a dispatcher to sign what is approved and to let it go. Each time
// is a ring of its own. A lost one is made up for: dispatchers look by themselves.
func (a *App) released(ctx context.Context, id post.BatchID) {
	r := queue.Ring{Kind: queue.ReleaseBatch, ID: string(id), Attempt: time.Now().UnixMicro()}
	if err := a.bell.Ring(context.WithoutCancel(ctx), r); err != nil {
		a.log.WarnContext(ctx, "ring lost", slog.String("batch", string(id)), slog.Any("error", err))
	}
}
