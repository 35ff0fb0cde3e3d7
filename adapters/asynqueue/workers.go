package asynqueue

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"sikkerpost.dk/gateway/internal/queue"
)

// Workers says how many asynq servers run, and how many steps each takes at
// once. One server fetches with one goroutine, so several small ones beat one
// wide one.
type Workers struct {
	Servers     int // 2 when 0
	Concurrency int // 4 when 0
	// Restart is how long a server that Redis did not let start waits; 2 s when 0.
	Restart time.Duration
}

// Work runs servers until ctx ends, then lets running steps finish. While Redis
// is away the servers wait for it; that is no failure.
func (q *Queue) Work(ctx context.Context, w Workers, run queue.Runner) error {
	if w.Servers == 0 {
		w.Servers = 2
	}
	if w.Concurrency == 0 {
		w.Concurrency = 4
	}
	if w.Restart == 0 {
		w.Restart = 2 * time.Second
	}
	done := make(chan struct{}, w.Servers)
	for range w.Servers {
		go func() {
			defer func() { done <- struct{}{} }()
			q.serve(ctx, w, run)
		}()
	}
	for range w.Servers {
		<-done
	}
	return nil
}

// serve keeps one server alive until ctx ends.
func (q *Queue) serve(ctx context.Context, w Workers, run queue.Runner) {
	for ctx.Err() == nil {
		server := asynq.NewServerFromRedisClient(q.redis, asynq.Config{
			Concurrency: w.Concurrency, Queues: map[string]int{queueName: 1}, TaskCheckInterval: idlePoll,
			ShutdownTimeout: 20 * time.Second, Logger: logger{q.log}, LogLevel: asynq.WarnLevel,
			// Only a worker that died comes here: its letter's lease is over by then.
			RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
		})
		err := server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
			// ctx ends at shutdown: nothing more is begun then, and what is in hand
			// is finished. asynq's own context would end that too.
			return q.handle(ctx, t, run)
		}))
		if err == nil {
			<-ctx.Done()
			server.Shutdown()
			return
		}
		q.log.WarnContext(ctx, "workers wait for redis", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(w.Restart):
		}
	}
}

// logger gives asynq's words to slog. They hold task ids and queue names.
type logger struct{ log *slog.Logger }

// Debug implements asynq.Logger.
func (l logger) Debug(args ...any) { l.log.Debug("asynq", slog.String("said", fmt.Sprint(args...))) }

// Info implements asynq.Logger.
func (l logger) Info(args ...any) { l.log.Info("asynq", slog.String("said", fmt.Sprint(args...))) }

// Warn implements asynq.Logger.
func (l logger) Warn(args ...any) { l.log.Warn("asynq", slog.String("said", fmt.Sprint(args...))) }

// Error implements asynq.Logger.
func (l logger) Error(args ...any) { l.log.Error("asynq", slog.String("said", fmt.Sprint(args...))) }

// Fatal implements asynq.Logger. It does not end the process: the sweeper goes
// on without asynq.
func (l logger) Fatal(args ...any) { l.log.Error("asynq", slog.String("said", fmt.Sprint(args...))) }
