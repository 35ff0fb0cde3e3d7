package postctlapp

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

// decisions are the sub-commands by which a person decides about a letter; each
// is also the word that is recorded.
type (
	letterCancel  struct{ decision }
	letterRetry   struct{ decision }
	letterPrint   struct{ decision }
	letterReissue struct{ decision }
	letterClose   struct{ decision }
)

type decision struct {
	ID string `arg:"" help:"Id of the letter, or its reference (SP-...)."`
}

// Run takes the letter back before its hand-over.
func (c *letterCancel) Run(r *run) error { return c.decide(r, "cancel") }

// Run lets the letter go on where it stood.
func (c *letterRetry) Run(r *run) error { return c.decide(r, "retry") }

// Run sends the letter on paper.
func (c *letterPrint) Run(r *run) error { return c.decide(r, "print") }

// Run sends a returned letter again.
func (c *letterReissue) Run(r *run) error { return c.decide(r, "reissue") }

// Run ends the letter's road.
func (c *letterClose) Run(r *run) error { return c.decide(r, "close") }

func (c *decision) decide(r *run, word string) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := d.Decide(r.ctx, c.ID, word)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) {
		fmt.Fprintf(w, "letter %s %s\n", ctl.Line(got.ID), ctl.Line(got.State))
		r.Say("next: postctl letter explain %s", got.ID)
	})
}

type letterExplain struct {
	ID string `arg:"" help:"Id of the letter, or its reference (SP-...)."`
}

// Run prints why the letter is where it is.
func (c *letterExplain) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	e, err := d.Explain(r.ctx, c.ID)
	if err != nil {
		return err
	}
	return r.Print(e, func(w io.Writer) { printExplanation(w, e) })
}

// printExplanation says where the letter stands and why, then what is written of it.
func printExplanation(w io.Writer, e wire.Explanation) {
	fmt.Fprintf(w, "letter   %s\nstate    %s since %s\n", ctl.Line(e.ID), ctl.Line(e.State), ctl.When(e.Since))
	if e.Code != "" {
		fmt.Fprintf(w, "reason   %s\n", ctl.Line(e.Code))
	}
	if e.Why != "" {
		fmt.Fprintf(w, "channel  %s\n", ctl.Line(e.Why))
	}
	fmt.Fprintf(w, "next     %s\n", ctl.Line(e.Next))
	if d := e.Deadline; d != nil {
		fmt.Fprintf(w, "arrive   by %s: %s\n", ctl.Line(d.ArriveBy), ctl.Line(d.Says))
		fmt.Fprintf(w, "         on paper if handed over by %s, digitally before %s; a person is asked at %s\n",
			ctl.When(d.PaperBy), ctl.When(d.DigitalBefore), ctl.When(d.AskAt))
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, f := range e.Facts {
		rows = append(rows, []string{ctl.When(f.At), f.Fact, f.Code, f.Source})
	}
	ctl.Table(w, []string{"TIME", "FACT", "CODE", "WRITTEN IN"}, rows)
}

type channelFlags struct {
	Channel string `arg:"" optional:"" enum:",digital,physical,both" default:"" help:"digital, physical or both."`
	Tenant  string `placeholder:"ID" help:"Municipality; an operator without it means every one."`
}

func (c channelFlags) set() wire.PauseSet {
	p := wire.PauseSet{Tenant: c.Tenant, Channel: c.Channel}
	if c.Channel == "both" {
		p.Channel = ""
	}
	return p
}

type (
	channelPause  struct{ channelFlags }
	channelResume struct{ channelFlags }
	channelShow   struct{}
)

// Run halts hand-overs. Everything is halted only when that is said.
func (c *channelPause) Run(r *run) error {
	if c.Channel == "" && c.Tenant == "" {
		return &ctl.Hint{Err: errors.New("this would halt everything that you may halt"), Exit: ctl.Misused,
			Hint: "name the channel, or -tenant ID; postctl channel pause both halts everything"}
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := d.PauseChannel(r.ctx, c.set())
	if err != nil {
		return err
	}
	return r.printPauses(got)
}

// Run lets hand-overs go on.
func (c *channelResume) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	asked := c.set()
	got, err := d.ResumeChannel(r.ctx, asked)
	if err != nil {
		return err
	}
	if err := r.printPauses(got); err != nil {
		return err
	}
	for _, p := range got.Items {
		if p.Channel == "" || asked.Channel == "" || p.Channel == asked.Channel {
			r.Say("this is still halted; next: %s", resumeCommand(p))
		}
	}
	return nil
}

// resumeCommand is what lifts the pause p.
func resumeCommand(p wire.Pause) string {
	command := "postctl channel resume " + cmp.Or(p.Channel, "both")
	if p.Tenant != "" {
		command += " -tenant " + ctl.Line(p.Tenant)
	}
	return command
}

// Run shows what is halted.
func (c *channelShow) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := d.Pauses(r.ctx)
	if err != nil {
		return err
	}
	return r.printPauses(got)
}

func (r *run) printPauses(p wire.Pauses) error {
	return r.Print(p, func(w io.Writer) {
		if len(p.Items) == 0 {
			fmt.Fprintln(w, "nothing is halted")
			return
		}
		var rows [][]string
		for _, i := range p.Items {
			every, both := i.Tenant, i.Channel
			if every == "" {
				every = "every one"
			}
			if both == "" {
				both = "both"
			}
			rows = append(rows, []string{every, both, i.Actor, ctl.When(i.At)})
		}
		ctl.Table(w, []string{"MUNICIPALITY", "CHANNEL", "BY", "SINCE"}, rows)
	})
}
