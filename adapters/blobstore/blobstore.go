// Package blobstore keeps sealed bytes in a directory. It holds payloads whose
// age headers are elsewhere, under random names, and knows nothing of what they
// are; callers hand it sealed bytes only.
//
// A blob appears whole or not at all: it is written under a temporary name,
// synced, renamed, and the directories that name it are synced. Power loss after
// Put has returned loses nothing. It never overwrites. A full disk is a passing
// failure ([post.FaultStorageFull]); the half-written file is removed, or swept
// by the next Open when the process died.
//
// Many blobs may be put as one group: all are written, then all synced, then all
// renamed into one directory, which is synced once. None of them has a name
// before every one of them is on the disk.
package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

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

// Store is a directory of blobs. It is safe for concurrent use.
type Store struct {
	dir    string
	places places
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
	return &Store{dir: dir, places: places{dir: dir}}, nil
}

// Get opens a blob. A name that does not exist is [post.ErrNotFound].
func (s *Store) Get(_ context.Context, blob string) (io.ReadCloser, error) {
	if !valid(blob) {
		return nil, fmt.Errorf("get blob: %w", post.ErrNotFound)
	}
	f, err := os.Open(s.path(blob))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("get blob %s: %w", blob, post.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("get blob %s: %w", blob, err)
	}
	return f, nil
}

// Delete removes a blob; one that is not there is no failure.
func (s *Store) Delete(_ context.Context, blob string) error {
	if !valid(blob) {
		return nil
	}
	err := os.Remove(s.path(blob))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path(blob)))
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", blob, err)
	}
	return nil
}

// List calls visit for every blob that is whole, in no particular order, with
// its size in bytes and the time it was stored. It stops at visit's first
// failure and returns it. Blobs that come or go meanwhile may be missed.
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
		if !valid(d.Name()) || path != s.path(d.Name()) {
			return nil // not ours
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return visit(d.Name(), info.Size(), info.ModTime())
	})
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	return nil
}

// path shards by the last four digits, which are random; the first ones are time.
func (s *Store) path(blob string) string {
	return filepath.Join(s.places.path(shardOf(blob)), blob)
}

func valid(blob string) bool { return post.ValidUUID(blob) && blob == strings.ToLower(blob) }

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return post.FaultStorageFull.Because(err)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
