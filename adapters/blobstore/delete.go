package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sikkerpost.dk/gateway/internal/post"
)

// deletion takes one blob out of a group's file, in steps that may each be the
// last one of a process, and may be taken by several at once. See [Store.Delete].
type deletion struct {
	f    *os.File
	path string
	place
	slot
	mark int64
}

// deleteFrom deletes the blob at p from its group's file.
func deleteFrom(path string, p place) error {
	d, err := beginDeletion(path, p)
	if err != nil {
		return err
	}
	defer d.f.Close()
	for _, step := range d.steps() {
		if over, err := step(); over || err != nil {
			return err
		}
	}
	return nil
}

// beginDeletion opens the file. What it writes is on the disk when the write
// returns, and is no more than the bytes that were written: on a network file
// system, whole pages are sent otherwise, and with them the state of neighbors as
// it was.
func beginDeletion(path string, p place) (*deletion, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_SYNC, 0)
	if err != nil {
		return nil, err
	}
	d := &deletion{f: f, path: path, place: p}
	if d.slot, d.mark, err = readSlot(f, p); err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

// steps are taken one after the other until one of them says that it is over.
func (d *deletion) steps() []func() (over bool, err error) {
	return []func() (bool, error){d.retract, d.remove, d.erase, d.finish, d.remove}
}

// retract makes the blob not there, for good. Nothing is touched before. One that
// reads as going is told again: whoever told it may have died, or be waiting, before
// it was on the disk, and without it power loss would leave zeros that are kept.
func (d *deletion) retract() (bool, error) {
	if d.state == gone {
		return false, nil
	}
	return false, d.become(going)
}

// remove takes the file away when nothing of it is kept.
func (d *deletion) remove() (bool, error) {
	t, err := readTable(d.f, d.id)
	if err != nil || !t.over() {
		return false, err
	}
	if err := os.Remove(d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, syncDir(filepath.Dir(d.path))
}

// erase takes the bytes away, and gives back their blocks where the file system
// can. Their blocks are nobody else's.
func (d *deletion) erase() (bool, error) {
	if d.state == gone {
		return true, nil
	}
	if err := erase(d.f, d.offset, d.end()-d.offset); err != nil {
		return false, err
	}
	return false, fsync(d.f)
}

// zero writes zeros over n bytes of a file.
func zero(f *os.File, at, n int64) error {
	zeros := make([]byte, min(n, 1<<20))
	for n > 0 {
		wrote, err := f.WriteAt(zeros[:min(n, int64(len(zeros)))], at)
		if err != nil {
			return err
		}
		at, n = at+int64(wrote), n-int64(wrote)
	}
	return nil
}

// finish says that nothing is left to do.
func (d *deletion) finish() (bool, error) { return false, d.become(gone) }

func (d *deletion) become(s state) error {
	if _, err := d.f.WriteAt([]byte{byte(s)}, d.mark); err != nil {
		return err
	}
	d.state = s
	return nil
}

// Delete removes a blob for good; one that is not there is no failure. It is not
// there from the moment that its state, or its file, is changed on the disk; its
// bytes go after that, and with the last blob of a group the file. Neighbors are
// not touched. A deletion that was cut short is finished by deleting again: List
// names the blob until then.
func (s *Store) Delete(_ context.Context, blob string) error {
	p, ok := find(blob)
	if !ok {
		return nil
	}
	path := s.path(p)
	var err error
	if p.slot == alone {
		if err = os.Remove(path); err == nil {
			err = syncDir(filepath.Dir(path))
		}
	} else {
		err = deleteFrom(path, p)
	}
	if errors.Is(err, errDamaged) || err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, post.ErrNotFound) {
		return fmt.Errorf("delete blob %s: %w", blob, err)
	}
	return nil
}
