package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/chaosapp"
)

// chaos breaks a house of real processes and prints one JSON line of what came
// of it. It needs the source and Go, because it builds what it breaks.
func chaos(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o chaosapp.Options
	var verbose bool
	flags := flag.NewFlagSet("simulator chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.Letters, "letters", 1000, "`number` of letters to send")
	flags.IntVar(&o.Kills, "kill", 20, "`number` of SIGKILLs of desk, dispatchers and redis")
	flags.IntVar(&o.Stops, "pgstop", 1, "`number` of immediate stops of PostgreSQL")
	flags.IntVar(&o.Wipes, "wipe", 1, "`number` of times that Redis is emptied")
	flags.BoolVar(&o.SQLite, "sqlite", false, "keep the truth in SQLite instead of PostgreSQL")
	flags.Uint64Var(&o.Seed, "seed", 0, "`seed` of what is broken when; 0 draws one")
	flags.DurationVar(&o.Within, "within", 30*time.Minute, "`time` for the whole run")
	flags.StringVar(&o.Dir, "dir", "", "`directory` to keep everything in (default: a fresh one, removed at the end)")
	flags.BoolVar(&verbose, "v", false, "log what is broken")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitMisuse
	}
	if flags.NArg() > 0 || o.Letters < 10 || o.Kills < 0 || o.Stops < 0 || o.Wipes < 0 {
		fmt.Fprintln(stderr, "simulator: at least 10 letters, no negative number, and nothing but flags\nhint: simulator chaos -h lists them")
		return exitMisuse
	}
	var err error
	if o.Source, err = source(ctx); err == nil && o.Dir != "" {
		o.Dir, err = filepath.Abs(o.Dir)
	}
	if err != nil {
		fmt.Fprintln(stderr, "simulator:", err)
		return exitFailed
	}
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	result, err := chaosapp.Run(ctx, o, stderr, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})))
	if err != nil {
		fmt.Fprintln(stderr, "simulator:", err)
		return exitFailed
	}
	if err := json.NewEncoder(stdout).Encode(result); err != nil || !result.Clean() {
		return exitFailed
	}
	return exitDone
}

// source finds the module's folder.
func source(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" {
		return "", errors.New("chaos builds the programs that it breaks: run it in the source tree, with Go")
	}
	return filepath.Dir(mod), nil
}
