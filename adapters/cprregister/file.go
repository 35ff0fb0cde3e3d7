package cprregister

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/post"
)

// maxFile bounds a register file.
const maxFile = 256 << 20

// File is a register of one JSON [Entry] on each line, kept by somebody else.
// It is read anew when it changes; a new one that is not whole leaves the old
// one standing, and says so at every question. Whoever is not in it is unsure:
// an extract may lack anybody.
type File struct {
	path string

	mu      sync.Mutex
	changed time.Time
	size    int64
	entries map[string]Entry
	broken  bool
}

var _ dispatch.Addresses = (*File)(nil)

// OpenFile reads a register. It refuses one that others may read.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// load reads the file when it has changed.
func (f *File) load() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("open address register: %w", err)
	}
	if f.entries != nil && info.ModTime().Equal(f.changed) && info.Size() == f.size {
		if f.broken {
			return errors.New("open address register: the file is not whole")
		}
		return nil
	}
	f.changed, f.size, f.broken = info.ModTime(), info.Size(), true
	if info.Mode().Perm()&0o027 != 0 {
		return fmt.Errorf("open address register: others may read or write %s; take that away with chmod o-rwx,g-w", f.path)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return fmt.Errorf("open address register: %s is no file of at most %d bytes", f.path, maxFile)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("open address register: %w", err)
	}
	entries, err := read(text)
	if err != nil {
		return fmt.Errorf("open address register: %w", err)
	}
	f.entries, f.broken = entries, false
	return nil
}

// read reads the lines of a register. What is wrong is told by line, never by
// content.
func read(text []byte) (map[string]Entry, error) {
	entries := map[string]Entry{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 64<<10)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d is no entry", n)
		}
		if _, err := (post.PartyRecord{IDType: e.IDType, ID: e.ID}).Party(); err != nil {
			return nil, fmt.Errorf("line %d names nobody", n)
		}
		k := key(e.IDType, e.ID)
		if _, twice := entries[k]; twice {
			return nil, fmt.Errorf("line %d names somebody who stands above", n)
		}
		entries[k] = e
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("a line is too long: %w", err)
	}
	return entries, nil
}

func key(idType, id string) string { return strings.ToUpper(idType) + " " + digits(id) }

// Find implements [dispatch.Addresses].
func (f *File) Find(_ context.Context, _ post.Tenant, r post.PartyRecord) dispatch.Residence {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return unsure("register.gone")
		}
		return unsure("register.unreadable")
	}
	e, ok := f.entries[key(r.IDType, r.ID)]
	if !ok {
		return unsure("register.missing")
	}
	return residence(e, r)
}
