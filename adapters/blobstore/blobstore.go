// Package blobstore keeps sealed bytes in a directory. It holds payloads whose
// age headers are elsewhere, under random names, and knows nothing of what they
// are; callers hand it sealed bytes only.
//
// Blobs that are put together are one file: a group. It appears whole or not at
// all: it is written under a temporary name, synced, renamed, and the directories
// that name it are synced. None of its blobs has a name before every one of them
// is on the disk, and power loss after Put has returned loses nothing. It never
// overwrites. A full disk is a passing failure ([post.FaultStorageFull]); the
// half-written file is removed, or swept by the next Open when the process died.
//
// Each blob has its own life. A blob is deleted for good, and by itself: first the
// group's table says that it is not there any more, then its bytes go, then the
// table says so; with the last one the file goes. Whatever dies in between, a blob
// is there whole or not there, never as zeros, and its neighbors are not touched.
// Names are given by the store, and are nothing but names to others. Files of one
// blob, as older versions wrote them, stay what they are.
//
// What was written and read lately stays in the system's memory, up to a bound; the
// rest is given back to those who need it more ([pagecache]).
package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sikkerpost.dk/gateway/internal/pagecache"
	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// incoming is where blobs are written before they get their name. It has a
// directory for each hexadecimal digit, so that groups that come at the same
// time do not wait for one another's directory.
const incoming = "incoming"

// stale is how old a temporary file must be to be nobody's: no upload lasts as
// long as that.
const stale = 24 * time.Hour

// remembered is how many bytes of the groups that it wrote and read last a store
// lets the system keep in memory: those of a few thousand letters, which are
// handed over within seconds of being kept.
const remembered = 256 << 20

// Store is a directory of blobs. It is safe for concurrent use.
type Store struct {
	dir    string
	places places
	recent *pagecache.Recent
}

var (
	_ seal.Putter = (*Store)(nil)
	_ seal.Group  = (*group)(nil)
)

// Open opens the directory, makes it when it is missing, and sweeps what
// interrupted writes left behind a day or more ago.
func Open(dir string) (*Store, error) {
	for _, digit := range "0123456789abcdef" {
		if err := os.MkdirAll(filepath.Join(dir, incoming, string(digit)), 0o700); err != nil {
			return nil, fmt.Errorf("open blob store: %w", err)
		}
	}
	err := filepath.WalkDir(filepath.Join(dir, incoming), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil && time.Since(info.ModTime()) > stale {
			os.Remove(path) //nolint:errcheck,gosec // another process may have swept it; nobody else writes here
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process sweeps too
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	return &Store{dir: dir, places: places{dir: dir}, recent: pagecache.New(remembered)}, nil
}

// Get opens a blob. A name that does not exist is [post.ErrNotFound], and so is
// what a read answers when the blob is deleted meanwhile.
func (s *Store) Get(_ context.Context, blob string) (r io.ReadCloser, err error) {
	p, ok := find(blob)
	if !ok {
		return nil, fmt.Errorf("get blob: %w", post.ErrNotFound)
	}
	if p.slot == alone {
		r, err = os.Open(s.path(p))
	} else {
		r, err = s.open(p)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = post.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get blob %s: %w", blob, err)
	}
	return r, nil
}

// List calls visit for every blob that is whole, in no particular order, with
// its size in bytes and the time it was stored; and for what a deletion that was
// cut short has left, so that it is deleted again. It stops at visit's first
// failure and returns it. Blobs that come or go meanwhile may be missed.
//
// A file whose table is damaged is visited once, as its first blob: nobody can
// say what else is in it.
func (s *Store) List(ctx context.Context, visit func(blob string, size int64, at time.Time) error) error {
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.IsDir() {
			if path == filepath.Join(s.dir, incoming) {
				return fs.SkipDir
			}
			return nil
		}
		return s.listFile(path, d, visit)
	})
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	return nil
}

// listFile visits what is in one file, when it is one of ours.
func (s *Store) listFile(path string, d fs.DirEntry, visit func(blob string, size int64, at time.Time) error) error {
	id, grouped := strings.CutSuffix(d.Name(), suffix)
	p, ok := find(id)
	if !ok || p.slot != alone {
		return nil
	}
	if grouped {
		p.slot = 0
	}
	if path != s.path(p) {
		return nil
	}
	info, err := d.Info()
	var t table
	if err == nil && grouped {
		t, err = tableOf(path, id)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // deleted meanwhile
	case err != nil && !errors.Is(err, errDamaged):
		return err
	case err != nil || !grouped:
		return visit(p.blob(), info.Size(), info.ModTime())
	}
	left := !slices.ContainsFunc(t.slots, func(s slot) bool { return s.state != gone })
	for n, one := range t.slots {
		if one.state != gone || left && n == 0 { // of a file of which all is gone, one says that it is still there
			if err := visit(place{id, n}.blob(), one.length, t.at); err != nil {
				return err
			}
		}
	}
	return nil
}

// path shards by the last four digits, which are random; the first ones are time.
func (s *Store) path(p place) string {
	return filepath.Join(s.places.path(shardOf(p.id)), p.file())
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return post.FaultStorageFull.Because(err)
	}
	return err
}

// fsync makes what a file, or a directory, holds survive a crash of the machine.
var fsync = (*os.File).Sync // tests watch it

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return fsync(d)
}
