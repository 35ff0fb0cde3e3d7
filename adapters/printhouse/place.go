package printhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A place is where jobs and events lie: folders of this machine, or of another
// one over SFTP. Its errors tell [fs.ErrNotExist] apart, and errLost when the
// other machine did not answer. What it does is whole or not at all.
type place interface {
	stat(name string) (fs.FileInfo, error)
	list(dir string) ([]fs.FileInfo, error)
	read(name string, most int64) ([]byte, error)
	// create makes a file that is not there yet.
	create(name string) (file, error)
	// publish gives temp the name that readers look for. It answers
	// [fs.ErrExist], and changes nothing, when the name is taken.
	publish(temp, name string) error
	// replace moves a file, over one that is there.
	replace(from, to string) error
	remove(name string) error // what is gone already is removed
	mkdir(dir string) error   // what is there already is made
	settle(dir string) error  // makes the entries of a folder durable
}

type file interface {
	io.WriteCloser
	Sync() error
}

// A road leads to the place, once for each piece of work.
type road interface {
	// enter opens the place; leave gives it back. A road that is closed answers
	// errNoRoad, with the code of an outcome.
	enter(ctx context.Context) (p place, leave func(), err error)
	// near reports that the place has our own clock.
	near() bool
}

// errLost says that the other machine did not answer: what was asked of it may
// have happened.
var errLost = errors.New("print house does not answer")

// noRoad says that the place was never reached.
type noRoad struct {
	code  string
	cause error
}

// Error implements error.
func (e *noRoad) Error() string { return fmt.Sprintf("reach print house (%s): %v", e.code, e.cause) }

// Unwrap implements the errors convention.
func (e *noRoad) Unwrap() error { return e.cause }

// local is the folders of this machine.
type local struct{}

func (local) enter(context.Context) (place, func(), error) { return local{}, func() {}, nil }
func (local) near() bool                                   { return true }

func (local) stat(name string) (fs.FileInfo, error) { return os.Lstat(name) }

func (local) list(dir string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}

func (local) read(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

func (local) create(name string) (file, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// publish links, because a link, unlike a rename, never replaces a job that
// another worker has published in the meantime. A file system without hard
// links renames: two workers that race there hold the same letter under the
// same name.
func (local) publish(temp, name string) error {
	err := os.Link(temp, name)
	if err == nil {
		_ = os.Remove(temp) // the job is out; sweep finds what stays
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return fs.ErrExist
	}
	if _, there := os.Lstat(name); there == nil {
		return fs.ErrExist
	}
	return os.Rename(temp, name)
}

func (local) replace(from, to string) error { return os.Rename(from, to) }

func (local) remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (local) mkdir(dir string) error { return os.MkdirAll(dir, 0o700) }

func (local) settle(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
