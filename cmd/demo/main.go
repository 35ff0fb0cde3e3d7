// Command demo runs the whole house on loopback in one process: the four
// programs, simulators of NemLog-in, Digital Post, KombiPost and a print house
// with invented people, SQLite, an embedded Redis-protocol server and certificates
// made at start.
//
// It refuses any listen address but loopback. With -story it plays the main
// story once, prints what was checked as a transcript and exits 0, or says
// which step was not as promised and exits 1. What it keeps lies under -dir;
// outside its simulator/ part nothing there holds personal data in clear.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	program "sikkerpost.dk/gateway/internal/build"
)

// Exit codes: done, failed, used wrongly.
const (
	exitDone   = 0
	exitFailed = 1
	exitMisuse = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	dir      string
	host     string
	state    string
	redis    string
	database string
	story    bool
	verbose  bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dir, "dir", "", "state `directory` (default: a fresh temporary one, removed at the end)")
	flags.StringVar(&o.host, "listen-host", "127.0.0.1", "loopback `address` to listen on")
	flags.StringVar(&o.state, "state", "", "write addresses, certificates and keys of this run as JSON to `file`")
	flags.StringVar(&o.redis, "redis", "", "use the Redis at `host:port` instead of the embedded server")
	flags.StringVar(&o.database, "database", "", "use the database at `address` (postgres://…, sqlite:///…) instead of SQLite under -dir")
	flags.BoolVar(&o.story, "story", false, "play the main story once, print it, and exit")
	flags.BoolVar(&o.verbose, "v", false, "log every event, not only warnings")
	version := flags.Bool("version", false, "print which version this is, and exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitMisuse
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "demo: %q is not a flag\nhint: demo -h lists them\n", flags.Arg(0))
		return exitMisuse
	}
	if *version {
		fmt.Fprintln(stdout, program.Line("demo"))
		return exitDone
	}
	if err := demo(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return exitFailed
	}
	return exitDone
}

func demo(ctx context.Context, o options, stdout, stderr io.Writer) (failed error) {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "sikkerpost-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	o.dir = dir
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelInfo
	}
	out := stderr
	if o.story && !o.verbose { // its lines say what is true; what was warned of matters when one is not
		var held bytes.Buffer
		out = &held
		defer func() {
			if failed != nil {
				_, _ = held.WriteTo(stderr)
			}
		}()
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	h, err := build(ctx, o, log)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }()
	select {
	case <-h.ready:
	case err := <-ended: // one could not start, or Ctrl-C came first
		if o.story && err == nil {
			err = errors.New("stopped before the story began")
		}
		return err
	}
	if o.state != "" {
		if err := h.writeState(o.state); err != nil {
			stop()
			return errors.Join(err, <-ended)
		}
	}
	if o.story {
		err := h.story(ctx, stdout)
		stop()
		return errors.Join(err, <-ended)
	}
	h.welcome(stdout)
	return <-ended
}
