package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sikkerpost.dk/gateway/internal/build"
	"sikkerpost.dk/gateway/internal/config"
)

// An App is an assembled program: everything is open and listening.
type App interface {
	URL() string // where it listens, for the log
	// Run serves until ctx ends, drains and closes.
	Run(ctx context.Context) error
}

// Exit codes of the serving programs.
const (
	exitDone   = 0
	exitFailed = 1
	exitMisuse = 2
	exitConfig = 78 // EX_CONFIG of sysexits.h: configuration or assets wrong
)

// Main is the whole of a serving program: it reads the flags and the
// configuration, assembles the app with open, and runs it until SIGINT or
// SIGTERM. It returns the exit code.
//
//	portal -config portal.json          serve
//	portal -config portal.json -check   say what is wrong with the file, and end
//	portal -version                     say which version it is
//	portal -config portal.json health   ask a running one whether it is live (for HEALTHCHECK)
//
// others are the names of further commands, which the caller has tried before;
// the usage shows them.
//
// Logs are JSON lines on stderr. A second signal ends the process at once.
func Main[T config.Program, A App](name string, args []string, stderr io.Writer, open func(context.Context, T, *slog.Logger) (A, error), others ...string) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "/etc/sikkerpost/"+name+".json", "configuration file")
	checkOnly := flags.Bool("check", false, "only check the configuration")
	debug := flags.Bool("debug", false, "log more")
	version := flags.Bool("version", false, "print which version this is, and end")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: %s [-config FILE] [-check] [-debug] [-version] [health]\n", name)
		for _, command := range others {
			fmt.Fprintf(stderr, "       %s %s -h\n", name, command)
		}
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "exit codes: 0 done, 1 failed, 2 used wrongly, 78 configuration wrong")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitMisuse
	}
	health := flags.NArg() == 1 && flags.Arg(0) == "health"
	if flags.NArg() > 0 && !health {
		flags.Usage()
		return exitMisuse
	}
	if *version {
		fmt.Fprintln(os.Stdout, build.Line(name))
		return exitDone
	}
	cfg, err := config.Load[T](*path)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return exitConfig
	}
	if *checkOnly {
		return exitDone
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from now on a signal kills
	if health {
		if err := Health(ctx, cfg.AdminAddress()); err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", name, err)
			return exitFailed
		}
		return exitDone
	}
	level := slog.LevelInfo
	if *debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level})).With(slog.String("program", name))
	app, err := open(ctx, cfg, log)
	if err != nil {
		log.Error("program not started", slog.Any("err", err))
		return exitFailed
	}
	log.Info("program listening", slog.String("url", app.URL()))
	if err := app.Run(ctx); err != nil {
		log.Error("program failed", slog.Any("err", err))
		return exitFailed
	}
	return exitDone
}

// Health asks the admin listener of a running program whether it is live.
func Health(ctx context.Context, admin string) error {
	host, port, err := net.SplitHostPort(admin)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", nil)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for health: answered %d", resp.StatusCode)
	}
	return nil
}
