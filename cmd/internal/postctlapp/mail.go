package postctlapp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

type mailReturned struct {
	Code   string `arg:"" help:"Code on the letter: reference, tracking number or print job. - reads one code a line, as a scanner types them."`
	Reason string `default:"recipient-unknown" enum:"address-inadequate,name-not-on-box,moved,recipient-unknown,place-not-found,mailbox,vacant,no-access,other-distributor,refused,deceased,other" help:"What the postal company's label says: ${enum}."`
}

// Run enters an envelope that came back, or all that are scanned.
func (c *mailReturned) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	if c.Code != "-" {
		got, err := d.EnterReturnedMail(r.ctx, wire.ReturnedMail{Code: c.Code, Reason: c.Reason})
		if err != nil {
			return err
		}
		return r.printReturned(got)
	}
	return c.scan(r, d)
}

// scan takes codes until there are no more. A code that is refused is said and
// the next one taken: whoever scans has the envelopes in their hands.
func (c *mailReturned) scan(r *run, d *client.Client) error {
	var refused int
	lines := bufio.NewScanner(r.Stdin)
	for lines.Scan() {
		code := strings.TrimSpace(lines.Text())
		if code == "" {
			continue
		}
		got, err := d.EnterReturnedMail(r.ctx, wire.ReturnedMail{Code: code, Reason: c.Reason})
		var p *client.Problem
		if errors.As(err, &p) {
			refused++
			r.Say("%s: %s %s %s", ctl.Line(code), p.Code, ctl.Line(p.Title), ctl.Line(p.Cure))
			continue
		}
		if err != nil {
			return err
		}
		if err := r.printReturned(got); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read codes: %w", err)
	}
	if refused > 0 {
		return &ctl.Hint{Err: fmt.Errorf("%s refused; the others are entered", ctl.Count(refused, "code")), Exit: ctl.NeedsPerson,
			Hint: "scan those again, or type the reference that begins with SP"}
	}
	return nil
}

func (r *run) printReturned(got wire.ReturnedLetter) error {
	return r.Print(got, func(w io.Writer) {
		word := ""
		if got.Repeated {
			word = ", known already"
		}
		fmt.Fprintf(w, "letter %s %s (sending %d%s)\n", ctl.Line(got.ID), ctl.Line(got.State), got.Generation, word)
		if got.State == "returned" {
			r.Say("next: postctl letter reissue %s, when there is another address; or postctl letter close %s", got.ID, got.ID)
		}
	})
}
