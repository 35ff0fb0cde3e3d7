// Package asynqueuetest is whoever can write to Redis and should not: it pushes
// tasks that the house did not make, repeats those that it did, and empties the
// server. Chaos runs and tests use it.
package asynqueuetest

import (
	"context"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// queueName is the queue that the house works through.
const queueName = "post"

// Intruder has a hand on Redis.
type Intruder struct {
	redis  *redis.Client
	client *asynq.Client
	look   *asynq.Inspector
}

// New returns an intruder at the Redis at address (host:port).
func New(address string) *Intruder {
	r := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
	return &Intruder{redis: r, client: asynq.NewClientFromRedisClient(r), look: asynq.NewInspectorFromRedisClient(r)}
}

// Close lets go of Redis.
func (i *Intruder) Close() error { return i.redis.Close() }

// Push enqueues a task of any type and payload under a task id.
func (i *Intruder) Push(ctx context.Context, kind, taskID string, payload []byte) error {
	_, err := i.client.EnqueueContext(ctx, asynq.NewTask(kind, payload), asynq.Queue(queueName), asynq.TaskID(taskID), asynq.MaxRetry(0))
	if err != nil {
		return fmt.Errorf("push task: %w", err)
	}
	return nil
}

// A Seen task was made by the house and lies in Redis.
type Seen struct {
	Kind, TaskID string
	Payload      []byte
}

// Done returns up to n tasks that were worked through.
func (i *Intruder) Done(n int) ([]Seen, error) {
	infos, err := i.look.ListCompletedTasks(queueName, asynq.PageSize(n))
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	var all []Seen
	for _, t := range infos {
		all = append(all, Seen{t.Type, t.ID, t.Payload})
	}
	return all, nil
}

// Wipe empties Redis.
func (i *Intruder) Wipe(ctx context.Context) error { return i.redis.FlushAll(ctx).Err() }
