// Command simulator serves the outside world on loopback: NemLog-in, Digital
// Post and a print house with invented people, for trying a gateway that is
// configured as for real.
//
//	simulator serve -dir DIR [-listen-host HOST] [-sp-metadata FILE]…
//	simulator chaos [-letters N] [-kill N] [-sqlite]
//	simulator attack -acs URL -metadata URL -state FILE
//
// chaos runs a whole house of real processes, breaks it and prints what came of
// it as one JSON line; it exits 0 only when nothing was lost, doubled or
// overlooked. attack plays every answer that no SAML service provider may take
// against a running one; it exits 0 only when nobody got in and everybody who
// should got in.
//
// It makes its own certificates, keys and tokens under DIR and says where they
// lie. It refuses any host but loopback, and stops on an interrupt.
package main

import (
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
	"time"

	"sikkerpost.dk/gateway/cmd/internal/attackapp"
	"sikkerpost.dk/gateway/cmd/internal/simulatorapp"
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

// files collects a flag that may be given several times.
type files []string

func (f *files) String() string     { return fmt.Sprint(*f) }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

type options struct {
	dir, host                 string
	pages, digitalPost, login int
	delay                     time.Duration
	unlisted                  string
	metadata                  files
	verbose                   bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "chaos" {
		return chaos(ctx, args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "attack" {
		return attackapp.Run(ctx, args[1:], stdout, stderr)
	}
	if len(args) == 0 || args[0] != "serve" {
		fmt.Fprintln(stderr, "simulator: the commands are serve, chaos and attack\nhint: simulator serve -h (chaos -h, attack -h) lists the flags")
		return exitMisuse
	}
	var o options
	flags := flag.NewFlagSet("simulator serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dir, "dir", "", "`directory` for what arrives, certificates and tokens (required)")
	flags.StringVar(&o.host, "listen-host", "127.0.0.1", "loopback `address` to listen on")
	flags.IntVar(&o.pages, "pages-port", 8440, "`port` of the pages and the API; 0 takes any")
	flags.IntVar(&o.digitalPost, "digitalpost-port", 8441, "`port` of Digital Post; 0 takes any")
	flags.IntVar(&o.login, "nemlogin-port", 8442, "`port` of NemLog-in; 0 takes any")
	flags.DurationVar(&o.delay, "delay", time.Second, "`time` from the technical to the business receipt")
	flags.StringVar(&o.unlisted, "unlisted", "", "registration `status` of numbers that are no persona's (default: not found)")
	flags.Var(&o.metadata, "sp-metadata", "metadata `file` of a service provider that may log in; repeatable")
	flags.BoolVar(&o.verbose, "v", false, "log every event, not only warnings")
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitMisuse
	}
	if flags.NArg() > 0 || o.dir == "" {
		fmt.Fprintln(stderr, "simulator: -dir is required, and nothing but flags may follow\nhint: simulator serve -h lists them")
		return exitMisuse
	}
	if err := serve(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "simulator:", err)
		return exitFailed
	}
	return exitDone
}

func serve(ctx context.Context, o options, stdout, stderr io.Writer) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return fmt.Errorf("place directory: %w", err)
	}
	o.dir = dir
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	if err := simulatorapp.CheckHost(o.host); err != nil {
		return err
	}
	cfg, places, err := configure(o)
	if err != nil {
		return err
	}
	app, err := simulatorapp.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "pages and API   %s\n", app.URL())
	fmt.Fprintf(stdout, "Digital Post    %s\n", app.DigitalPostURL())
	fmt.Fprintf(stdout, "NemLog-in       %s\n", app.NemLogInMetadataURL())
	for _, p := range places {
		fmt.Fprintf(stdout, "%-15s %s\n", p.name, p.path)
	}
	return app.Run(ctx)
}
