package dispatch

import (
	"io"
	"io/fs"
	"sync"
)

// A buffer holds a document or a form for the length of one run, and then
// the next one's. Nobody reads it but through [buffer.reader]: when the run has
// ended, a reader that somebody still holds (a transport may, after an early
// answer) fails and never sees what the buffer holds next. What was there before is
// never seen either: a reader ends where the bytes end that were written in this
// run. Bytes that a reader lends stay until they are given back, and the run's end
// waits for that; who borrows them encodes or seals, and waits for nobody meanwhile.
type buffer struct {
	mu sync.RWMutex
	b  []byte // guarded by mu; nil when the run has ended
}

// bufferUnit is the step in which buffers grow, so that one serves many letters.
const bufferUnit = 64 << 10

// pooled are buffers that no run holds, by their size in units, so that a form
// does not get a document's that is too small for it; they go when memory is
// collected twice.
var pooled [mostKept/bufferUnit + 1]sync.Pool

// newBuffer returns an empty buffer with room for n bytes, which is mostKept at most,
// and not for many more, so that what is counted of the process's memory stays
// near the truth.
func newBuffer(n int) *buffer {
	units := (n + bufferUnit - 1) / bufferUnit
	if b, ok := pooled[units].Get().(*[]byte); ok {
		return &buffer{b: (*b)[:0]}
	}
	return &buffer{b: make([]byte, 0, units*bufferUnit)}
}

// release ends the buffer's use. It waits for a Read that is under way, which
// only copies, and for bytes that are lent.
func (l *buffer) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.b; b != nil {
		l.b = nil
		pooled[cap(b)/bufferUnit].Put(&b)
	}
}

// size is that of what is there; of a run that ended, none.
func (l *buffer) size() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return int64(len(l.b))
}

// reader yields the bytes that are there when it is read.
func (l *buffer) reader() io.ReadCloser { return &bufferReader{of: l} }

type bufferReader struct {
	of *buffer
	at int
}

// Read implements io.Reader.
func (r *bufferReader) Read(p []byte) (int, error) {
	r.of.mu.RLock()
	defer r.of.mu.RUnlock()
	if r.of.b == nil {
		return 0, fs.ErrClosed
	}
	if r.at == len(r.of.b) {
		return 0, io.EOF
	}
	n := copy(p, r.of.b[r.at:])
	r.at += n
	return n, nil
}

// Lend returns next bytes where they lie, most of them or all that are left, until
// done is called; see b64.Lender and bulktls.Lender.
func (r *bufferReader) Lend(most int) (p []byte, done func(), err error) {
	r.of.mu.RLock()
	switch {
	case r.of.b == nil:
		err = fs.ErrClosed
	case r.at == len(r.of.b):
		err = io.EOF
	}
	if err != nil {
		r.of.mu.RUnlock()
		return nil, nil, err
	}
	end := min(len(r.of.b), r.at+most)
	p = r.of.b[r.at:end:end]
	r.at = end
	return p, r.of.mu.RUnlock, nil
}

// Close implements io.Closer.
func (r *bufferReader) Close() error { return nil }
