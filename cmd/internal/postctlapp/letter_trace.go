package postctlapp

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

type letterTrace struct {
	ID   string        `arg:"" help:"Id of the letter, or its reference (SP-...)."`
	Wait time.Duration `default:"45s" help:"How long to wait for the answer."`
}

// traceEvery is how often the answer is asked for.
const traceEvery = 500 * time.Millisecond

// Run asks the letter's carriers and prints what they tell beside what we know.
func (c *letterTrace) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	asked, err := d.AskTrace(r.ctx, c.ID)
	if err != nil {
		return err
	}
	var got wire.Trace
	for until := time.Now().Add(c.Wait); ; {
		if got, err = d.Trace(r.ctx, c.ID, asked.ID); err != nil {
			return err
		}
		if got.Done {
			break
		}
		if time.Now().After(until) {
			return &ctl.Hint{Err: errors.New("no dispatcher has asked the carriers yet"), Exit: ctl.Running, Hint: "see that a dispatcher runs, then ask again; nothing was changed"}
		}
		select {
		case <-r.ctx.Done():
			return r.ctx.Err()
		case <-time.After(traceEvery):
		}
	}
	own, err := d.LetterEvents(r.ctx, c.ID)
	if err != nil {
		return err
	}
	out := struct {
		wire.Trace
		Events []wire.Event `json:"events"`
	}{got, own.Items}
	return r.Print(out, func(w io.Writer) { printTrace(w, got, own.Items) })
}

// printTrace writes both accounts in the order of time.
func printTrace(w io.Writer, got wire.Trace, own []wire.Event) {
	if len(got.Told) == 0 {
		fmt.Fprintln(w, "it was given to no carrier yet")
	}
	type line struct {
		at                time.Time
		by, what, outcome string
	}
	var lines []line
	for _, e := range own {
		lines = append(lines, line{e.At, "here", e.Kind, e.Outcome})
	}
	for _, t := range got.Told {
		fmt.Fprintf(w, "%-12s %s: %s\n", ctl.Line(t.Carrier), ctl.Line(t.MessageID), ctl.Line(t.Says))
		for _, s := range t.Steps {
			lines = append(lines, line{s.At, t.Carrier, s.Tag, t.MessageID})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at.UnixMicro(), b.at.UnixMicro()) })
	fmt.Fprintln(w)
	var rows [][]string
	for _, l := range lines {
		rows = append(rows, []string{ctl.When(l.at), l.by, l.what, l.outcome})
	}
	ctl.Table(w, []string{"TIME", "BY", "STEP", "OUTCOME"}, rows)
}
