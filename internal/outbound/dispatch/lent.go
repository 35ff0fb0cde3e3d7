package dispatch

import (
	"io"
	"io/fs"
	"sync"
)

// A lent buffer holds a document or a form for the length of one run, and then
// the next one's. Nobody reads it but through [lent.reader]: when the run has
// ended, a reader that somebody still holds (a transport may, after an early
// answer) fails and never sees what the buffer holds next. What was there
// before is never seen either: a reader ends where the bytes end that were
// written in this run.
type lent struct {
	mu sync.RWMutex
	b  []byte // guarded by mu; nil when the run has ended
}

// pooled are buffers that no run holds, by no order; they go when memory is
// collected twice.
var pooled sync.Pool

// lendUnit is the step in which buffers grow, so that one serves many letters.
const lendUnit = 64 << 10

// lend returns an empty buffer with room for n bytes and not for many more, so
// that what is counted of the process's memory stays near the truth.
func lend(n int) *lent {
	if b, ok := pooled.Get().(*[]byte); ok && cap(*b) >= n && cap(*b) <= 4*n+lendUnit {
		return &lent{b: (*b)[:0]}
	}
	return &lent{b: make([]byte, 0, (n+lendUnit-1)/lendUnit*lendUnit)}
}

// giveBack ends the buffer's use. It waits for a Read that is under way, which
// only copies.
func (l *lent) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.b; b != nil {
		l.b = nil
		pooled.Put(&b)
	}
}

// size is that of what is there; of a run that ended, none.
func (l *lent) size() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return int64(len(l.b))
}

// reader yields the bytes that are there when it is read.
func (l *lent) reader() io.ReadCloser { return &lentReader{of: l} }

type lentReader struct {
	of *lent
	at int
}

// Read implements io.Reader.
func (r *lentReader) Read(p []byte) (int, error) {
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

// Close implements io.Closer.
func (r *lentReader) Close() error { return nil }
