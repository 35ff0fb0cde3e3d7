package postctlapp

import "sikkerpost.dk/gateway/cmd/internal/ctl"

type (
	completion struct {
		Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
	}
	man struct{}
)

// manual describes the commands.
func manual() (*ctl.Manual, error) { return ctl.NewManual("postctl", about, examples, &grammar{}) }

// Run prints the script for a shell.
func (c *completion) Run(r *run) error {
	m, err := manual()
	if err != nil {
		return err
	}
	return m.Completion(r.Stdout, c.Shell)
}

// Run prints the manual page.
func (*man) Run(r *run) error {
	m, err := manual()
	if err != nil {
		return err
	}
	m.Man(r.Stdout)
	return nil
}
