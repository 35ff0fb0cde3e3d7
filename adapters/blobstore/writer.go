package blobstore

import (
	"os"
	"sync"

	"sikkerpost.dk/gateway/internal/pagecache"
)

const (
	// bufferLen is how much goes to a file in one write. Sealed bytes come in
	// pieces of 16 bytes and of 64 KB.
	bufferLen = 256 << 10
	// startLen is after how much the disk is told to begin.
	startLen = 1 << 20
)

// writer writes a group's file from front to end, and may go back: what is after
// that is written again, or cut off.
type writer struct {
	f       *os.File
	buf     *buffer
	n       int   // bytes of buf that wait
	at      int64 // where they go
	started int64 // the disk was told of what is before
	high    int64 // how long the file ever was, at most
}

type buffer [bufferLen]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func newWriter(f *os.File) *writer {
	return &writer{f: f, buf: buffers.Get().(*buffer)} //nolint:forcetypeassert // the pool holds nothing else
}

// end is where the next byte goes.
func (w *writer) end() int64 { return w.at + int64(w.n) }

// Write implements [io.Writer].
func (w *writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if w.n == len(w.buf) {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
		m := copy(w.buf[w.n:], p)
		w.n, p, n = w.n+m, p[m:], n+m
	}
	return n, nil
}

// align writes zeros up to the next block.
func (w *writer) align() error {
	var zeros [block]byte
	_, err := w.Write(zeros[:aligned(w.end())-w.end()])
	return err
}

// back takes back what was written from at on.
func (w *writer) back(at int64) {
	if at >= w.at {
		w.n = int(at - w.at)
		return
	}
	w.at, w.n = at, 0
	w.started = min(w.started, at)
}

// flush hands what waits to the system. When it fails it waits on.
func (w *writer) flush() error {
	w.high = max(w.high, w.end()) // one that fails has written more than it says
	if _, err := w.f.WriteAt(w.buf[:w.n], w.at); err != nil {
		return err
	}
	w.at, w.n = w.end(), 0
	if n := w.at - w.started; n >= startLen {
		pagecache.StartWriting(w.f, w.started, n)
		w.started = w.at
	}
	return nil
}

// finish makes the file end where the writing ended, and be on the disk.
func (w *writer) finish() error {
	if w.high > w.at {
		if err := w.f.Truncate(w.at); err != nil {
			return err
		}
	}
	if err := fsync(w.f); err != nil {
		return err
	}
	return w.f.Close()
}

// close gives up what is not finished. It may be called after finish.
func (w *writer) close() {
	w.f.Close() //nolint:errcheck,gosec // closed already, or given up
	if w.buf != nil {
		buffers.Put(w.buf)
		w.buf = nil
	}
}
