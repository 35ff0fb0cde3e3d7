// Package ctl is what the command-line programs share: parsing, exit codes,
// the three-line form of an error, tables and progress.
//
// Results go to stdout, talk to stderr. Errors begin with the program's name
// and carry a hint and, where there is one, the stable code. Nothing prompts,
// no secret is ever a flag or an environment variable (only names of files
// are), and nothing here ends the process. Text that came from outside is
// printed without control characters, so that it cannot drive a terminal.
package ctl

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/internal/build"
	"sikkerpost.dk/gateway/internal/post"
)

// Exit codes. They are a promise to scripts: a code never changes its meaning.
const (
	Done        = 0   // done, or nothing to do
	Failed      = 1   // failed; the reason is on stderr
	Misused     = 2   // used wrongly
	NeedsPerson = 3   // done, but some items need a person
	NotAllowed  = 4   // certificate, role or approval missing
	Unreachable = 5   // the other side did not answer; safe to run again
	Unknown     = 6   // outcome unknown; do not repeat, ask
	Running     = 7   // still running when the wait was over
	BadConfig   = 78  // configuration or assets wrong
	Interrupted = 130 // Ctrl-C
)

// Hint is an error with advice.
type Hint struct {
	Err  error
	Hint string
	Exit int // 0: as the error says
}

// Error implements error.
func (h *Hint) Error() string { return h.Err.Error() }

// Unwrap returns the error without its advice.
func (h *Hint) Unwrap() error { return h.Err }

// VersionFlag is a flag that prints the version and ends.
type VersionFlag = kong.VersionFlag

// Env is what a command runs in.
type Env struct {
	Name           string // of the program
	JSON           bool
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Print writes a result as one JSON object with "v":1, or runs plain.
func (e *Env) Print(object any, plain func(w io.Writer)) error {
	if !e.JSON {
		plain(e.Stdout)
		return nil
	}
	b, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &members); err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	members["v"] = json.RawMessage("1")
	return json.NewEncoder(e.Stdout).Encode(members)
}

// Say writes one line of talk, unless JSON was asked for.
func (e *Env) Say(format string, args ...any) {
	if !e.JSON {
		fmt.Fprintf(e.Stderr, format+"\n", args...)
	}
}

// Fail prints err in the three-line form (or as a JSON line) and returns the
// exit code that it stands for.
func (e *Env) Fail(err error) int {
	f := describe(err)
	if e.JSON {
		json.NewEncoder(e.Stderr).Encode(map[string]any{ //nolint:errcheck // nowhere left to say so
			"v": 1, "message_type": "exit_error", "exit": f.exit, "message": f.text, "hint": f.hint, "code": f.code, "errors": f.spots,
		})
		return f.exit
	}
	fmt.Fprintf(e.Stderr, "%s: %s\n", e.Name, Clean(f.text))
	for _, s := range f.spots {
		fmt.Fprintf(e.Stderr, "  %s\n", Clean(s))
	}
	if f.hint != "" {
		fmt.Fprintf(e.Stderr, "hint: %s\n", Clean(f.hint))
	}
	if f.code != "" {
		fmt.Fprintf(e.Stderr, "code: %s\n", f.code)
	}
	return f.exit
}

type failure struct {
	text, hint, code string
	spots            []string
	exit             int
}

// describe finds text, hint, code and exit code of err.
func describe(err error) failure {
	f := failure{text: err.Error(), exit: Failed}
	var hint *Hint
	var problem *client.Problem
	var fault *post.Fault
	switch {
	case errors.As(err, &problem):
		f.text, f.hint, f.code, f.exit = sentence(problem.Title), problem.Cure, problem.Code, problemExit(problem)
		if problem.Detail != "" {
			f.text += " (" + problem.Detail + ")"
		}
		var cures []string
		for _, s := range problem.Errors {
			spot := strings.TrimPrefix(s.Location+": "+sentence(s.Message), ": ")
			if s.Code != "" {
				spot += " (" + s.Code + ")"
			}
			f.spots = append(f.spots, spot)
			if s.Cure != "" && !slices.Contains(cures, s.Cure) {
				cures = append(cures, s.Cure)
			}
		}
		if len(cures) > 0 && len(cures) <= 3 { // of more the pages of the codes tell
			f.hint = strings.TrimSpace(f.hint + " " + strings.Join(cures, " "))
		}
		if problem.Status >= 500 && problem.Instance != "" {
			f.hint += " Error reference: " + problem.Instance
		}
	case errors.As(err, &fault):
		f.text, f.hint, f.code = sentence(fault.English), fault.Cure, fault.Code
		var at *post.Refusal
		if errors.As(err, &at) && at.Detail != "" {
			f.text += " (" + at.Detail + ")"
		}
	case errors.Is(err, context.Canceled):
		f.text, f.exit = "interrupted", Interrupted
	case untrusted(err):
		f.hint, f.exit = "check that the address is the one that desk's certificate names, and that -ca is who issued it", BadConfig
	case errors.Is(err, client.ErrUnreachable):
		f.hint, f.exit = "check the address and the network; it is safe to run the same command again", Unreachable
	case errors.Is(err, client.ErrConfig):
		f.hint, f.exit = ConfigHint(err, "-url, -cert, -key and -ca"), BadConfig
	}
	if errors.As(err, &hint) {
		f.hint = hint.Hint
		if hint.Exit != 0 {
			f.exit = hint.Exit
		}
	}
	return f
}

// untrusted tells a server that is there and shows a certificate which the
// authority given does not vouch for.
func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// ConfigHint says how to mend an error that wraps [client.ErrConfig].
func ConfigHint(err error, flags string) string {
	if errors.Is(err, client.ErrIncomplete) {
		return "give " + flags + ", the environment variables that --help names, or a -config file"
	}
	return "check the file or address that is named; certificate and key are PEM and belong together"
}

func problemExit(p *client.Problem) int {
	switch {
	case p.Status == http.StatusForbidden:
		return NotAllowed
	case p.Status == http.StatusServiceUnavailable || p.Code == post.FaultKeyBusy.Code:
		return Unreachable
	}
	return Failed
}

// sentence turns a sentence into the form of an error: lower case, no full stop.
func sentence(s string) string {
	s = strings.TrimSuffix(s, ".")
	first, rest, _ := strings.Cut(s, " ")
	if first == strings.ToUpper(first) && len(first) > 1 {
		return s // an abbreviation
	}
	r := []rune(first)
	if len(r) > 0 {
		r[0] = unicode.ToLower(r[0])
	}
	if rest == "" {
		return string(r)
	}
	return string(r) + " " + rest
}

// Clean drops control characters, other than line breaks and tabs, and those
// that turn the direction of writing.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
}

// Line is Clean for text that must stay on one line.
func Line(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(Clean(s))
}

// errExit ends parsing after help was printed.
type errExit int

// Parse reads args into grammar, a pointer to a struct with kong tags, and
// returns the command chosen. A long flag may be written with one dash or two.
// When there is nothing to run, ok is false and code is the exit code.
func Parse(e *Env, grammar any, about, examples string, args []string) (chosen *kong.Context, code int, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			exit, is := p.(errExit)
			if !is {
				panic(p)
			}
			chosen, code, ok = nil, int(exit), false
		}
	}()
	parser, err := kong.New(grammar, kong.Name(e.Name), kong.Description(about), kong.Writers(e.Stdout, e.Stderr),
		kong.Vars{"version": build.Line(e.Name)},
		kong.Exit(func(code int) { panic(errExit(code)) }), kong.UsageOnError(),
		kong.Help(func(o kong.HelpOptions, ctx *kong.Context) error {
			if some := examplesOf(ctx, examples); some != "" {
				fmt.Fprintf(ctx.Stdout, "Examples:\n%s\n\n", indent(some))
			}
			o.Compact = true
			err := kong.DefaultHelpPrinter(o, ctx)
			if ctx.Selected() == nil {
				fmt.Fprint(ctx.Stdout, exitCodes)
			}
			return err
		}))
	if err != nil {
		fmt.Fprintf(e.Stderr, "%s: %v\n", e.Name, err)
		return nil, Failed, false
	}
	ctx, err := parser.Parse(twoDashes(args))
	if err != nil {
		e.JSON = e.JSON || slices.Contains(args, "--json") || slices.Contains(args, "-json")
		return nil, e.Fail(&Hint{Err: err, Hint: "run " + command(err, e.Name) + " --help", Exit: Misused}), false
	}
	return ctx, Done, true
}

// exitCodes ends the help of a program.
const exitCodes = `
Exit codes:
   0  done, or nothing to do
   1  failed; the reason is on stderr
   2  used wrongly
   3  done, but something needs a person
   4  not allowed: certificate, role or approval missing
   5  no answer; safe to run again
   6  outcome unknown; do not repeat, ask
   7  still running when the wait was over
  78  configuration wrong
 130  interrupted
`

// examplesOf returns the examples of the command that help is asked for; of
// the program, all.
func examplesOf(ctx *kong.Context, examples string) string {
	at := ctx.Selected()
	if at == nil {
		return examples
	}
	var some []string
	for line := range strings.Lines(examples) {
		if strings.HasPrefix(line, at.FullPath()+" ") {
			some = append(some, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(some, "\n")
}

// command names the command that was not used as it should be.
func command(err error, program string) string {
	wrong, ok := errors.AsType[*kong.ParseError](err)
	if !ok || wrong.Context == nil {
		return program
	}
	at := wrong.Context.Selected()
	if at == nil {
		return program
	}
	return at.FullPath()
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

// twoDashes lets -identity mean --identity.
func twoDashes(args []string) []string {
	out := slices.Clone(args)
	for i, a := range out {
		if a == "--" {
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] >= 'a' && a[1] <= 'z' && a[2] != '=' {
			out[i] = "-" + a
		}
	}
	return out
}

// Desk is how a program finds desk and shows who it is: flags before
// environment before file. Only names of files are given, never keys.
type Desk struct {
	URL    string `env:"SIKKERPOST_URL" placeholder:"URL" help:"Address of desk."`
	Cert   string `env:"SIKKERPOST_CERT" placeholder:"FILE" help:"Client certificate (PEM)."`
	Key    string `env:"SIKKERPOST_KEY" placeholder:"FILE" help:"Its key (PEM)."`
	CA     string `env:"SIKKERPOST_CA" placeholder:"FILE" help:"Who issued desk's certificate (PEM)."`
	Config string `env:"SIKKERPOST_CONFIG" placeholder:"FILE" help:"JSON file with url, cert_file, key_file and ca_file."`
}

// Client returns a client of desk.
func (d Desk) Client() (*client.Client, error) {
	c := client.Config{URL: d.URL, CertFile: d.Cert, KeyFile: d.Key, CAFile: d.CA}
	if d.Config != "" {
		var file struct {
			URL      string `json:"url"`
			CertFile string `json:"cert_file"`
			KeyFile  string `json:"key_file"`
			CAFile   string `json:"ca_file"`
		}
		f, err := os.Open(d.Config)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", client.ErrConfig, err)
		}
		defer f.Close()
		dec := json.NewDecoder(f)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&file); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", client.ErrConfig, d.Config, err)
		}
		for _, p := range []struct{ have, from *string }{
			{&c.URL, &file.URL}, {&c.CertFile, &file.CertFile}, {&c.KeyFile, &file.KeyFile}, {&c.CAFile, &file.CAFile},
		} {
			if *p.have == "" {
				*p.have = *p.from
			}
		}
	}
	return client.New(c)
}
