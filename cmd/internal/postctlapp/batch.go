package postctlapp

import (
	"context"
	"fmt"
	"io"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

type batchCheck struct {
	Table     string `arg:"" help:"CSV file (key, id, name, address lines, title, document) or .jsonl with one line of the API on each line."`
	Documents string `placeholder:"DIR" help:"Directory of the PDFs; without it they are not looked at."`
	Paper     string `placeholder:"WINDOW" enum:",cover,overprint,document" default:"" help:"Look at the PDFs as paper behind this window: cover, overprint or document."`
	Offline   bool   `help:"Ask nobody, not even desk whether registered post is offered."`
	Now       string `hidden:"" help:"The day to check from; today."`
}

// Run checks the table and prints every fault. Desk is asked only when a line wants
// registered post; whether it is offered stays open when desk cannot be asked, and
// that is said: the check is of the table, and goes on without.
func (c *batchCheck) Run(r *run) error {
	now, err := today(c.Now)
	if err != nil {
		return err
	}
	judges := []judge{late(now, post.LetterTimes{})}
	if c.Paper != "" {
		look, err := paper(r, c.Paper)
		if err != nil {
			return err
		}
		judges = []judge{look, judges[0]}
	}
	t, err := read(r, c.Table, c.Documents, judges...)
	if err != nil {
		return err
	}
	defer t.close()
	c.offered(r, t)
	return r.verdict(t, ctl.NeedsPerson)
}

// offered holds lines that want registered post to what desk says of it.
func (c *batchCheck) offered(r *run, t *table) {
	if len(t.registered) == 0 {
		return
	}
	why := "desk was not asked"
	if !c.Offline && r.desk != (desk{}) {
		d, err := r.dial()
		if err == nil {
			defer d.Close()
			var times wire.Times
			if times, err = d.Times(r.ctx); err == nil {
				if !times.Registered {
					t.unoffered()
				}
				return
			}
		}
		why = "desk does not say: " + err.Error()
	}
	r.Say("whether registered post is offered was not checked; %s", why)
}

// verdict prints what was found, and fails with exit when anything is wrong.
func (r *run) verdict(t *table, exit int) error {
	wrong, whole := t.Faults.wrong()
	what, are := ctl.Count(wrong, "row"), " are wrong"
	switch {
	case whole:
		what, are = "the table as a whole", " is wrong"
	case wrong == 1:
		are = " is wrong"
	}
	err := r.printLong(map[string]any{"lines": t.Lines, "wrong": wrong}, "faults", func(emit func(any) error) error {
		for f := range t.Faults.all() {
			if err := emit(f); err != nil {
				return err
			}
		}
		return nil
	}, func(w io.Writer) error {
		t.Faults.print(w)
		is := " wrong"
		if whole {
			is = are
		}
		_, err := fmt.Fprintf(w, "%s read, %s%s\n", ctl.Count(t.Lines, "letter"), what, is)
		return err
	})
	if err != nil || wrong == 0 {
		return err
	}
	return &ctl.Hint{Err: fmt.Errorf("%s%s; nothing was sent", what, are), Hint: "correct what is listed and run it again", Exit: exit}
}

type batchApprove struct {
	ID string `arg:"" help:"Id of the batch."`
}

// Run releases the batch.
func (c *batchApprove) Run(r *run) error {
	return r.batch(c.ID, (*client.Client).ApproveBatch, func(w io.Writer, b wire.Batch) {
		fmt.Fprintf(w, "batch %s %s: %s\n", b.ID, b.State, counts(b))
		if b.State == "approved" && b.Canary > 0 {
			r.Say("%s; the rest waits for: postctl batch continue %s", first(b.Canary), b.ID)
		}
		r.Say("next: postctl batch watch %s", b.ID)
	})
}

// first names the canary: its letters are the first lines.
func first(n int) string {
	if n == 1 {
		return "the first letter goes now"
	}
	return fmt.Sprintf("the first %d letters go now", n)
}

func (r *run) batch(id string, do func(*client.Client, context.Context, string) (wire.Batch, error), plain func(io.Writer, wire.Batch)) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	b, err := do(d, r.ctx, id)
	if err != nil {
		return err
	}
	return r.Print(b, func(w io.Writer) { plain(w, b) })
}

type batchShow struct {
	ID      string `arg:"" help:"Id of the batch."`
	Letters bool   `help:"List every letter."`
	State   string `placeholder:"STATE" help:"List the letters in one state, such as needs-person."`
}

// Run prints where the batch stands.
func (c *batchShow) Run(r *run) error {
	if c.Letters || c.State != "" {
		return c.letters(r)
	}
	return r.batch(c.ID, (*client.Client).Batch, func(w io.Writer, b wire.Batch) {
		fmt.Fprintf(w, "batch            %s\nmunicipality     %s\nstate            %s\nletters          %d\nsubmitted by     %s\n", b.ID, b.Tenant, b.State, b.Lines, b.Submitter)
		if b.Approver != "" {
			fmt.Fprintf(w, "approved by      %s\n", b.Approver)
		}
		signing := "each letter"
		if b.Policy == "batch" {
			signing = map[bool]string{true: "the batch, done", false: "the batch, after approval"}[b.Signed]
		}
		fmt.Fprintf(w, "signature        %s\n", signing)
		for _, f := range []struct {
			is   bool
			text string
		}{
			{b.Urgent, "urgent"}, {b.Paused, "paused; go on with: postctl batch resume " + b.ID},
			{b.Waiting > 0, verdictAwaited(b)},
		} {
			if f.is {
				fmt.Fprintln(w, f.text)
			}
		}
		for _, s := range states(b) {
			fmt.Fprintf(w, "%-16s %d\n", s, b.Letters[s])
		}
	})
}
