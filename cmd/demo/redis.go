package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// embedded is a Redis-protocol server inside the process. The demo loses
// nothing by it: Redis is only the doorbell.
type embedded struct{ m *miniredis.Miniredis }

func startRedis(host string) (*embedded, error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr(net.JoinHostPort(host, "0")); err != nil {
		return nil, fmt.Errorf("start embedded redis: %w", err)
	}
	return &embedded{m}, nil
}

// run makes time pass in the server, which does not look at the clock by
// itself, until ctx ends. The server goes on answering: the others may still
// drain.
func (e *embedded) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			e.m.FastForward(time.Second)
		}
	}
}
