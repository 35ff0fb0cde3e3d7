package printhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/pkg/sftp"
)

// remote is the folders behind one connection.
type remote struct{ s *session }

// said tells an answer of the other machine from silence. Whatever is not
// certainly an answer is silence, and the connection is given up.
func (r remote) said(err error) error {
	var status *sftp.StatusError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrExist):
		return err
	case errors.As(err, &status):
		switch status.FxCode() {
		case sftp.ErrSSHFxNoConnection, sftp.ErrSSHFxConnectionLost, sftp.ErrSSHFxBadMessage, sftp.ErrSSHFxEOF:
		default:
			return err
		}
	}
	r.s.broken.Store(true)
	if time.Now().After(r.s.until) { // the library says "connection lost" of that too
		return fmt.Errorf("%w: %w", errLost, context.DeadlineExceeded)
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

func (r remote) stat(name string) (fs.FileInfo, error) {
	info, err := r.s.client.Lstat(name)
	return info, r.said(err)
}

func (r remote) list(dir string) ([]fs.FileInfo, error) {
	infos, err := r.s.client.ReadDir(dir)
	return infos, r.said(err)
}

func (r remote) read(name string, most int64) ([]byte, error) {
	f, err := r.s.client.Open(name)
	if err != nil {
		return nil, r.said(err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, most))
	if err := r.said(err); err != nil {
		_ = f.Close() // read only
		return nil, err
	}
	return raw, r.said(f.Close())
}

func (r remote) create(name string) (file, error) {
	f, err := r.s.client.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrNotExist) { // the folder is missing: ours to make, once
		if merr := r.parent(name); merr != nil {
			return nil, merr
		}
		f, err = r.s.client.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	}
	if err != nil {
		return nil, r.said(err)
	}
	return remoteFile{r, f}, nil
}

// parent makes the folder of markers. The print house's own folders are its own
// affair: one that is missing stays so, and the letters wait.
func (r remote) parent(name string) error {
	dir := path.Dir(name)
	if path.Base(dir) != takenDir {
		return fs.ErrNotExist
	}
	return r.mkdir(dir)
}

// publish links where the other side can, because a link never replaces. The
// protocol's own rename must not replace either, and serves the rest.
func (r remote) publish(temp, name string) error {
	link := r.s.client.Rename
	if _, ok := r.s.client.HasExtension("hardlink@openssh.com"); ok {
		link = r.s.client.Link
	}
	err := r.said(link(temp, name))
	if err == nil {
		_ = r.said(r.s.client.Remove(temp)) // the job is out; after a rename nothing is left
		return nil
	}
	if errors.Is(err, errLost) {
		return err
	}
	// The protocol has no status for a name that is taken.
	if _, serr := r.stat(name); serr == nil {
		return fs.ErrExist
	}
	return err
}

func (r remote) replace(from, to string) error {
	if _, ok := r.s.client.HasExtension("posix-rename@openssh.com"); ok {
		return r.said(r.s.client.PosixRename(from, to))
	}
	if err := r.remove(to); err != nil {
		return err
	}
	return r.said(r.s.client.Rename(from, to))
}

func (r remote) remove(name string) error {
	err := r.said(r.s.client.Remove(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (r remote) mkdir(dir string) error {
	err := r.said(r.s.client.Mkdir(dir))
	if err == nil || errors.Is(err, errLost) {
		return err
	}
	if info, serr := r.stat(dir); serr == nil && info.IsDir() {
		return nil
	}
	return err
}

// settle has nothing to ask: the protocol cannot make a folder's entries
// durable. A job that is lost by the print house's own power failure shows as a
// hand-over without receipts.
func (remote) settle(string) error { return nil }

// remoteFile is a file being written.
type remoteFile struct {
	r remote
	f *sftp.File
}

// Write implements io.Writer.
func (w remoteFile) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	return n, w.r.said(err)
}

// Sync makes the bytes durable where the other side offers it.
func (w remoteFile) Sync() error {
	if _, ok := w.r.s.client.HasExtension("fsync@openssh.com"); !ok {
		return nil
	}
	return w.r.said(w.f.Sync())
}

// Close implements io.Closer.
func (w remoteFile) Close() error { return w.r.said(w.f.Close()) }
