package postctlapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
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
	t, err := read(c.Table, c.Documents)
	if err != nil {
		return err
	}
	if c.Paper != "" {
		if err := t.paper(r.ctx, c.Paper); err != nil {
			return err
		}
	}
	now, err := today(c.Now)
	if err != nil {
		return err
	}
	t.late(now, post.LetterTimes{})
	c.offered(r, t)
	return r.verdict(t, ctl.NeedsPerson)
}

// offered holds lines that want registered post to what desk says of it.
func (c *batchCheck) offered(r *run, t *table) {
	if !slices.ContainsFunc(t.Lines, func(l wire.BatchLine) bool { return l.Registered }) {
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
	wrong, whole := map[int]bool{}, false
	for _, f := range t.Faults {
		wrong[f.Line] = true
		whole = whole || f.Line == 0
	}
	what, are := ctl.Count(len(wrong), "row"), " are wrong"
	switch {
	case whole:
		what, are = "the table as a whole", " is wrong"
	case len(wrong) == 1:
		are = " is wrong"
	}
	if t.Faults == nil {
		t.Faults = []lineFault{}
	}
	out := map[string]any{"lines": len(t.Lines), "wrong": len(wrong), "faults": t.Faults}
	err := r.Print(out, func(w io.Writer) {
		t.print(w)
		is := " wrong"
		if whole {
			is = are
		}
		fmt.Fprintf(w, "%s read, %s%s\n", ctl.Count(len(t.Lines), "letter"), what, is)
	})
	if err != nil || len(wrong) == 0 {
		return err
	}
	return &ctl.Hint{Err: fmt.Errorf("%s%s; nothing was sent", what, are), Hint: "correct what is listed and run it again", Exit: exit}
}

type batchSend struct {
	Table     string `arg:"" help:"CSV file (key, id, name, address lines, title, document) or .jsonl."`
	Documents string `required:"" placeholder:"DIR" help:"Directory of the PDFs."`
	Key       string `required:"" help:"Your own key of this batch; the same key and table are the same batch."`
	Policy    string `enum:"letter,batch," default:"" help:"What one signature covers: each letter, or the batch. Your municipality's when absent."`
	Canary    int    `help:"Letters that approval releases first; the rest waits for postctl batch continue."`
	Urgent    bool   `help:"Breach notifications: a lane of their own."`
	DryRun    bool   `help:"Only check; send nothing."`
}

// Run submits the batch: lines, then missing documents, then close. Each step
// may be repeated, so an interrupted run goes on where it stopped.
func (c *batchSend) Run(r *run) error {
	if err := letter.CheckKey(c.Key, post.FaultBatchKey); err != nil {
		return err
	}
	t, err := read(c.Table, c.Documents)
	if err != nil {
		return err
	}
	if len(t.Faults) > 0 {
		return r.verdict(t, ctl.Failed)
	}
	if c.Canary < 0 || c.Canary > len(t.Lines) {
		return post.FaultBatchPolicy.At("a canary of %d, %s", c.Canary, ctl.Count(len(t.Lines), "letter"))
	}
	if c.DryRun {
		err := r.verdict(t, ctl.Failed)
		r.Say("nothing was sent; the same without -dry-run sends it")
		return err
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	b, err := c.open(r, d, t)
	if err != nil {
		return t.translate(err)
	}
	repeated := b.Repeated && b.State != "receiving" && b.State != "open" && b.State != "closing"
	if !repeated {
		if b, err = r.upload(d, t, b); err != nil {
			return err
		}
	}
	b.Repeated = repeated
	return r.Print(b, func(w io.Writer) {
		if repeated {
			fmt.Fprintf(w, "this batch was sent before; nothing changed: batch %s %s\n", b.ID, b.State)
		} else {
			fmt.Fprintf(w, "batch %s %s, %s held for approval\n", b.ID, b.State, ctl.Count(b.Lines, "letter"))
		}
		if b.State == "closed" {
			r.Say("next, as another person: postctl batch approve %s", b.ID)
		}
	})
}

// onePiece is how many lines go in one request; more are sent in parts.
const onePiece = batch.PartLines

// open names the batch and sends its lines.
func (c *batchSend) open(r *run, d *client.Client, t *table) (wire.Batch, error) {
	o := wire.BatchOpen{Key: c.Key, Policy: c.Policy, Canary: c.Canary, Urgent: c.Urgent}
	if len(t.Lines) <= onePiece {
		o.Lines = t.Lines
		return d.OpenBatch(r.ctx, o)
	}
	o.Announced = len(t.Lines)
	b, err := d.OpenBatch(r.ctx, o)
	if err != nil {
		return b, err
	}
	p := ctl.NewProgress(r.Env)
	defer p.End()
	for first := 0; first < len(t.Lines); first += onePiece {
		some := t.Lines[first:min(first+onePiece, len(t.Lines))]
		// A part that is there is sent again: that shows whether the table is
		// still the same, and changes nothing.
		if _, err := d.PutLines(r.ctx, b.ID, first/onePiece+1, some); err != nil {
			return b, err
		}
		p.Show(first+len(some), len(t.Lines), "lines")
	}
	again, err := d.Batch(r.ctx, b.ID)
	again.Repeated = b.Repeated
	return again, err
}

// upload puts what is missing and closes the batch.
func (r *run) upload(d *client.Client, t *table, b wire.Batch) (wire.Batch, error) {
	p := ctl.NewProgress(r.Env)
	defer p.End()
	all := len(t.Files)
	done := max(0, all-len(b.Missing))
	next := b.Missing
	if len(b.Missing) == missingAtOnce && !b.Repeated { // more than desk lists, and nothing has been sent before
		next, done = t.sums(), 0
	}
	for b.State == "open" {
		docs, err := t.documents(next)
		if err != nil {
			return b, err
		}
		err = d.Upload(r.ctx, b.ID, docs, func(doc client.Document, v wire.DocumentPut) {
			if v.State == "refused" {
				t.blame(doc.SHA256, v)
				return
			}
			done++
			p.Show(min(done, all), all, "documents")
		})
		if err != nil {
			return b, err
		}
		if len(t.Faults) > 0 { // not closed: nothing is sent
			p.End()
			return b, r.verdict(t, ctl.Failed)
		}
		closed, err := d.CloseBatch(r.ctx, b.ID)
		if missing := (&client.Problem{}); errors.As(err, &missing) && missing.Code == post.FaultDocumentsMissing.Code {
			// Missing lists a thousand at a time.
			if closed, err = d.Batch(r.ctx, b.ID); err == nil && len(closed.Missing) == 0 {
				return b, missing
			}
		}
		if err != nil {
			return b, err
		}
		b, next = closed, closed.Missing
	}
	for b.State == "closing" { // a large batch takes several calls
		next, err := d.CloseBatch(r.ctx, b.ID)
		if err != nil {
			return b, err
		}
		b = next
		p.Show(b.Letters[string(post.LetterHeld)], b.Lines, "letters")
	}
	return b, nil
}

// blame puts a refused document down to every line that has it.
func (t *table) blame(sum string, v wire.DocumentPut) {
	for i, l := range t.Lines {
		if l.SHA256 == sum {
			t.Faults = append(t.Faults, lineFault{Line: t.At[i], Code: v.Code, Message: v.Message, Cure: v.Cure})
		}
	}
}

// missingAtOnce is how many missing documents desk lists at a time.
const missingAtOnce = 1000

// sums returns the digests of all documents, in the order of the lines.
func (t *table) sums() []string {
	seen, all := make(map[string]bool, len(t.Files)), make([]string, 0, len(t.Files))
	for _, l := range t.Lines {
		if !seen[l.SHA256] {
			seen[l.SHA256] = true
			all = append(all, l.SHA256)
		}
	}
	return all
}

// documents are the files of digests. No file is opened before it is its turn.
func (t *table) documents(sums []string) ([]client.Document, error) {
	all := make([]client.Document, 0, len(sums))
	for _, sum := range sums {
		info, err := os.Stat(t.Files[sum])
		if err != nil {
			return nil, &ctl.Hint{Err: fmt.Errorf("a document that the batch needs is not in the folder (sha256 %s)", sum),
				Hint: "give the folder that the batch was first sent with"}
		}
		all = append(all, client.Document{SHA256: sum, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(t.Files[sum]) }})
	}
	return all, nil
}

// translate turns the numbers of lines in a refusal into lines of the file.
func (t *table) translate(err error) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return err
	}
	for i := range p.Errors {
		p.Errors[i].Location = t.place(p.Errors[i].Location)
	}
	p.Detail = t.place(p.Detail)
	return p
}

func (t *table) place(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		n, err := strconv.Atoi(strings.TrimSuffix(w, ","))
		if err == nil && i > 0 && strings.HasPrefix(words[0], "line") && n >= 1 && n <= len(t.At) {
			words[i] = strings.Replace(w, strconv.Itoa(n), strconv.Itoa(t.At[n-1]), 1)
		}
	}
	return strings.Join(words, " ")
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
}

// Run prints where the batch stands.
func (c *batchShow) Run(r *run) error {
	if c.Letters {
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

func (c *batchShow) letters(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	all := wire.BatchLetters{Items: []wire.LetterView{}}
	for after := ""; ; {
		page, err := d.BatchLetters(r.ctx, c.ID, after, 0)
		if err != nil {
			return err
		}
		all.Items = append(all.Items, page.Items...)
		if after = page.Next; after == "" {
			break
		}
	}
	slices.SortFunc(all.Items, func(a, b wire.LetterView) int { return a.Line - b.Line })
	return r.Print(all, func(w io.Writer) {
		var rows [][]string
		for _, v := range all.Items {
			rows = append(rows, []string{strconv.Itoa(v.Line), v.ID, v.Reference, v.State, v.Channel, v.Code, v.Tracking, map[bool]string{true: "yes"}[v.Registered]})
		}
		ctl.Table(w, []string{"LETTER", "ID", "REFERENCE", "STATE", "CHANNEL", "REASON", "TRACKING", "REGISTERED"}, rows)
	})
}
