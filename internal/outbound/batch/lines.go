package batch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Open takes the lines of a batch in one piece and answers which documents are
// missing. Key is the caller's own name of the batch; the same key and lines
// are the same batch. All faulty lines are reported together.
func (d *Desk) Open(ctx context.Context, tenant post.TenantID, client post.ClientID, key string, lines []Line, o Options) (View, error) {
	if len(lines) < 1 || len(lines) > MaxLines {
		return View{}, post.FaultBatchSize.At("%d lines", len(lines))
	}
	opened, err := d.opened(tenant, client, key, len(lines), o)
	if err != nil {
		return View{}, err
	}
	contents, err := check(lines, 0)
	if err != nil {
		return View{}, err
	}
	if opened.Lines, opened.Digest, err = d.seal(ctx, tenant, lines, contents, 0); err != nil {
		return View{}, fmt.Errorf("open batch: %w", err)
	}
	opened.Refuse = d.refusal(tenant, lines, 0)
	return d.open(ctx, opened)
}

// Announce names a batch whose count lines will come in parts. The same key
// and count again are the same batch; its Parts say what is here.
func (d *Desk) Announce(ctx context.Context, tenant post.TenantID, client post.ClientID, key string, count int, o Options) (View, error) {
	if count < 1 || count > MaxAnnounced {
		return View{}, post.FaultBatchSize.At("%d lines", count)
	}
	opened, err := d.opened(tenant, client, key, count, o)
	if err != nil {
		return View{}, err
	}
	opened.Digest = seal.Index(d.IndexKey, tenant, "batch-announced", fmt.Sprint(count))
	return d.open(ctx, opened)
}

func (d *Desk) opened(tenant post.TenantID, client post.ClientID, key string, count int, o Options) (Opened, error) {
	t, ok := d.tenants[tenant]
	if !ok {
		return Opened{}, post.FaultTenant
	}
	if err := letter.CheckKey(key, post.FaultBatchKey); err != nil {
		return Opened{}, err
	}
	if o.Policy == "" {
		o.Policy = t.Signing
	}
	if o.Policy == "" {
		o.Policy = post.SignEach
	}
	if !o.Policy.Known() || o.Canary < 0 || o.Canary > count {
		return Opened{}, post.FaultBatchPolicy
	}
	return Opened{Options: o, ID: post.BatchID(d.NewID()), Tenant: tenant, Client: client, Count: count,
		Key: seal.Index(d.IndexKey, tenant, "batch-key", key)}, nil
}

func (d *Desk) open(ctx context.Context, o Opened) (View, error) {
	o.Digest = seal.Index(d.IndexKey, o.Tenant, "batch", fmt.Sprintf("%x %s %t %d", o.Digest, o.Policy, o.Urgent, o.Canary))
	v, err := d.Store.OpenBatch(ctx, o)
	if err != nil {
		return View{}, fmt.Errorf("open batch: %w", err)
	}
	if !v.Repeated {
		d.Log.InfoContext(ctx, "batch opened", slog.String("batch", string(v.ID)), slog.Int("lines", v.Lines))
	}
	return v, nil
}

// PutLines takes part n, from 1, of an announced batch: its lines (n-1)·1,000+1
// and following. The same part again changes nothing; parts may come in any
// order. All faulty lines are reported together, and then none is kept.
func (d *Desk) PutLines(ctx context.Context, tenant post.TenantID, id post.BatchID, n int, lines []Line) (repeated bool, err error) {
	v, err := d.Store.BatchView(ctx, tenant, id)
	if err != nil {
		return false, fmt.Errorf("put lines into batch %s: %w", id, err)
	}
	first := (n - 1) * PartLines
	if want := min(PartLines, v.Lines-first); n < 1 || want < 1 || len(lines) != want {
		return false, post.FaultBatchPart.At("part %d has %d lines", n, len(lines))
	}
	contents, err := check(lines, first)
	if err != nil {
		return false, err
	}
	p := Part{N: n}
	if p.Lines, p.Digest, err = d.seal(ctx, v.Tenant, lines, contents, first); err != nil {
		return false, fmt.Errorf("put lines into batch %s: %w", id, err)
	}
	p.Refuse = d.refusal(v.Tenant, lines, first)
	if repeated, err = d.Store.PutBatchLines(ctx, tenant, id, p); err != nil {
		return false, fmt.Errorf("put lines into batch %s: %w", id, err)
	}
	return repeated, nil
}

// seal draws the ids of lines and seals them. digest is of all of them, keyed.
func (d *Desk) seal(ctx context.Context, tenant post.TenantID, lines []Line, contents []letter.Content, first int) (sealed []SealedLine, digest []byte, err error) {
	key, err := d.keys.Current(ctx)
	if err != nil {
		return nil, nil, err
	}
	all := sha256.New()
	for i, line := range lines {
		r := letter.NormalRecipient(line.Recipient)
		l := SealedLine{N: first + i + 1, Letter: post.LetterID(d.NewID()), Reference: d.NewReference(),
			Key: letter.KeyIndex(d.IndexKey, tenant, line.Key), Document: contents[i].Documents[0].SHA256, Arrive: post.Day(line.Arrive), Registered: line.Registered}
		if l.Digest, err = letter.Digest(d.IndexKey, tenant, letter.Told{Recipient: &r, Content: contents[i], Arrive: l.Arrive, Registered: l.Registered}); err != nil {
			return nil, nil, err
		}
		all.Write(l.Key)
		all.Write(l.Digest)
		if l.Recipient, err = letter.SealJSON(r, key); err != nil {
			return nil, nil, err
		}
		if l.Content, err = letter.SealJSON(contents[i], key); err != nil {
			return nil, nil, err
		}
		sealed = append(sealed, l)
	}
	return sealed, all.Sum(nil), nil
}

// check validates every line and joins all faults, each naming its line, of
// which the first is number first+1.
func check(lines []Line, first int) ([]letter.Content, error) {
	var faults []error
	contents := make([]letter.Content, len(lines))
	seen := make(map[string]int, len(lines))
	for i, line := range lines {
		n := first + i + 1
		fail := func(err error) {
			var f *post.Fault
			if errors.As(err, &f) {
				err = f.At("line %d", n)
			}
			faults = append(faults, err)
		}
		if err := letter.CheckKey(line.Key, post.FaultLetterKey); err != nil {
			fail(err)
		} else if before, twice := seen[line.Key]; twice {
			faults = append(faults, post.FaultLineKeyTwice.At("lines %d and %d", before, n))
		} else {
			seen[line.Key] = n
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
		if _, ok := post.ParseDay(line.Arrive); line.Arrive != "" && !ok {
			fail(post.FaultArriveDay)
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

// refusal names every line that can no longer arrive by its day, or asks for
// registered post where the tenant's carrier offers none; nil when there is
// none. Only new lines are held to it: those that are here already stay.
func (d *Desk) refusal(tenant post.TenantID, lines []Line, first int) error {
	var faults []error
	t := d.tenants[tenant]
	now, times := time.Now(), t.TimesBy("")
	for i, line := range lines {
		_, _, err := letter.CheckArrive(line.Arrive, time.Time{}, now, times)
		var f *post.Fault
		if errors.As(err, &f) {
			faults = append(faults, f.At("line %d", first+i+1))
		}
		if line.Registered && !t.Registered {
			faults = append(faults, post.FaultRegistered.At("line %d", first+i+1))
		}
	}
	return errors.Join(faults...)
}
