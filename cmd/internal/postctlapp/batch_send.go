package postctlapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

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
	t, err := read(r, c.Table, c.Documents)
	if err != nil {
		return err
	}
	defer t.close()
	if len(t.Faults.list) > 0 {
		return r.verdict(t, ctl.Failed)
	}
	if c.Canary < 0 || c.Canary > t.Lines {
		return post.FaultBatchPolicy.At("a canary of %d, %s", c.Canary, ctl.Count(t.Lines, "letter"))
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
		return c.broken(r, b, t.translate(err))
	}
	repeated := b.Repeated && b.State != "receiving" && b.State != "open" && b.State != "closing"
	if !repeated {
		if b, err = r.upload(d, t, b); err != nil {
			return c.broken(r, b, err)
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

// broken says what a sending that was broken off leaves, and returns err.
func (c *batchSend) broken(r *run, b wire.Batch, err error) error {
	if r.ctx.Err() != nil || errors.Is(err, client.ErrUnreachable) {
		if b.ID == "" {
			r.Say("whether desk has this batch is not known; the same command goes on where it stopped")
		} else {
			r.Say("batch %s may not be complete, and nothing of it goes out; the same command goes on where it stopped", b.ID)
		}
	}
	return err
}

// onePiece is how many lines go in one request; more are sent in parts.
const onePiece = batch.PartLines

// open names the batch and sends its lines, read anew, a part at a time. The
// batch that it returns with an error has an id when desk gave it one.
func (c *batchSend) open(r *run, d *client.Client, t *table) (b wire.Batch, err error) {
	o := wire.BatchOpen{Key: c.Key, Policy: c.Policy, Canary: c.Canary, Urgent: c.Urgent}
	if t.Lines <= onePiece {
		err := t.each(r.ctx, func(_ int, l wire.BatchLine, _ int) error { o.Lines = append(o.Lines, l); return nil })
		if err != nil {
			return b, err
		}
		return d.OpenBatch(r.ctx, o)
	}
	o.Announced = t.Lines
	if b, err = d.OpenBatch(r.ctx, o); err != nil {
		return b, err
	}
	p := ctl.NewProgress(r.Env)
	defer p.End()
	part, sent := make([]wire.BatchLine, 0, onePiece), 0
	// A part that is there is sent again: that shows whether the table is
	// still the same, and changes nothing.
	send := func() error {
		if _, err := d.PutLines(r.ctx, b.ID, sent/onePiece+1, part); err != nil {
			return err
		}
		sent += len(part)
		part = part[:0]
		p.Show(sent, t.Lines, "lines")
		return nil
	}
	err = t.each(r.ctx, func(_ int, l wire.BatchLine, _ int) error {
		if part = append(part, l); len(part) < onePiece {
			return nil
		}
		return send()
	})
	if err == nil && len(part) > 0 {
		err = send()
	}
	if err != nil {
		return b, err
	}
	again, err := d.Batch(r.ctx, b.ID)
	again.Repeated = b.Repeated
	if err != nil {
		again = b
	}
	return again, err
}

// upload puts what is missing and closes the batch.
func (r *run) upload(d *client.Client, t *table, b wire.Batch) (wire.Batch, error) {
	p := ctl.NewProgress(r.Env)
	defer p.End()
	all := t.docs.sums.n
	done := max(0, all-len(b.Missing))
	docs, err := t.named(r.ctx, b.Missing)
	if len(b.Missing) == missingAtOnce && !b.Repeated { // more than desk lists, and nothing has been sent before
		docs, done, err = t.documents(r.ctx), 0, nil
	}
	for b.State == "open" {
		if err != nil {
			return b, err
		}
		refused := map[string]int32{} // kinds of faults of documents
		err = d.UploadEach(r.ctx, b.ID, docs, func(doc client.Document, v wire.DocumentPut) {
			if v.State == "refused" {
				refused[doc.SHA256] = t.Faults.said(lineFault{Code: v.Code, Message: v.Message, Cure: v.Cure})
				return
			}
			done++
			p.Show(min(done, all), all, "documents")
		})
		if err != nil {
			return b, err
		}
		if len(refused) > 0 { // not closed: nothing is sent
			p.End()
			if err := t.blame(r.ctx, refused); err != nil {
				return b, err
			}
			return b, r.verdict(t, ctl.Failed)
		}
		closed, failed := d.CloseBatch(r.ctx, b.ID)
		if missing := (&client.Problem{}); errors.As(failed, &missing) && missing.Code == post.FaultDocumentsMissing.Code {
			// Missing lists a thousand at a time.
			if closed, failed = d.Batch(r.ctx, b.ID); failed == nil && len(closed.Missing) == 0 {
				return b, missing
			}
		}
		if failed != nil {
			return b, failed
		}
		b = closed
		docs, err = t.named(r.ctx, b.Missing)
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

// blame puts refused documents down to every line that has one of them.
func (t *table) blame(ctx context.Context, refused map[string]int32) error {
	return t.each(ctx, func(n int, l wire.BatchLine, _ int) error {
		if kind, ok := refused[l.SHA256]; ok {
			t.Faults.note(n, kind, 0)
		}
		return nil
	})
}

// missingAtOnce is how many missing documents desk lists at a time.
const missingAtOnce = 1000

// documents are all documents, in the order of the lines; nothing is looked at
// before it is its turn.
func (t *table) documents(ctx context.Context) iter.Seq2[client.Document, error] {
	return func(yield func(client.Document, error) bool) {
		stop := errors.New("enough")
		next := 0 // documents are numbered in the order of the lines
		err := t.each(ctx, func(_ int, l wire.BatchLine, doc int) error {
			if doc < next {
				return nil
			}
			next = doc + 1
			d, err := t.file(l.SHA256, l.Document)
			if !yield(d, err) || err != nil {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(client.Document{}, err)
		}
	}
}

// named are the documents of at most missingAtOnce digests.
func (t *table) named(ctx context.Context, sums []string) (iter.Seq2[client.Document, error], error) {
	if len(sums) == 0 {
		return client.Documents(nil), nil
	}
	names := make(map[string]string, len(sums))
	for _, sum := range sums {
		names[sum] = ""
	}
	err := t.each(ctx, func(_ int, l wire.BatchLine, _ int) error {
		if name, wanted := names[l.SHA256]; wanted && name == "" {
			names[l.SHA256] = l.Document
		}
		return nil
	})
	docs := make([]client.Document, 0, len(sums))
	for _, sum := range sums {
		if err != nil {
			break
		}
		var d client.Document
		d, err = t.file(sum, names[sum])
		docs = append(docs, d)
	}
	return client.Documents(docs), err
}

// file is a document in the folder; name is "" when no line has it. It is not
// opened before it is its turn.
func (t *table) file(sum, name string) (client.Document, error) {
	path := filepath.Join(t.docs.dir, name)
	info, err := os.Stat(path)
	if err != nil || name == "" {
		return client.Document{}, &ctl.Hint{Err: fmt.Errorf("a document that the batch needs is not in the folder (sha256 %s)", sum),
			Hint: "give the folder that the batch was first sent with"}
	}
	return client.Document{SHA256: sum, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) }}, nil
}

// translate turns the numbers of lines in a refusal into lines of the file.
func (t *table) translate(err error) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return err
	}
	var at []int32 // line of the file, for each line
	// A table that cannot be read any more leaves the numbers as desk gave them.
	_ = t.each(context.Background(), func(n int, _ wire.BatchLine, _ int) error { //nolint:errcheck // as above
		at = append(at, int32(n)) //nolint:gosec // a table has at most 128 MB
		return nil
	})
	for i := range p.Errors {
		p.Errors[i].Location = place(at, p.Errors[i].Location)
	}
	p.Detail = place(at, p.Detail)
	return p
}

func place(at []int32, s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		n, err := strconv.Atoi(strings.TrimSuffix(w, ","))
		if err == nil && i > 0 && strings.HasPrefix(words[0], "line") && n >= 1 && n <= len(at) {
			words[i] = strings.Replace(w, strconv.Itoa(n), strconv.Itoa(int(at[n-1])), 1)
		}
	}
	return strings.Join(words, " ")
}
