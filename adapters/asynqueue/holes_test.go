package asynqueue

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/queue"
)

// The tests below reproduce what asynq does to a task when its worker dies, and
// show that the sweeper, which asks the database alone, rings again.

// onEachRedis runs a test on the embedded Redis and on a real one.
func onEachRedis(t *testing.T, f func(t *testing.T, address string)) {
	t.Run("embedded", func(t *testing.T) { f(t, miniredis.RunT(t).Addr()) })
	t.Run("redis-server", func(t *testing.T) {
		tool, ok := outside.Program(t, "redis-server", "what a real Redis does to tasks whose worker died")
		if !ok {
			return
		}
		p := port(t)
		redisServer(t, tool, p, "--save", "")
		eventually(t, "redis-server listens", func() bool { return cli(t, p, "ping") == "PONG" })
		f(t, fmt.Sprintf("127.0.0.1:%d", p))
	})
}

// oneJob is a database with one job that is due until it has run.
type oneJob struct {
	*seen
	ring queue.Ring
}

func newOneJob() *oneJob {
	return &oneJob{newSeen(1), queue.Ring{Kind: queue.AdvanceLetter, ID: post.NewID(), Attempt: 1}}
}

// Backlog implements [queue.Jobs].
func (j *oneJob) Backlog(context.Context, queue.Kind, int) (int, error) { return 1, nil }

// Due implements [queue.Jobs].
func (j *oneJob) Due(_ context.Context, kind queue.Kind, _ int, _ time.Duration) ([]queue.Ring, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for ring := range j.rings {
		if ring.ID == j.ring.ID {
			return nil, nil
		}
	}
	if kind != j.ring.Kind || j.ring.Attempt > 1 { // a sweep claims it once
		return nil, nil
	}
	j.ring.Attempt++
	return []queue.Ring{j.ring}, nil
}

// notRun fails when the job runs although only asynq looks after it.
func (j *oneJob) notRun(t *testing.T) {
	t.Helper()
	select {
	case <-j.all:
		t.Fatal("asynq ran it after all: the hole is closed, and this test is out of date")
	case <-time.After(90 * time.Millisecond):
	}
}

func (j *oneJob) sweepAndWait(t *testing.T, q *Queue) {
	t.Helper()
	s, err := queue.NewSweeper(queue.SweeperConfig{Jobs: j, Doorbell: q, Run: j.run, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.wait(t)
}

func key(name string) string { return "asynq:{" + queueName + "}:" + name }

// takeUp makes the waiting task active, as a worker does, with a lease that
// ends at until; the worker dies at once. Zero time: the lease entry is lost.
func takeUp(t *testing.T, r redis.UniversalClient, id string, until time.Time) {
	t.Helper()
	ctx := t.Context()
	if err := r.LMove(ctx, key("pending"), key("active"), "RIGHT", "LEFT").Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.HSet(ctx, key("t:"+id), "state", "active").Err(); err != nil {
		t.Fatal(err)
	}
	if !until.IsZero() {
		if err := r.ZAdd(ctx, key("lease"), redis.Z{Member: id, Score: float64(until.Unix())}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnActiveTaskWithoutItsLeaseIsNeverRunAndBlocksItsID(t *testing.T) {
	onEachRedis(t, anActiveTaskWithoutItsLeaseIsNeverRunAndBlocksItsID)
}

func anActiveTaskWithoutItsLeaseIsNeverRunAndBlocksItsID(t *testing.T, address string) {
	q, j := open(t, address), newOneJob()
	ring(t, q, j.ring)
	takeUp(t, q.redis, j.ring.TaskID(), time.Time{})
	inspector := asynq.NewInspectorFromRedisClient(q.redis)
	if err := inspector.DeleteTask(queueName, j.ring.TaskID()); err == nil {
		t.Fatal("the orphan can be deleted: the hole is closed")
	}
	work(t, q, j.run)
	// The same ring again is taken for done.
	ring(t, q, j.ring)
	j.notRun(t)
	j.sweepAndWait(t, q)
}

func TestACrashUsesUpARetry(t *testing.T) { onEachRedis(t, aCrashUsesUpARetry) }

func aCrashUsesUpARetry(t *testing.T, address string) {
	q, j := open(t, address), newOneJob()
	payload, err := q.key.Encode(j.ring)
	if err != nil {
		t.Fatal(err)
	}
	// A task with no retries left, as after crashRetries crashes.
	if _, err := q.client.Enqueue(asynq.NewTask(string(j.ring.Kind), payload), asynq.Queue(queueName), asynq.TaskID(j.ring.TaskID()), asynq.MaxRetry(0)); err != nil {
		t.Fatal(err)
	}
	takeUp(t, q.redis, j.ring.TaskID(), time.Now().Add(-time.Hour))
	work(t, q, j.run)
	inspector := asynq.NewInspectorFromRedisClient(q.redis)
	eventually(t, "the crashed task to be archived although its handler never failed", func() bool {
		info, err := inspector.GetTaskInfo(queueName, j.ring.TaskID())
		return err == nil && info.State == asynq.TaskStateArchived
	})
	j.notRun(t)
	j.sweepAndWait(t, q)
}

func TestTheArchiveForgetsTasks(t *testing.T) { onEachRedis(t, theArchiveForgetsTasks) }

func theArchiveForgetsTasks(t *testing.T, address string) {
	q, j := open(t, address), newOneJob()
	ctx := t.Context()
	ring(t, q, j.ring)
	inspector := asynq.NewInspectorFromRedisClient(q.redis)
	if err := inspector.ArchiveTask(queueName, j.ring.TaskID()); err != nil {
		t.Fatal(err)
	}
	// Ten thousand others are archived after it.
	var others []redis.Z
	for i := range 10_000 {
		others = append(others, redis.Z{Member: fmt.Sprintf("other-%d", i), Score: float64(time.Now().Unix() + 10)})
	}
	if err := q.redis.ZAdd(ctx, key("archived"), others...).Err(); err != nil {
		t.Fatal(err)
	}
	last := queue.Ring{Kind: queue.ForwardInquiry, ID: post.NewID(), Attempt: 1}
	ring(t, q, last)
	if err := inspector.ArchiveTask(queueName, last.TaskID()); err != nil {
		t.Fatal(err)
	}
	if _, err := inspector.GetTaskInfo(queueName, j.ring.TaskID()); err == nil {
		if rank := q.redis.ZScore(ctx, key("archived"), j.ring.TaskID()); rank.Err() == nil {
			t.Fatal("the archive keeps it: the hole is closed")
		}
	}
	work(t, q, j.run)
	j.notRun(t)
	j.sweepAndWait(t, q)
}

func TestAReplayUnderAnotherIDIsRefused(t *testing.T) { onEachRedis(t, aReplayUnderAnotherIDIsRefused) }

func aReplayUnderAnotherIDIsRefused(t *testing.T, address string) {
	q, j := open(t, address), newOneJob()
	payload, err := q.key.Encode(j.ring)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.client.Enqueue(asynq.NewTask(string(j.ring.Kind), payload), asynq.Queue(queueName), asynq.TaskID("replayed")); err != nil {
		t.Fatal(err)
	}
	work(t, q, j.run)
	inspector := asynq.NewInspectorFromRedisClient(q.redis)
	eventually(t, "the replay to be worked off", func() bool {
		info, err := inspector.GetQueueInfo(queueName)
		return err == nil && info.Processed == 1
	})
	j.notRun(t)
}
