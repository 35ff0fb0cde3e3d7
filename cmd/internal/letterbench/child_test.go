//go:build linux

package letterbench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"testing"

	"sikkerpost.dk/gateway/adapters/asynqueue/asynqueuetest"
	"sikkerpost.dk/gateway/cmd/internal/deskapp"
	"sikkerpost.dk/gateway/cmd/internal/dispatcherapp"
	"sikkerpost.dk/gateway/internal/config"
	"sikkerpost.dk/gateway/internal/daemon"
)

// What a child of the benchmark is told by its environment.
const (
	childIs      = "SIKKERPOST_LETTERBENCH"
	childConfig  = "SIKKERPOST_LETTERBENCH_CONFIG" // a configuration, or an address of Redis
	childProfile = "SIKKERPOST_LETTERBENCH_PROFILE"
)

func TestMain(m *testing.M) {
	is := os.Getenv(childIs)
	if is == "" {
		os.Exit(m.Run())
	}
	if err := serve(is, os.Getenv(childConfig)); err != nil {
		fmt.Fprintln(os.Stderr, is, err)
		os.Exit(1)
	}
}

// serve is a program in a process of its own, until SIGTERM.
func serve(is, from string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if at := os.Getenv(childProfile); at != "" {
		f, err := os.Create(at)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		defer allocations(at + ".allocs")
		tellMemory(at)
	}
	// As in production: what the programs log is written, though nobody reads it.
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	switch is {
	case "desk":
		untouched = allocatedBy(deskapp.Pace)
		return run(ctx, from, log, deskapp.New)
	case "floor":
		return serveFloor(ctx, from)
	case "dispatcher", "dispatcher-2":
		untouched = allocatedBy(dispatcherapp.Pace)
		return run(ctx, from, log, dispatcherapp.New)
	case "asynq":
		return asynqueuetest.Idle(ctx, from)
	}
	return fmt.Errorf("no such child")
}

// allocations writes what was allocated since the start, beside the CPU profile.
func allocations(to string) {
	f, err := os.Create(to)
	if err == nil {
		err = errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func run[C config.Program, A daemon.App](ctx context.Context, path string, log *slog.Logger, start func(context.Context, C, *slog.Logger) (A, error)) error {
	cfg, err := config.Load[C](path)
	if err != nil {
		return err
	}
	app, err := start(ctx, cfg, log)
	if err != nil {
		return err
	}
	return app.Run(ctx)
}
