// Package inboxctlapp is inboxctl, the DPO's own tool. It lists the inbox,
// leases an inquiry, opens it on the DPO's own machine with the DPO's own key,
// acknowledges it with the digest that it computed itself, and replies.
//
// The identity never leaves the machine and the content never leaves it in
// clear. What is downloaded is believed only when it is whole: facts that name
// this very inquiry, and a digest over every part; until then nothing is
// printed and no file has its name. Attachments are written only to the
// directory that the user names, readable by the user alone; nothing is
// overwritten.
//
// Lease token and digest are kept in a small state file of the user's, so that
// commands chain. It holds no content and no key.
package inboxctlapp

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

const about = "The DPO's own tool: open inquiries with your own key, acknowledge them and reply."

const examples = `inboxctl list
inboxctl open SP-7K3Q-92MD -identity dpo.key -out ./case-17
inboxctl ack SP-7K3Q-92MD
inboxctl ack SP-7K3Q-92MD -reject not-for-us
inboxctl reply SP-7K3Q-92MD -title "Svar på din anmodning" -file svar.pdf`

type grammar struct {
	ctl.Desk
	JSON    bool            `name:"json" help:"Print JSON."`
	Version ctl.VersionFlag `name:"version" help:"Print which version this is, and end."`
	State   string          `env:"SIKKERPOST_STATE" placeholder:"FILE" help:"Where leases and digests are kept; in the user's state directory when absent."`

	List  listCmd  `cmd:"" help:"List the inbox, the most urgent first."`
	Lease leaseCmd `cmd:"" help:"Take the sole right to open and settle an inquiry, for five minutes."`
	Open  openCmd  `cmd:"" help:"Open an inquiry with your own key; leases it when needed."`
	Ack   ackCmd   `cmd:"" help:"Take an opened inquiry over, or reject it."`
	Reply replyCmd `cmd:"" help:"Answer an acknowledged inquiry with a letter to its person."`
}

// run is what a command runs with.
type run struct {
	*ctl.Env
	ctx   context.Context
	desk  *client.Client
	state stateFile
}

// Run runs one command and returns its exit code (package ctl lists them).
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &ctl.Env{Name: "inboxctl", Stdin: stdin, Stdout: stdout, Stderr: stderr}
	var g grammar
	chosen, code, ok := ctl.Parse(env, &g, about, examples, args)
	if !ok {
		return code
	}
	env.JSON = g.JSON
	desk, err := g.Desk.Client()
	if err != nil {
		return env.Fail(err)
	}
	defer desk.Close()
	path, err := statePath(g.State)
	if err != nil {
		return env.Fail(err)
	}
	if err := chosen.Run(&run{Env: env, ctx: ctx, desk: desk, state: stateFile{path}}); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return env.Fail(err)
	}
	return ctl.Done
}

// statePath returns where the state is kept (XDG Base Directory, state home).
func statePath(asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", &ctl.Hint{Err: fmt.Errorf("find the state directory: %w", err), Hint: "give -state FILE", Exit: ctl.BadConfig}
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "sikkerpost", "inboxctl.json"), nil
}
