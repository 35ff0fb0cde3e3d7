package printhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	jobSuffix  = ".job.age"
	tempPrefix = ".writing-"
)

// Our codes of an outcome.
const (
	codePublished = "published"
	codeDuplicate = "duplicate"
	codeFolder    = "folder"          // the folder cannot be written; nothing was published
	codeForm      = "form.unreadable" // our own form did not render as committed
	codeDurable   = "not-durable"     // published, yet not known to survive a power loss
)

// HandOver implements [dispatch.Channel]: encrypts the form to the print house
// and publishes it under the job's name.
func (h *House) HandOver(ctx context.Context, j dispatch.Job, f dispatch.Form) dispatch.Outcome {
	out := func(v dispatch.Verdict, code string) dispatch.Outcome {
		return dispatch.Outcome{Verdict: v, Code: code, At: time.Now().UTC()}
	}
	if !post.ValidUUID(j.MessageID) { // it becomes a file name
		return out(dispatch.RefusedContent, codeForm)
	}
	if h.has(j.MessageID) {
		return h.settle(out, codeDuplicate)
	}
	if ctx.Err() != nil {
		return out(dispatch.NotTaken, "canceled")
	}
	temp, err := h.write(f)
	if err != nil {
		if errors.Is(err, post.ErrPermanent) {
			return out(dispatch.RefusedContent, codeForm)
		}
		return out(dispatch.NotTaken, codeFolder)
	}
	defer os.Remove(temp)
	// A link, unlike a rename, never replaces a job that another worker has
	// published in the meantime.
	err = os.Link(temp, h.job(j.MessageID))
	if errors.Is(err, os.ErrExist) {
		return h.settle(out, codeDuplicate)
	}
	if err != nil {
		err = h.renameNew(temp, h.job(j.MessageID))
	}
	if err != nil && !h.has(j.MessageID) {
		return out(dispatch.NotTaken, codeFolder)
	}
	return h.settle(out, codePublished)
}

// settle makes the folder's entries durable; only then is a job taken.
func (h *House) settle(out func(dispatch.Verdict, string) dispatch.Outcome, code string) dispatch.Outcome {
	if err := syncDir(h.out); err != nil {
		return out(dispatch.Unknown, codeDurable)
	}
	return out(dispatch.Taken, code)
}

// renameNew serves file systems without hard links. Two workers that race here
// hold the same letter under the same name.
func (h *House) renameNew(temp, job string) error {
	if err := os.Rename(temp, job); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// has reports whether the job lies in the folder or was receipted before.
func (h *House) has(id string) bool {
	for _, path := range []string{h.job(id), h.marker(id)} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

func (h *House) job(id string) string    { return filepath.Join(h.out, id+jobSuffix) }
func (h *House) marker(id string) string { return filepath.Join(h.taken, id) }

// write encrypts f into a temporary file and makes its bytes durable.
func (h *House) write(f dispatch.Form) (path string, err error) {
	file, err := os.CreateTemp(h.out, tempPrefix+"*")
	if err != nil {
		return "", fmt.Errorf("make temporary file: %w", err)
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = os.Remove(file.Name()) // sweep finds it otherwise
		}
	}()
	sealed, err := age.Encrypt(file, h.recipients...)
	if err != nil {
		return "", fmt.Errorf("encrypt job: %w", err)
	}
	form := f.Open()
	n, err := io.Copy(sealed, form)
	if err := errors.Join(err, form.Close()); err != nil {
		return "", fmt.Errorf("copy form: %w", err)
	}
	if n != f.Size {
		return "", fmt.Errorf("%w: form has %d bytes, committed were %d", post.ErrPermanent, n, f.Size)
	}
	if err := errors.Join(sealed.Close(), file.Sync()); err != nil {
		return "", fmt.Errorf("finish job: %w", err)
	}
	return file.Name(), nil
}

// syncDir makes the entries of a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
