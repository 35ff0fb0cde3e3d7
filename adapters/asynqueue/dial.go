package asynqueue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"sikkerpost.dk/gateway/internal/queue"
)

// Bounds of a conversation with Redis. A sentinel or cluster client may ask
// several nodes before it finds the right one.
const (
	readTimeout  = 2 * time.Second
	writeTimeout = 2 * time.Second
)

// dial returns a client that connects when it is first used.
func dial(address string) (redis.UniversalClient, error) {
	a, err := queue.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	// A managed Redis's maintenance hand-shake: plain servers do not know it.
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch {
	case a.Master != "":
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: a.Master, SentinelAddrs: a.Hosts,
			DialTimeout: ringTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, ContextTimeoutEnabled: true,
		}), nil
	case a.Cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs:       a.Hosts,
			DialTimeout: ringTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, ContextTimeoutEnabled: true,
			MaintNotificationsConfig: quiet,
		}), nil
	}
	return redis.NewClient(&redis.Options{
		Addr:        a.Hosts[0],
		DialTimeout: ringTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: quiet,
	}), nil
}

// heard makes the Redis client speak through our log. It has one logger for
// the whole process, so the first queue gives it.
var heard sync.Once

func listen(log *slog.Logger) { heard.Do(func() { redis.SetLogger(client{log}) }) }

// client hears what the Redis client says of its connections: many lines a
// second in an outage, which our own errors report already.
type client struct{ log *slog.Logger }

// Printf implements the Redis client's logger.
func (c client) Printf(ctx context.Context, format string, v ...any) {
	c.log.DebugContext(ctx, "redis client", slog.String("said", fmt.Sprintf(format, v...)))
}
