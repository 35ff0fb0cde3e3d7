package deskapp

import (
	"fmt"
	"log/slog"

	"sikkerpost.dk/gateway/adapters/asynqueue"
	"sikkerpost.dk/gateway/internal/config"
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
