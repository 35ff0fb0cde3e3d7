package blobstore

import (
	"errors"
	"fmt"
	"io"
	"os"

	"sikkerpost.dk/gateway/internal/post"
)

// reader reads one blob of a group. After each piece it looks at the blob's
// state again: bytes that were read while the blob was still kept are its own,
// since nobody touches them before the state has changed; others are not given.
type reader struct {
	f       *os.File
	blob    string
	at, end int64 // of what is unread
	mark    int64 // where the state stands
}

// open opens the blob at p in its group's file.
func (s *Store) open(p place) (io.ReadCloser, error) {
	path := s.path(p)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	at, mark, err := readSlot(f, p)
	if err == nil && at.state != kept {
		err = post.ErrNotFound
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	s.recent.Touch(path, mark)
	return &reader{f, p.blob(), at.offset, at.offset + at.length, mark}, nil
}

// Read implements [io.Reader]. A blob that is deleted meanwhile is
// [post.ErrNotFound].
func (r *reader) Read(p []byte) (int, error) {
	if r.at == r.end {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.f.ReadAt(p[:min(int64(len(p)), r.end-r.at)], r.at)
	var state [1]byte
	if err == nil {
		_, err = r.f.ReadAt(state[:], r.mark)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the file was cut
	}
	if err == nil && state[0] != byte(kept) {
		err = post.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("read blob %s: %w", r.blob, err)
	}
	r.at += int64(n)
	return n, nil
}

// Close implements [io.Closer].
func (r *reader) Close() error { return r.f.Close() }
