package batch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// step is how many lines one transaction takes; beyond 100 the gain flattens
// on both engines (DESIGN 6).
const step = 100

// PutDocument takes one document that the batch waits for: sha256 is what its
// lines announce. Bytes with another digest are refused. A document that is
// here already is left as it is, and its bytes are not read. At most two
// documents are in memory at a time; others wait.
func (d *Desk) PutDocument(ctx context.Context, tenant post.TenantID, id post.BatchID, digest string, r io.Reader) error {
	digest, ok := letter.ParseDigest(digest)
	if !ok {
		return post.FaultLineDigest
	}
	needs, err := d.Store.BatchDocuments(ctx, tenant, id, []string{digest})
	if err != nil {
		return fmt.Errorf("put document into batch %s: %w", id, err)
	}
	switch needs[digest] {
	case Unannounced:
		return post.FaultDocumentUnannounced
	case Here:
		return nil
	case Wanted:
	}
	done, err := d.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	b, err := letter.ReadPDF(r)
	if err != nil {
		return err
	}
	if err := d.printable(ctx, tenant, b); err != nil {
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
	if err := d.Store.PutBatchDocuments(ctx, tenant, id, []KeptDocument{{digest, sealed}}); err != nil {
		return fmt.Errorf("put document into batch %s: %w", id, err)
	}
	return nil
}

// repeat takes a step again until nothing is left or the call has taken long
// enough. It reports whether it came to the end.
func (d *Desk) repeat(take func() (left int, err error)) (done bool, err error) {
	for end := time.Now().Add(d.Patience); ; {
		left, err := take()
		if err != nil || left == 0 {
			return err == nil, err
		}
		if time.Now().After(end) {
			return false, nil
		}
	}
}

// Close turns every line into a held letter. It refuses while lines or
// documents are missing. A large batch is answered in state closing after
// Patience: close it again. After a crash it goes on where it stopped; a closed
// batch is answered as it stands.
func (d *Desk) Close(ctx context.Context, tenant post.TenantID, id post.BatchID, client post.ClientID) (View, error) {
	done, err := d.repeat(func() (int, error) { return d.Store.CloseBatch(ctx, tenant, id, step) })
	if err != nil {
		return View{}, fmt.Errorf("close batch %s: %w", id, d.place(ctx, tenant, id, err))
	}
	if done {
		d.Log.InfoContext(ctx, "batch closed", slog.String("batch", string(id)), slog.String("client", string(client)))
	}
	return d.Show(ctx, tenant, id)
}

// Approve releases the letters of a closed batch, or its canary. The approver
// must be another than the submitter. The approval is one committed fact;
// letters follow in steps, here and in the dispatcher, which also signs the
// batch first where one signature covers it.
func (d *Desk) Approve(ctx context.Context, tenant post.TenantID, id post.BatchID, approver post.ClientID) (View, error) {
	if approver == "" {
		return View{}, post.FaultSecondPerson
	}
	approved := false
	_, err := d.repeat(func() (int, error) {
		left, err := d.Store.ApproveBatch(ctx, tenant, id, approver, step)
		if errors.Is(err, post.ErrStale) && ctx.Err() == nil { // the dispatcher released these
			return 1, nil
		}
		approved = err == nil
		return left, err
	})
	if err == nil && !approved { // each try was too late: nobody knows that it is approved
		err = post.ErrStale
	}
	if err != nil {
		return View{}, fmt.Errorf("approve batch %s: %w", id, d.place(ctx, tenant, id, err))
	}
	d.Log.InfoContext(ctx, "batch approved", slog.String("batch", string(id)), slog.String("approver", string(approver)))
	return d.Show(ctx, tenant, id)
}

// Continue releases the rest of a batch whose canary was found good.
func (d *Desk) Continue(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID) (View, error) {
	if err := d.Store.ContinueBatch(ctx, tenant, id, by); err != nil {
		return View{}, fmt.Errorf("continue batch %s: %w", id, d.place(ctx, tenant, id, err))
	}
	d.Log.InfoContext(ctx, "batch continued", slog.String("batch", string(id)), slog.String("client", string(by)))
	return d.Show(ctx, tenant, id)
}

// Pause holds a batch: once it has answered, no hand-over of it begins and none is
// repeated until Resume. The answer counts those that were under way at that
// moment ([View.UnderWay]); what a carrier has goes on.
func (d *Desk) Pause(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID) (View, error) {
	return d.pause(ctx, tenant, id, by, true)
}

// Resume lets a paused batch go on where it stood.
func (d *Desk) Resume(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID) (View, error) {
	return d.pause(ctx, tenant, id, by, false)
}

func (d *Desk) pause(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID, pause bool) (View, error) {
	if err := d.Store.PauseBatch(ctx, tenant, id, by, pause); err != nil {
		return View{}, fmt.Errorf("pause batch %s: %w", id, d.place(ctx, tenant, id, err))
	}
	d.Log.InfoContext(ctx, "batch paused or resumed", slog.String("batch", string(id)), slog.String("client", string(by)), slog.Bool("paused", pause))
	return d.Show(ctx, tenant, id)
}

// Stop ends a batch: once it has answered, no hand-over of it begins and none is
// repeated, also of letters that are not cancelled yet. Letters that no carrier
// has, nor may have, are cancelled. The answer's counts say how many were, and how
// many could not be; those that were under way ([View.UnderWay]) are followed
// until a carrier's word, or a person's, ends them.
func (d *Desk) Stop(ctx context.Context, tenant post.TenantID, id post.BatchID, by post.ClientID) (View, error) {
	left := -1
	_, err := d.repeat(func() (n int, err error) {
		before := left
		left, err = d.Store.StopBatch(ctx, tenant, id, by, step)
		if errors.Is(err, post.ErrStale) && ctx.Err() == nil { // a letter moved meanwhile: nothing was done
			left = before
			return 1, nil
		}
		if left == before {
			return 0, err // what is left waits for its carriers; the dispatcher follows it
		}
		return left, err
	})
	if err == nil && left < 0 { // each try met a letter that moved: nobody may think that it is stopped
		err = post.ErrStale
	}
	if err != nil {
		return View{}, fmt.Errorf("stop batch %s: %w", id, d.place(ctx, tenant, id, err))
	}
	d.Log.InfoContext(ctx, "batch stopped", slog.String("batch", string(id)), slog.String("client", string(by)), slog.Int("open", max(left, 0)))
	return d.Show(ctx, tenant, id)
}

// place adds to a refusal for the batch's state which state that is.
func (d *Desk) place(ctx context.Context, tenant post.TenantID, id post.BatchID, err error) error {
	if !errors.Is(err, post.FaultBatchState) {
		return err
	}
	v, failed := d.Store.BatchView(ctx, tenant, id)
	if failed != nil {
		return err
	}
	return post.FaultBatchState.At("it is %s", v.State)
}

// Show returns a batch with its letters counted by state.
func (d *Desk) Show(ctx context.Context, tenant post.TenantID, id post.BatchID) (View, error) {
	v, err := d.Store.BatchView(ctx, tenant, id)
	if err != nil {
		return View{}, fmt.Errorf("show batch %s: %w", id, err)
	}
	return v, nil
}
