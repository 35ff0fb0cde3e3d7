package batch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// step is how many lines one transaction takes; beyond 100 the gain flattens
// on both engines (DESIGN 6).
const step = 100

// Open takes the lines of a batch and answers which documents are missing. Key
// is the caller's own name of the batch; the same key and lines are the same
// batch. All faulty lines are reported together.
func (d *Desk) Open(ctx context.Context, tenant post.TenantID, client post.ClientID, key string, lines []Line) (View, error) {
	if !d.tenants[tenant] {
		return View{}, post.FaultTenant
	}
	if err := letter.CheckKey(key, post.FaultBatchKey); err != nil {
		return View{}, err
	}
	if len(lines) < 1 || len(lines) > MaxLines {
		return View{}, post.FaultBatchSize.At("%d lines", len(lines))
	}
	o := Opened{ID: post.BatchID(post.NewID()), Tenant: tenant, Client: client, Key: seal.Index(d.IndexKey, tenant, "batch-key", key)}
	contents, err := check(lines)
	if err != nil {
		return View{}, err
	}
	dataKey, err := d.keys.Current(ctx)
	if err != nil {
		return View{}, fmt.Errorf("open batch: %w", err)
	}
	all := sha256.New()
	for i, line := range lines {
		r := letter.NormalRecipient(line.Recipient)
		l := SealedLine{N: i + 1, Letter: post.LetterID(post.NewID()), Reference: post.NewReference(),
			Key: letter.KeyIndex(d.IndexKey, tenant, line.Key), Document: contents[i].Documents[0].SHA256}
		if l.Digest, err = letter.Digest(d.IndexKey, tenant, &r, "", contents[i]); err != nil {
			return View{}, fmt.Errorf("open batch: %w", err)
		}
		all.Write(l.Key)
		all.Write(l.Digest)
		if l.Recipient, err = letter.SealJSON(r, dataKey); err != nil {
			return View{}, fmt.Errorf("open batch: %w", err)
		}
		if l.Content, err = letter.SealJSON(contents[i], dataKey); err != nil {
			return View{}, fmt.Errorf("open batch: %w", err)
		}
		o.Lines = append(o.Lines, l)
	}
	o.Digest = all.Sum(nil)
	v, err := d.Store.OpenBatch(ctx, o)
	if err != nil {
		return View{}, fmt.Errorf("open batch: %w", err)
	}
	if !v.Repeated {
		d.Log.InfoContext(ctx, "batch opened", slog.String("batch", string(v.ID)), slog.Int("lines", v.Lines))
	}
	return v, nil
}

// check validates every line and joins all faults, each naming its line.
func check(lines []Line) ([]letter.Content, error) {
	var faults []error
	contents := make([]letter.Content, len(lines))
	seen := make(map[string]int, len(lines))
	for i, line := range lines {
		fail := func(err error) {
			var f *post.Fault
			if errors.As(err, &f) {
				err = f.At("line %d", i+1)
			}
			faults = append(faults, err)
		}
		if err := letter.CheckKey(line.Key, post.FaultLetterKey); err != nil {
			fail(err)
		} else if first, twice := seen[line.Key]; twice {
			faults = append(faults, post.FaultLineKeyTwice.At("lines %d and %d", first, i+1))
		} else {
			seen[line.Key] = i + 1
		}
		if err := letter.CheckTitle(line.Title); err != nil {
			fail(err)
		}
		if err := letter.CheckRecipient(line.Recipient); err != nil {
			fail(err)
		}
		doc, err := letter.Describe(line.Filename, "", "", line.Language)
		if err != nil {
			fail(err)
		}
		digest, ok := letter.ParseDigest(line.SHA256)
		if !ok {
			fail(post.FaultLineDigest)
		}
		doc.SHA256 = digest
		contents[i] = letter.NewContent(line.Title, []letter.ContentDocument{doc})
	}
	return contents, errors.Join(faults...)
}

// PutDocument takes one document that the batch waits for: sha256 is what its
// lines announce. Bytes with another digest are refused. A document that is
// here already is left as it is.
func (d *Desk) PutDocument(ctx context.Context, tenant post.TenantID, id post.BatchID, digest string, r io.Reader) error {
	digest, ok := letter.ParseDigest(digest)
	if !ok {
		return post.FaultLineDigest
	}
	v, err := d.Store.BatchView(ctx, tenant, id)
	if err != nil {
		return fmt.Errorf("put document into batch %s: %w", id, err)
	}
	if v.State != Open {
		return post.FaultBatchState
	}
	b, err := letter.ReadPDF(r)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != digest {
		return post.FaultDocumentDigest
	}
	key, err := d.keys.Current(ctx)
	if err != nil {
		return fmt.Errorf("put document into batch %s: %w", id, err)
	}
	sealed, err := letter.SealBytes(ctx, d.Blobs, key, b)
	if err != nil {
		return fmt.Errorf("put document into batch %s: %w", id, err)
	}
	if err := d.Store.PutBatchDocument(ctx, tenant, id, digest, sealed); err != nil {
		return fmt.Errorf("put document into batch %s: %w", id, err)
	}
	return nil
}

// Close turns every line into a held letter. It refuses while documents are
// missing. After a crash it goes on where it stopped; a closed batch is
// answered as it stands.
func (d *Desk) Close(ctx context.Context, tenant post.TenantID, id post.BatchID, client post.ClientID) (View, error) {
	for {
		left, err := d.Store.CloseBatch(ctx, tenant, id, step)
		if err != nil {
			return View{}, fmt.Errorf("close batch %s: %w", id, err)
		}
		if left == 0 {
			break
		}
	}
	d.Log.InfoContext(ctx, "batch closed", slog.String("batch", string(id)), slog.String("client", string(client)))
	return d.Show(ctx, tenant, id)
}

// Approve releases the letters of a closed batch. The approver must be another
// than the submitter. The approval is one committed fact; letters follow in
// steps, here and, after a crash, in the dispatcher.
func (d *Desk) Approve(ctx context.Context, tenant post.TenantID, id post.BatchID, approver post.ClientID) (View, error) {
	if approver == "" {
		return View{}, post.FaultSecondPerson
	}
	for {
		left, err := d.Store.ApproveBatch(ctx, tenant, id, approver, step)
		if err != nil {
			return View{}, fmt.Errorf("approve batch %s: %w", id, err)
		}
		if left == 0 {
			break
		}
	}
	d.Log.InfoContext(ctx, "batch approved", slog.String("batch", string(id)), slog.String("approver", string(approver)))
	return d.Show(ctx, tenant, id)
}

// Show returns a batch with its letters counted by state.
func (d *Desk) Show(ctx context.Context, tenant post.TenantID, id post.BatchID) (View, error) {
	v, err := d.Store.BatchView(ctx, tenant, id)
	if err != nil {
		return View{}, fmt.Errorf("show batch %s: %w", id, err)
	}
	return v, nil
}
