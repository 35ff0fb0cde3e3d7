package chaosapp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/persona"
	"sikkerpost.dk/gateway/internal/post"
)

// recipients: every fifth letter goes to somebody who is exempt.
var recipients = []string{"nancy", "aisha", "mette", "jens", "poul"}

// batchLines is how many letters one batch carries.
const batchLines = 50

// senders is how many callers send at once.
const senders = 4

// sendAll sends every letter: odd runs of batchLines as a batch, even ones one
// by one. It never runs ahead of the breaking, so that all of it happens while
// letters are under way.
func (r *run) sendAll(ctx context.Context) error {
	runs := (r.o.Letters + batchLines - 1) / batchLines
	next := make(chan int)
	failed := make(chan error, senders)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for n := range next {
				if err := r.sendRun(ctx, n); err != nil {
					failed <- err
					stop()
					return
				}
			}
		})
	}
	for n := range runs {
		// The k-th part of the letters waits until the k-th part is broken.
		allowed := func() bool { return r.broken.Load()+1 >= int64(n*r.plan()/runs) }
		if err := until(ctx, r.o.Within, "the breaking to keep up", allowed); err != nil {
			break
		}
		select {
		case next <- n:
		case <-ctx.Done():
		}
	}
	close(next)
	all.Wait()
	close(failed)
	return <-failed
}

// sendRun sends the letters of one run.
func (r *run) sendRun(ctx context.Context, n int) error {
	from := n * batchLines
	to := min(from+batchLines, r.o.Letters)
	r.begun.Add(int64(to - from))
	if n%2 == 1 {
		return r.sendBatch(ctx, n, from, to)
	}
	for i := from; i < to; i++ {
		if err := r.sendOne(ctx, r.as(n).caller, i); err != nil {
			return fmt.Errorf("send letter %d: %w", i, err)
		}
	}
	return nil
}

func keyOf(i int) string { return fmt.Sprintf("chaos-%06d", i) }

func partyOf(i int) wire.Party {
	p, _ := persona.By(recipients[i%len(recipients)])
	return wire.Party{IDType: "CPR", ID: p.CPR, Name: p.Name, Address: p.Address}
}

func (r *run) sendOne(ctx context.Context, caller *client.Client, i int) error {
	l := wire.Letter{Key: keyOf(i), Title: "Afgørelse", Recipient: partyOf(i), Documents: []wire.Document{{Filename: "afgoerelse.pdf"}}}
	b := decision(i)
	file := client.File{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
	var got wire.LetterReceipt
	err := r.insist(ctx, "letter-"+l.Key, func(ctx context.Context) (err error) {
		got, err = caller.SubmitLetter(ctx, l, []client.File{file})
		return err
	})
	if err != nil {
		return err
	}
	r.told(r.letters, l.Key, got.ID)
	return nil
}

// told keeps what a caller was told. An id that changes is a letter too many.
func (r *run) told(to map[string]string, key, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := to[key]; ok && was != id {
		r.changed.Add(1)
	}
	to[key] = id
}

func (r *run) sendBatch(ctx context.Context, n, from, to int) error {
	as := r.as(n)
	id, err := r.submit(ctx, as, wire.BatchOpen{Key: fmt.Sprintf("chaos-batch-%04d", n)}, from, to, decision)
	if err != nil {
		return fmt.Errorf("send batch %d: %w", n, err)
	}
	if n%4 == 1 && !r.goesByKombi(n) {
		if n%8 == 5 { // others are paused before the first of theirs
			if err := r.untilBegun(ctx, id, 1); err != nil {
				return err
			}
		}
		if _, err := r.pauseBatch(ctx, id); err != nil {
			return fmt.Errorf("pause batch %d: %w", n, err)
		}
	}
	return r.readBatch(ctx, as.caller, id, from, r.letters)
}

// submit opens a batch of those letters, brings its documents, closes it and has
// it approved.
func (r *run) submit(ctx context.Context, as hands, open wire.BatchOpen, from, to int, document func(int) []byte) (id string, err error) {
	key := open.Key
	bodies := map[string][]byte{}
	for i := from; i < to; i++ {
		b := document(i)
		sum := sha256.Sum256(b)
		digest := hex.EncodeToString(sum[:])
		bodies[digest] = b
		open.Lines = append(open.Lines, wire.BatchLine{Key: keyOf(i), Title: "Afgørelse", Recipient: partyOf(i), Document: "afgoerelse.pdf", SHA256: digest})
	}
	var batch wire.Batch
	err = r.insist(ctx, key+"-open", func(ctx context.Context) (err error) {
		batch, err = as.caller.OpenBatch(ctx, open)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	for digest, b := range bodies {
		if err := r.insist(ctx, key+"-"+digest, func(ctx context.Context) error {
			return as.caller.PutDocument(ctx, batch.ID, digest, int64(len(b)), bytes.NewReader(b))
		}); err != nil {
			return "", fmt.Errorf("put a document: %w", err)
		}
	}
	if err := r.insist(ctx, key+"-close", func(ctx context.Context) error {
		_, err := as.caller.CloseBatch(ctx, batch.ID)
		return err
	}); err != nil {
		return "", fmt.Errorf("close: %w", err)
	}
	if err := r.insist(ctx, key+"-approve", func(ctx context.Context) error {
		_, err := as.approver.ApproveBatch(ctx, batch.ID)
		return err
	}); err != nil {
		return "", fmt.Errorf("approve: %w", err)
	}
	return batch.ID, nil
}

// readBatch learns the ids of a batch's letters.
func (r *run) readBatch(ctx context.Context, caller *client.Client, id string, from int, to map[string]string) error {
	return r.eachOf(ctx, caller, id, func(l wire.LetterView) { r.told(to, keyOf(from+l.Line-1), l.ID) })
}

// eachOf goes through the letters of a batch.
func (r *run) eachOf(ctx context.Context, caller *client.Client, id string, do func(wire.LetterView)) error {
	for after := ""; ; {
		var page wire.BatchLetters
		if err := r.insist(ctx, "", func(ctx context.Context) (err error) {
			page, err = caller.BatchLetters(ctx, id, after, 500)
			return err
		}); err != nil {
			return fmt.Errorf("read batch %s: %w", id, err)
		}
		for _, l := range page.Items {
			do(l)
		}
		if page.Next == "" {
			return nil
		}
		after = page.Next
	}
}

// insist repeats a call with the same Idempotency-Key until desk has answered
// it, as a case system does that was told that repeating is safe. A key that a
// killed desk still claims it replaces: the letter's own key protects it then.
func (r *run) insist(ctx context.Context, key string, call func(context.Context) error) error {
	for busy := 0; ; {
		tried, cancel := context.WithTimeout(ctx, 30*time.Second)
		if key != "" {
			tried = client.WithKey(tried, fmt.Sprintf("%s-%d", key, busy/10))
		}
		err := call(tried)
		cancel()
		var p *client.Problem
		passing := errors.Is(err, client.ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) ||
			errors.As(err, &p) && (p.Status >= 500 || p.Code == post.FaultKeyBusy.Code)
		if !passing {
			return err
		}
		if p != nil && p.Code == post.FaultKeyBusy.Code {
			busy++
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// decision is a small PDF that no other letter has.
func decision(i int) []byte {
	text := fmt.Sprintf("BT /F1 18 Tf 72 720 Td (Decision %06d) Tj ET", i)
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b strings.Builder
	b.WriteString("%PDF-1.7\n")
	var at []int
	for n, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n+1, o)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table)
	return []byte(b.String())
}
