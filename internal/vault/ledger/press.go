package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A press publishes files that never change below a directory. Each is whole and
// synced before it gets its name; the names are there for good when [press.settle]
// has returned, which syncs a directory once, however many files it got.
type press struct {
	dir     string
	sync    func(dir string) error
	touched map[string]bool // directories that are to be synced
	stand   map[string]bool // those that are there for good, of the partial ones the last
}

// writeOnce writes a file that never changes. When it exists with other bytes, what
// was published is about to be rewritten: ErrDiverged. One that exists as it should
// may have got its name just before a crash: its directory is synced all the same.
func (p *press) writeOnce(path string, data []byte) error {
	full := filepath.Join(p.dir, filepath.FromSlash(path))
	have, err := os.ReadFile(full)
	switch {
	case err == nil && !bytes.Equal(have, data):
		return fmt.Errorf("%w: %s was published with other bytes", ErrDiverged, path)
	case err == nil:
		p.touch(filepath.Dir(full))
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil { //nolint:gosec // the files are public
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := rename(full, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	p.touch(filepath.Dir(full))
	return nil
}

// touch notes that dir got a name, and each directory above it that may have been
// made for it, up to those that stand.
func (p *press) touch(dir string) {
	if p.touched == nil {
		p.touched = map[string]bool{}
	}
	for {
		p.touched[dir] = true
		if dir == p.dir || p.stand[dir] {
			return
		}
		dir = filepath.Dir(dir)
	}
}

// settle makes the names of all files that were written or found stay.
func (p *press) settle() error {
	for _, dir := range slices.Sorted(maps.Keys(p.touched)) {
		if err := p.sync(dir); err != nil {
			return fmt.Errorf("sync %s: %w", dir, err)
		}
	}
	maps.DeleteFunc(p.stand, func(dir string, _ bool) bool { return strings.HasSuffix(dir, ".p") })
	if p.stand == nil {
		p.stand = map[string]bool{}
	}
	maps.Copy(p.stand, p.touched)
	p.touched = nil
	return nil
}

// replace puts data at path whole or not at all, and synced.
func replace(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the files are public
		return err
	}
	if err := rename(path, data); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// rename puts data, synced, under another name beside path and then at path, whole
// or not at all.
func rename(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // it is nothing to anybody
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
