// Package asynqueue rings through Redis: it is the only door to asynq. A task
// holds the names of a job and a MAC; the database decides whether there is
// anything to do.
//
// A task that this installation did not make, or that holds anything else, is
// dropped, counted (sikkerpost_tasks_refused_total) and logged. A ring with a
// task id that is known already is a success.
//
// On failure nothing is lost: a ring that fails is rung again by the sweeper,
// which runs the step itself while Redis is away. Workers wait for Redis to
// come back. Retries live in the database, so a handler always reports
// success; asynq's own retries cover only a worker that died.
package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"

	"sikkerpost.dk/gateway/internal/queue"
)

const (
	// queueName is the asynq queue. It needs no braces: one queue is one slot.
	queueName = "post"
	// ringTimeout bounds one ring: a caller who has committed already does not
	// wait for a dead Redis.
	ringTimeout = time.Second
	// retention keeps a finished task id, so that the same ring is not run twice.
	retention = 24 * time.Hour
	// taskTimeout is longer than what one ring does: half a minute of taking letters
	// and the longest run over one (6 min), or an inquiry (2 min).
	taskTimeout = 7 * time.Minute
	// crashRetries lets asynq hand a dead worker's task to another one.
	crashRetries = 2
	// idlePoll is how often an idle worker looks for a task.
	idlePoll = 100 * time.Millisecond
)

var refused = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "sikkerpost_tasks_refused_total",
	Help: "Tasks found in Redis that this installation did not make.",
}, []string{"queue"})

// Queue rings and works through one Redis.
type Queue struct {
	redis  redis.UniversalClient
	client *asynq.Client
	key    queue.Key
	log    *slog.Logger
}

var _ queue.Doorbell = (*Queue)(nil)

// New returns a queue on the Redis at address: host:port, or a form of
// [queue.ParseAddress]. It connects when it is first used: a dead Redis keeps no
// program from starting.
func New(address string, key queue.Key, log *slog.Logger) (*Queue, error) {
	if log == nil {
		return nil, errors.New("asynqueue: a logger is required")
	}
	listen(log)
	rc, err := dial(address)
	if err != nil {
		return nil, err
	}
	return &Queue{redis: rc, client: asynq.NewClientFromRedisClient(rc), key: key, log: log}, nil
}

// Ring implements [queue.Doorbell] and the bells of the rooms.
func (q *Queue) Ring(ctx context.Context, r queue.Ring) error {
	payload, err := q.key.Encode(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ringTimeout)
	defer cancel()
	_, err = q.client.EnqueueContext(ctx, asynq.NewTask(string(r.Kind), payload),
		asynq.Queue(queueName), asynq.TaskID(r.TaskID()), asynq.Retention(retention),
		asynq.MaxRetry(crashRetries), asynq.Timeout(taskTimeout))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("ring for %s %s: %w", r.Kind, r.ID, err)
	}
	return nil
}

// Ping reports whether Redis answers. It is no condition for readiness.
func (q *Queue) Ping(ctx context.Context) error { return q.redis.Ping(ctx).Err() }

// Close lets go of Redis.
func (q *Queue) Close() error { return q.redis.Close() }

// handle decodes a task and runs its step. It always reports success: what
// happened is in the database, and what did not the sweeper rings for again.
func (q *Queue) handle(ctx context.Context, t *asynq.Task, run queue.Runner) error {
	r, err := q.key.Decode(t.Payload())
	if err == nil && string(r.Kind) != t.Type() {
		err = fmt.Errorf("%w: type", queue.ErrForged)
	}
	// A genuine payload under another task id is a replay: Redis itself refuses
	// one under its own id.
	if w := t.ResultWriter(); err == nil && w != nil && w.TaskID() != r.TaskID() {
		err = fmt.Errorf("%w: task id", queue.ErrForged)
	}
	if err != nil {
		refused.WithLabelValues(queueName).Inc()
		q.log.ErrorContext(ctx, "task refused", slog.Any("error", err)) // its bytes are not ours to repeat
		return nil
	}
	if err := run(ctx, r); err != nil {
		q.log.ErrorContext(ctx, "step not run", slog.String("kind", string(r.Kind)), slog.String("id", r.ID), slog.Any("error", err))
	}
	return nil
}
