package printhouse

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	jobSuffix  = ".job.age"
	tempPrefix = ".writing-"
)

// Our codes of an outcome, besides those of every connection.
const (
	codePublished = "published"
	codeDuplicate = "duplicate"
	codeFolder    = "folder"      // the folder cannot be written; nothing was published
	codeDurable   = "not-durable" // published, yet not known to survive a power loss
)

// HandOver implements [dispatch.Channel]: encrypts the form to the print house
// and publishes it under the job's name.
//
// Nothing is published before the one request that gives the job its name; so
// whatever fails earlier was certainly not taken, and only that request without
// an answer leaves the outcome unknown.
func (h *House) HandOver(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	out := dispatch.Outcome{Verdict: dispatch.RefusedContent, Code: dispatch.CodeForm}
	if post.ValidUUID(j.MessageID) { // it becomes a file name
		out.Verdict, out.Code = h.handOver(ctx, j.MessageID, f)
	}
	out.At = h.now().UTC()
	return out
}

func (h *House) handOver(ctx context.Context, id string, f dispatch.Form) (dispatch.Verdict, string) {
	if ctx.Err() != nil {
		return dispatch.NotTaken, "canceled"
	}
	p, leave, err := h.road.enter(ctx)
	if err != nil {
		return dispatch.NotTaken, reason(err, codeFolder)
	}
	defer leave()
	had, err := h.has(p, id)
	switch {
	case err != nil:
		return dispatch.NotTaken, reason(err, codeFolder)
	case had:
		return h.settle(p, codeDuplicate)
	}
	temp, err := h.write(p, f)
	if errors.Is(err, post.ErrPermanent) {
		return dispatch.RefusedContent, dispatch.CodeForm
	}
	if err != nil {
		return dispatch.NotTaken, reason(err, codeFolder)
	}
	err = p.publish(temp, h.job(id))
	if err == nil {
		return h.settle(p, codePublished)
	}
	if errors.Is(err, errLost) {
		return dispatch.Unknown, reason(err, dispatch.CodeBroken)
	}
	_ = p.remove(temp) // sweep finds it otherwise
	if errors.Is(err, fs.ErrExist) {
		return h.settle(p, codeDuplicate)
	}
	switch had, asked := h.has(p, id); {
	case asked != nil:
		return dispatch.Unknown, reason(asked, codeFolder)
	case had:
		return h.settle(p, codePublished)
	}
	return dispatch.NotTaken, codeFolder
}

// settle makes the folder's entries durable; only then is a job taken.
func (h *House) settle(p place, code string) (dispatch.Verdict, string) {
	if err := p.settle(h.out); err != nil {
		return dispatch.Unknown, codeDurable
	}
	return dispatch.Taken, code
}

// has reports whether the job lies in the folder or was receipted before.
func (h *House) has(p place, id string) (bool, error) {
	for _, name := range []string{h.job(id), h.marker(id)} {
		if had, err := there(p, name); had || err != nil {
			return had, err
		}
	}
	return false, nil
}

func (h *House) job(id string) string    { return path.Join(h.out, id+jobSuffix) }
func (h *House) marker(id string) string { return path.Join(h.taken, id) }

// write encrypts f into a temporary file and makes its bytes durable.
func (h *House) write(p place, f dispatch.Form) (string, error) {
	name := path.Join(h.out, tempPrefix+rand.Text())
	w, err := p.create(name)
	if err != nil {
		return "", fmt.Errorf("make temporary file: %w", err)
	}
	err = h.seal(w, f)
	if cerr := w.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close job: %w", cerr)
	}
	if err != nil {
		_ = p.remove(name) // sweep finds it otherwise
	}
	return name, err
}

func (h *House) seal(w file, f dispatch.Form) error {
	buffered := bufio.NewWriterSize(w, 256<<10) // over SFTP a full buffer goes out in parallel
	sealed, err := age.Encrypt(buffered, h.recipients...)
	if err != nil {
		return fmt.Errorf("encrypt job: %w", err)
	}
	form := f.Open()
	n, err := io.Copy(sealed, form)
	if err := errors.Join(err, form.Close()); err != nil {
		return fmt.Errorf("copy form: %w", err)
	}
	if n != f.Size {
		return fmt.Errorf("%w: form has %d bytes, committed were %d", post.ErrPermanent, n, f.Size)
	}
	if err := errors.Join(sealed.Close(), buffered.Flush()); err != nil {
		return fmt.Errorf("finish job: %w", err)
	}
	if err := w.Sync(); err != nil {
		return fmt.Errorf("finish job: %w", err)
	}
	return nil
}
