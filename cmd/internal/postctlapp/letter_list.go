package postctlapp

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
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
	Late        bool   `help:"Those that somebody should look at now: they wait for a person, or their carrier is silent, for longer than the municipality allows, their latest day is in danger, or they have been at work for more than a day."`
	Tenant      string `placeholder:"ID" help:"Those of one municipality."`
	Carrier     string `placeholder:"NAME" help:"Those that a carrier has: digitalpost, printhouse or kombipost."`
	Since       string `placeholder:"TIME" help:"Those that came to their state then or later: 2h, 3d, 2026-11-22 or 2026-11-22T03:00."`
	Oldest      bool   `help:"In the order in which they came to their state."`
	Limit       int    `default:"100" help:"At most so many; 0 is all."`
}

// Run lists letters: ids, states and times, nothing of their content.
func (c *letterList) Run(r *run) error {
	if err := knownState(c.State); err != nil {
		return err
	}
	since, err := moment(c.Since, time.Now())
	if err != nil {
		return err
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	all := wire.Letters{Items: []wire.LetterView{}}
	ask := client.Choice{State: c.State, NeedsPerson: c.NeedsPerson, Held: c.Held, Oldest: c.Oldest || c.NeedsPerson || c.Late,
		Late: c.Late, Tenant: c.Tenant, Carrier: c.Carrier, Since: since}
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
		printLetters(w, all.Items, time.Now())
		if all.Next != "" {
			r.Say("there are more: give -limit")
		}
		if c.NeedsPerson || c.Late {
			r.Say("next: postctl letter explain %s", all.Items[0].Reference)
		}
	})
}

// knownState refuses what is no state of a letter; "" is none.
func knownState(s string) error {
	if s == "" || slices.Contains(post.LetterStates(), post.LetterState(s)) {
		return nil
	}
	var names []string
	for _, known := range post.LetterStates() {
		names = append(names, string(known))
	}
	return &ctl.Hint{Err: fmt.Errorf("%q is no state of a letter", s), Hint: "one of " + strings.Join(names, ", "), Exit: ctl.Misused}
}

// printLetters names each letter by its reference, which every command takes and
// which leaves room for the rest on a screen of 80 columns; -json has the ids.
func printLetters(w io.Writer, letters []wire.LetterView, now time.Time) {
	var rows [][]string
	for _, v := range letters {
		rows = append(rows, []string{v.Reference, v.Tenant, v.State, cmp.Or(v.Carrier, v.Channel), v.Code, age(now.Sub(v.Since)), v.ArriveBy, v.Timing, v.Hold})
	}
	heads, rows := filled([]string{"LETTER", "MUNICIPALITY", "STATE", "BY", "REASON", "FOR", "ARRIVE BY", "IN TIME", "HOLD"}, rows)
	ctl.Table(w, heads, rows)
}

// filled leaves out the columns in which no row says anything.
func filled(heads []string, rows [][]string) ([]string, [][]string) {
	var have []string
	out := make([][]string, len(rows))
	for i, head := range heads {
		if !slices.ContainsFunc(rows, func(r []string) bool { return r[i] != "" }) {
			continue
		}
		have = append(have, head)
		for n, r := range rows {
			out[n] = append(out[n], r[i])
		}
	}
	return have, out
}

// moment reads a time as operators write it: how long ago, a day or a minute of
// Danish time, or RFC 3339. "" is none.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 10_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{"2006-01-02", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(form, s, ctl.Copenhagen()); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, &ctl.Hint{Err: fmt.Errorf("%q is no time", s), Hint: "write 2h, 3d, 2026-11-22 or 2026-11-22T03:00", Exit: ctl.Misused}
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
	ID     string `arg:"" help:"Id of the letter, or its reference (SP-...)."`
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
