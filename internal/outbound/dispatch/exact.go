package dispatch

import (
	"errors"
	"hash"
	"io"
)

// exact gives bytes on only when they are exactly left bytes with the digest
// want. The last byte is held back until both are known.
type exact struct {
	r    io.Reader
	c    io.Closer
	left int64
	want [32]byte
	h    hash.Hash
	bad  error
	held []byte // the last byte, before the check
	err  error
}

// Read implements io.Reader.
func (e *exact) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if e.left > 1 {
		n, err := e.r.Read(p[:min(int64(len(p)), e.left-1)])
		e.h.Write(p[:n])
		e.left -= int64(n)
		if errors.Is(err, io.EOF) {
			e.err = e.bad // too short
			return n, e.err
		}
		if err != nil {
			e.err = err
		}
		return n, err
	}
	if err := e.finish(); err != nil {
		e.err = err
		return 0, err
	}
	e.err = io.EOF
	return copy(p, e.held), nil
}

// finish reads the last byte and the end, and compares.
func (e *exact) finish() error {
	last := make([]byte, e.left+1)
	n, err := io.ReadFull(e.r, last)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if int64(n) != e.left {
		return e.bad
	}
	e.h.Write(last[:n])
	if [32]byte(e.h.Sum(nil)) != e.want {
		return e.bad
	}
	e.held = last[:n]
	return nil
}

// Close implements io.Closer.
func (e *exact) Close() error { return e.c.Close() }
