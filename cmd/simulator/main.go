// Command simulator serves the outside world on loopback: NemLog-in, Digital
// Post, KombiPost and a print house with invented people, for trying a gateway,
// or any other system, that is configured as for real (docs/simulator.md).
//
//	simulator serve -dir DIR [-sp-metadata FILE]… [-status-callback URL]
//	simulator chaos [-letters N] [-kill N] [-sqlite]
//	simulator attack -acs URL -metadata URL -state FILE
//	simulator -version
//
// chaos runs a whole house of real processes, breaks it and prints what came of
// it as one JSON line; it exits 0 only when nothing was lost, doubled or
// overlooked. attack plays every answer that no SAML service provider may take
// against a running one; it exits 0 only when nobody got in and everybody who
// should got in.
//
// It makes its own certificates, keys and tokens under DIR, says where they lie,
// and writes DIR/env for shells. It refuses any host but loopback unless
// -open-to-the-network says that everybody may read and send everything, and
// stops on an interrupt.
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
	"sikkerpost.dk/gateway/internal/build"
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

const usage = `usage: simulator serve -dir DIR    Digital Post, KombiPost, NemLog-in and a print house (docs/simulator.md)
       simulator chaos             a whole house, broken on purpose
       simulator attack            every forged log-in against a running service provider
       simulator -version
hint: simulator serve -h (chaos -h, attack -h) lists the flags
exit codes: 0 done, 1 failed, 2 used wrongly
`

// files collects a flag that may be given several times.
type files []string

func (f *files) String() string     { return fmt.Sprint(*f) }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

type options struct {
	dir, host                        string
	open                             bool
	pages, digitalPost, login, kombi int
	delay                            time.Duration
	unlisted                         string
	metadata, letterCerts            files
	callback, callbackCA, schema     string
	seed                             uint64
	verbose, files                   bool
	keep                             int64 // MB
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "serve":
	case "chaos":
		return chaos(ctx, args[1:], stdout, stderr)
	case "attack":
		return attackapp.Run(ctx, args[1:], stdout, stderr)
	case "-version", "--version":
		fmt.Fprintln(stdout, build.Line("simulator"))
		return exitDone
	case "-h", "-help", "--help":
		fmt.Fprint(stderr, usage)
		return exitDone
	default:
		fmt.Fprint(stderr, usage)
		return exitMisuse
	}
	var o options
	flags := o.flags(stderr)
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitMisuse
	}
	if flags.NArg() > 0 || o.dir == "" || o.keep < 0 {
		fmt.Fprintln(stderr, "simulator: -dir is required, -keep is not negative, and nothing but flags may follow\nhint: simulator serve -h lists them")
		return exitMisuse
	}
	if err := serve(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "simulator:", err)
		return exitFailed
	}
	return exitDone
}

func (o *options) flags(stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("simulator serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dir, "dir", "", "`directory` for what arrives, certificates and tokens (required)")
	flags.StringVar(&o.host, "listen-host", "127.0.0.1", "`address` to listen on; loopback, unless -open-to-the-network")
	flags.BoolVar(&o.open, "open-to-the-network", false, "listen beyond this machine: whoever reaches it reads every box and turns every dial")
	flags.IntVar(&o.pages, "pages-port", 8440, "`port` of the pages and the API; 0 takes any")
	flags.IntVar(&o.digitalPost, "digitalpost-port", 8441, "`port` of Digital Post; 0 takes any")
	flags.IntVar(&o.login, "nemlogin-port", 8442, "`port` of NemLog-in; 0 takes any")
	flags.IntVar(&o.kombi, "kombipost-port", 8443, "`port` of KombiPost and its token services; 0 takes any")
	flags.DurationVar(&o.delay, "delay", time.Second, "`time` from the technical to the business receipt")
	flags.StringVar(&o.unlisted, "unlisted", "", "registration `status` of numbers that are no persona's (default: not found)")
	flags.Var(&o.metadata, "sp-metadata", "metadata `file` of a service provider that may log in; repeatable")
	flags.StringVar(&o.callback, "status-callback", "", "`URL` to which Beskedfordeler pushes statuses (default: they wait)")
	flags.StringVar(&o.callbackCA, "status-ca", "", "PEM `file` of who issued the callback's certificate (default: the simulator's own authorities)")
	flags.StringVar(&o.schema, "memo-schema", "", "official MeMo_core.xsd (`file`): xmllint judges messages too")
	flags.Var(&o.letterCerts, "letter-cert", "PEM `file` with which evidence attached to a message is verified; repeatable")
	flags.Uint64Var(&o.seed, "seed", 1, "`number` that decides which calls the dial bends")
	flags.BoolVar(&o.files, "files", false, "keep each message of Digital Post as DIR/digitalpost/<messageUUID>.xml, for counting; slower")
	flags.Int64Var(&o.keep, "keep", 4096, "`MB` that each carrier keeps, about; then the oldest go. 0 is no bound")
	flags.BoolVar(&o.verbose, "v", false, "log every event, not only warnings")
	return flags
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
	if err := simulatorapp.CheckHost(o.host); err != nil && !o.open {
		return fmt.Errorf("%w\nhint: -open-to-the-network says that everybody who reaches it may read and send everything", err)
	}
	cfg, places, err := configure(o)
	if err != nil {
		return err
	}
	app, err := simulatorapp.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	env := filepath.Join(o.dir, "env")
	if err := writeEnv(env, o.dir, app, places); err != nil {
		return err
	}
	if simulatorapp.CheckHost(o.host) != nil {
		fmt.Fprintln(stderr, "simulator: open to the network: whoever reaches "+o.host+" reads every box and turns every dial")
	}
	fmt.Fprintf(stdout, "pages and API   %s\n", app.URL())
	fmt.Fprintf(stdout, "Digital Post    %s\n", app.DigitalPostURL())
	fmt.Fprintf(stdout, "KombiPost       %s\n", app.KombiPostURL())
	fmt.Fprintf(stdout, "NemLog-in       %s\n", app.NemLogInMetadataURL())
	fmt.Fprintf(stdout, "for shells      %s\n", env)
	for _, p := range places {
		fmt.Fprintf(stdout, "%-15s %s\n", p.name, p.path)
	}
	for _, what := range app.Turned() {
		fmt.Fprintf(stdout, "still turned    %s\n", what)
	}
	return app.Run(ctx)
}
