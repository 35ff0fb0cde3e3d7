package postctlapp

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

type batchContinue struct {
	ID string `arg:"" help:"Id of the batch."`
}

// Run releases the rest after the canary.
func (c *batchContinue) Run(r *run) error {
	return r.batch(c.ID, (*client.Client).ContinueBatch, func(w io.Writer, b wire.Batch) {
		if b.Paused {
			fmt.Fprintf(w, "batch %s is released, and paused: %s\n", b.ID, counts(b))
			r.Say("nothing is handed over yet; next: postctl batch resume %s", b.ID)
			return
		}
		fmt.Fprintf(w, "batch %s goes on: %s\n", b.ID, counts(b))
	})
}

type batchPause struct {
	ID string `arg:"" help:"Id of the batch."`
}

// Run holds the batch.
func (c *batchPause) Run(r *run) error {
	return r.batch(c.ID, (*client.Client).PauseBatch, func(w io.Writer, b wire.Batch) {
		fmt.Fprintf(w, "batch %s paused: %s\n", b.ID, counts(b))
		fmt.Fprint(w, underWay(b))
		r.Say("no hand-over begins any more, and what a carrier has goes on; next: postctl batch resume %s, or postctl batch stop %s", b.ID, b.ID)
	})
}

type batchResume struct {
	ID string `arg:"" help:"Id of the batch."`
}

// Run lets the batch go on.
func (c *batchResume) Run(r *run) error {
	return r.batch(c.ID, (*client.Client).ResumeBatch, func(w io.Writer, b wire.Batch) {
		fmt.Fprintf(w, "batch %s goes on: %s\n", b.ID, counts(b))
	})
}

type batchStop struct {
	ID string `arg:"" help:"Id of the batch."`
}

// Run cancels what can be cancelled and says what could not.
func (c *batchStop) Run(r *run) error {
	return r.batch(c.ID, (*client.Client).StopBatch, func(w io.Writer, b wire.Batch) {
		var cancelled, open, gone int
		var rest []string
		for _, s := range states(b) {
			switch n := b.Letters[s]; post.LetterState(s) {
			case post.LetterCancelled:
				cancelled += n
			case post.LetterHeld, post.LetterReady, post.LetterSigned, post.LetterAwaitingLookup, post.LetterRouted, post.LetterNotTaken:
				open += n
			default:
				gone += n
				rest = append(rest, fmt.Sprintf("%s %d", s, n))
			}
		}
		fmt.Fprintf(w, "batch %s %s: %s cancelled, %d could not be\n", b.ID, b.State, ctl.Count(cancelled, "letter"), gone)
		if open > 0 {
			fmt.Fprintf(w, "being cancelled: %d, of which none is handed over any more\n", open)
		}
		if len(rest) > 0 {
			fmt.Fprintf(w, "beyond recall: %s\n", strings.Join(rest, ", "))
		}
		fmt.Fprint(w, underWay(b))
	})
}

// underWay says of how many letters a halt was too late to know: a carrier was
// being spoken with, or its answer was lost.
func underWay(b wire.Batch) string {
	n := b.Letters[string(post.LetterHandingOver)] + b.Letters[string(post.LetterOutcomeUnknown)]
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("under way at that moment: %d (being handed over, or the answer is unclear); they may still arrive\n", n)
}

type batchReport struct {
	ID  string `arg:"" help:"Id of the batch."`
	Out string `default:"-" placeholder:"FILE" help:"Where to write the CSV; - is stdout. Nothing is overwritten."`
}

// Run writes one line for each letter, a page at a time.
func (c *batchReport) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	if c.Out == "-" {
		_, err := report(r, d, c.ID, r.Stdout, func(int) {})
		return err
	}
	show, end, err := r.reported(d, c.ID)
	if err != nil {
		return err
	}
	defer end()
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &ctl.Hint{Err: err, Hint: "choose a name that is free"}
	}
	n, err := report(r, d, c.ID, f, show)
	end()
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		os.Remove(c.Out) //nolint:errcheck // half a report is none; the failure before matters more
		return err
	}
	return r.Print(map[string]any{"id": c.ID, "file": c.Out, "letters": n}, func(w io.Writer) {
		fmt.Fprintf(w, "%s (%s)\n", c.Out, ctl.Count(n, "letter"))
	})
}

// cell writes s as a cell that a spreadsheet shows and never runs. What carriers
// say is among what reports hold, and reports are opened in spreadsheets: a value
// that begins like a formula gets an apostrophe, which marks text there.
func cell(s string) string {
	s = ctl.Line(s)
	if formula(s) {
		return "'" + s
	}
	return s
}

// report writes the letters in the order of their ids, which is that of their
// lines within each part.
func report(r *run, d *client.Client, id string, out io.Writer, show func(n int)) (n int, err error) {
	w := csv.NewWriter(out)
	heads := []string{"line", "letter", "reference", "state", "channel", "reason", "message", "tracking", "accepted_at", "available_at", "registered"}
	if err := w.Write(heads); err != nil {
		return 0, err
	}
	for v, err := range r.letters(d, id, "") {
		if err != nil {
			return n, err
		}
		n++
		row := []string{strconv.Itoa(v.Line), v.ID, v.Reference, v.State, v.Channel, v.Code, v.MessageID, v.Tracking,
			ctl.When(v.AcceptedAt), ctl.When(v.AvailableAt), map[bool]string{true: "yes"}[v.Registered]}
		for i, s := range row {
			row[i] = cell(s)
		}
		if err := w.Write(row); err != nil {
			return n, err
		}
		show(n)
	}
	w.Flush()
	return n, w.Error()
}
