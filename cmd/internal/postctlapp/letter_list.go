package postctlapp

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

type letterList struct {
	NeedsPerson bool   `help:"Those that wait for somebody (needs-person, returned), the oldest first."`
	Held        bool   `help:"Those on hold."`
	State       string `placeholder:"STATE" help:"Those in one state, such as handed-over, posted or outcome-unknown."`
	Oldest      bool   `help:"In the order in which they came to their state."`
	Limit       int    `default:"100" help:"At most so many; 0 is all."`
}

// Run lists letters: ids, states and times, nothing of their content.
func (c *letterList) Run(r *run) error {
	if s := post.LetterState(c.State); c.State != "" && !slices.Contains(post.LetterStates(), s) {
		var names []string
		for _, known := range post.LetterStates() {
			names = append(names, string(known))
		}
		return &ctl.Hint{Err: fmt.Errorf("%q is no state of a letter", c.State), Hint: "one of " + strings.Join(names, ", "), Exit: ctl.Misused}
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	all := wire.Letters{Items: []wire.LetterView{}}
	ask := client.Choice{State: c.State, NeedsPerson: c.NeedsPerson, Held: c.Held, Oldest: c.Oldest || c.NeedsPerson}
	for {
		if ask.Limit = 1000; c.Limit > 0 {
			ask.Limit = min(1000, c.Limit-len(all.Items))
		}
		page, err := d.Letters(r.ctx, ask)
		if err != nil {
			return err
		}
		all.Items = append(all.Items, page.Items...)
		all.Next = page.Next
		if ask.After = page.Next; page.Next == "" || c.Limit > 0 && len(all.Items) >= c.Limit {
			break
		}
	}
	return r.Print(all, func(w io.Writer) {
		if len(all.Items) == 0 {
			fmt.Fprintln(w, "no letters")
			return
		}
		var rows [][]string
		for _, v := range all.Items {
			rows = append(rows, []string{v.ID, v.Tenant, v.State, v.Channel, v.Code, age(time.Since(v.Since)), v.ArriveBy, v.Timing, v.Hold})
		}
		ctl.Table(w, []string{"ID", "MUNICIPALITY", "STATE", "CHANNEL", "REASON", "FOR", "ARRIVE BY", "IN TIME", "HOLD"}, rows)
		if all.Next != "" {
			r.Say("there are more: give -limit")
		}
		if c.NeedsPerson {
			r.Say("next: postctl letter explain %s", all.Items[0].ID)
		}
	})
}

// age writes a time span as people say it.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}

type holding struct {
	ID     string `arg:"" help:"Id of the letter."`
	Reason string `required:"" enum:"complaint,lawsuit,supervision,access,investigation" help:"complaint, lawsuit, supervision, access or investigation."`
}

type (
	letterHold   struct{ holding }
	letterUnhold struct{ holding }
)

// Run puts the letter on hold.
func (c *letterHold) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := d.HoldLetter(r.ctx, c.ID, c.Reason)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) {
		fmt.Fprintf(w, "letter %s on hold since %s (%s): nothing of it is purged\n", ctl.Line(got.ID), ctl.When(got.Since), ctl.Line(got.Reason))
	})
}

// Run lifts the hold.
func (c *letterUnhold) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := d.UnholdLetter(r.ctx, c.ID, c.Reason)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) { fmt.Fprintf(w, "letter %s no longer on hold\n", ctl.Line(got.ID)) })
}
