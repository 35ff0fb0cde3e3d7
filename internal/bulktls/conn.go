package bulktls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
)

// A Conn is a TLS connection of this package.
type Conn struct {
	*tls.Conn
	below *gatherer
	turn  sync.Mutex // one Write at a time

	mu      sync.Mutex
	writing int  // Writes that are under way or wait; guarded by mu
	closed  bool // guarded by mu
}

// plain are buffers for bodies, sealed those for records; by no order, they go
// when memory is collected twice.
var (
	plain  = sync.Pool{New: func() any { return new([Most]byte) }}
	sealed = sync.Pool{New: func() any { return new(records) }}
)

// records has room for those of [Most] bytes, and for an alert between them.
type records [Most + Most/fullRecord*sealing]byte

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	if !c.begin() {
		return 0, net.ErrClosed
	}
	defer c.end()
	if len(p) <= fullRecord {
		return c.Conn.Write(p) //nolint:wrapcheck // what is here is a connection
	}
	return c.write(p, func() {})
}

// write seals p, says so, and gives the records to the kernel. Until done is
// called it waits for nobody when p is at most [Most] bytes.
func (c *Conn) write(p []byte, done func()) (int, error) {
	c.below.hold()
	n, err := c.Conn.Write(p)
	done()
	if failed := c.below.release(); err == nil && failed != nil {
		return n, failed // how much of it left nobody knows: it counts as out
	}
	return n, err //nolint:wrapcheck // what is here is a connection
}

// A Lender is a body that is in memory. Net/http hands it down as it is, within
// an [io.LimitedReader].
type Lender interface {
	// Lend returns next bytes, at most most, and moves on behind them; the error
	// at the end is [io.EOF]. The bytes stay what they are until done is called,
	// which is soon: sealing them waits for nobody. Without done and error nothing
	// is lent, and the body is to be read.
	Lend(most int) (p []byte, done func(), err error)
}

// ReadFrom implements [io.ReaderFrom]: it sends what r yields, in pieces as large
// as go out in one call; what a [Lender] has is sealed where it lies. A reader
// that fails ends it; what it gave before has been sent.
func (c *Conn) ReadFrom(r io.Reader) (n int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return c.readFrom(r)
	}
	body, ok := limited.R.(Lender)
	for ok && limited.N > 0 && err == nil {
		var sent int
		sent, ok, err = c.pass(body, int(min(limited.N, Most)))
		n += int64(sent)
		limited.N -= int64(sent)
	}
	if errors.Is(err, io.EOF) {
		return n, nil
	}
	if err != nil || ok {
		return n, err
	}
	rest, err := c.readFrom(r)
	return n + rest, err
}

// pass sends one piece of what body lends; false when it lends nothing.
func (c *Conn) pass(body Lender, most int) (n int, lends bool, err error) {
	if !c.begin() {
		return 0, true, net.ErrClosed
	}
	defer c.end()
	p, done, err := body.Lend(most)
	if done == nil {
		return 0, err != nil, err
	}
	n, err = c.write(p, done)
	return n, true, err
}

func (c *Conn) readFrom(r io.Reader) (n int64, err error) {
	buf := plain.Get().(*[Most]byte) //nolint:forcetypeassert // it holds nothing else
	defer plain.Put(buf)
	for {
		got, failed := fill(r, buf[:])
		if got > 0 {
			sent, err := c.Write(buf[:got])
			n += int64(sent)
			if err != nil {
				return n, err
			}
		}
		if errors.Is(failed, io.EOF) {
			return n, nil
		}
		if failed != nil {
			return n, failed
		}
	}
}

// fill reads until p is full or r has no more to give.
func fill(r io.Reader, p []byte) (n int, err error) {
	for idle := 0; n < len(p) && err == nil; idle++ {
		var got int
		if got, err = r.Read(p[n:]); got > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
		n += got
	}
	return n, err
}

// Close implements [net.Conn]: a Write under way, which may wait for the other
// side, is broken off at once; else the other side is told of the end.
func (c *Conn) Close() error {
	c.mu.Lock()
	busy, again := c.writing > 0, c.closed
	c.closed = true
	c.mu.Unlock()
	switch {
	case again:
		return net.ErrClosed
	case busy:
		return c.below.Conn.Close() //nolint:wrapcheck // what is here is a connection
	}
	return c.Conn.Close() //nolint:wrapcheck // as above
}

// begin waits for the turn to write; false when c is closed.
func (c *Conn) begin() bool {
	c.mu.Lock()
	open := !c.closed
	if open {
		c.writing++
	}
	c.mu.Unlock()
	if open {
		c.turn.Lock()
	}
	return open
}

func (c *Conn) end() {
	c.turn.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing--
}

// A gatherer is the connection below TLS. While it holds, records wait in its
// buffer; else each goes out at once. Its first error stays.
type gatherer struct {
	net.Conn
	mu   sync.Mutex
	room *records // while it holds; guarded by mu
	n    int      // bytes in room; guarded by mu
	err  error    // guarded by mu
}

// Write implements [net.Conn] for crypto/tls, which calls it for each record.
func (g *gatherer) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.room == nil {
		return g.send(p)
	}
	if g.n+len(p) > len(g.room) {
		if err := g.flush(); err != nil {
			return 0, err
		}
	}
	if g.err != nil {
		return 0, g.err
	}
	if len(p) > len(g.room) { // no record is
		return g.send(p)
	}
	g.n += copy(g.room[g.n:], p)
	return len(p), nil
}

func (g *gatherer) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.room = sealed.Get().(*records) //nolint:forcetypeassert // it holds nothing else
}

// release sends what is held and holds no more.
func (g *gatherer) release() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.flush()
	sealed.Put(g.room)
	g.room, g.n = nil, 0
	return err
}

func (g *gatherer) flush() error {
	if g.n == 0 || g.err != nil {
		return g.err
	}
	_, err := g.send(g.room[:g.n])
	g.n = 0
	return err
}

// send gives p to the kernel. What went wrong once goes wrong for ever: a record
// may have left in part.
func (g *gatherer) send(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.Conn.Write(p)
	g.err = err
	return n, err //nolint:wrapcheck // what is here is a connection
}
