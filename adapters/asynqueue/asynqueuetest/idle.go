package asynqueuetest

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// idleQueue is a queue of nobody's.
const idleQueue = "bare"

// Fill enqueues n bare tasks, which [Idle] works through.
func (i *Intruder) Fill(ctx context.Context, n int) error {
	for range n {
		if _, err := i.client.EnqueueContext(ctx, asynq.NewTask("bare", nil), asynq.Queue(idleQueue)); err != nil {
			return fmt.Errorf("fill queue: %w", err)
		}
	}
	return nil
}

// Left returns how many bare tasks are not done.
func (i *Intruder) Left() (int, error) {
	q, err := i.look.GetQueueInfo(idleQueue)
	if err != nil {
		return 0, fmt.Errorf("look at queue: %w", err)
	}
	return q.Pending + q.Active, nil
}

// Idle works through bare tasks at the Redis at address, doing nothing for each,
// until ctx ends: what asynq itself costs.
func Idle(ctx context.Context, address string) error {
	r := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
	defer r.Close()
	server := asynq.NewServerFromRedisClient(r, asynq.Config{Concurrency: 8, Queues: map[string]int{idleQueue: 1},
		TaskCheckInterval: 100 * time.Millisecond, Logger: silent{log.New(io.Discard, "", 0)}})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
		return fmt.Errorf("start bare worker: %w", err)
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

// silent drops what asynq says.
type silent struct{ *log.Logger }

// Debug implements asynq.Logger.
func (s silent) Debug(args ...any) { s.Print(args...) }

// Info implements asynq.Logger.
func (s silent) Info(args ...any) { s.Print(args...) }

// Warn implements asynq.Logger.
func (s silent) Warn(args ...any) { s.Print(args...) }

// Error implements asynq.Logger.
func (s silent) Error(args ...any) { s.Print(args...) }

// Fatal implements asynq.Logger; it ends nothing.
func (s silent) Fatal(args ...any) { s.Print(args...) }
