package dispatch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"

	"sikkerpost.dk/gateway/internal/b64"
	"sikkerpost.dk/gateway/internal/post"
)

// Codes of an outcome without an answer, the same for every carrier that is
// reached over a connection.
const (
	CodeNoConnection = "no-connection"
	CodeTimeout      = "timeout"
	CodeBroken       = "connection-broken"
	CodeForbidden    = "auth.forbidden"  // our certificate is refused: alarm
	CodeForm         = "form.unreadable" // our own form did not render as committed
	CodeEarly        = "answer.early"    // it says taken, before all of the form had left
)

// A Watched form notes what a transport has taken of it, so that it can be said
// what is known when no answer comes. It is the one place where silence becomes
// a verdict.
type Watched struct {
	r       io.ReadCloser
	read    atomic.Int64
	started atomic.Bool
	failed  atomic.Pointer[error]
	fresh   atomic.Bool // the connection carried nothing before, and its other side has said nothing yet
	once    sync.Once
}

// Watch returns r, watched.
func Watch(r io.ReadCloser) *Watched { return &Watched{r: r} }

// Trace returns ctx for the request that carries the form, so that it is known
// whether its connection was a new one. Without it none counts as new.
func (b *Watched) Trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:        func(c httptrace.GotConnInfo) { b.fresh.Store(!c.Reused) },
		Got100Continue: func() { b.fresh.Store(false) },
	})
}

// Read implements io.Reader.
func (b *Watched) Read(p []byte) (int, error) {
	b.started.Store(true)
	n, err := b.r.Read(p)
	b.note(n, err)
	return n, err
}

// Lend implements bulktls.Lender when the form is in memory. What is lent counts
// as read, whatever becomes of it; only the form's own failure is one.
func (b *Watched) Lend(most int) (p []byte, done func(), err error) {
	l, ok := b.r.(b64.Lender)
	if !ok {
		return nil, nil, nil
	}
	b.started.Store(true)
	p, done, err = l.Lend(most)
	b.note(len(p), err)
	return p, done, err
}

func (b *Watched) note(n int, err error) {
	b.read.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed.CompareAndSwap(nil, &err)
	}
}

// Close implements io.Closer; transport and caller may both call it.
func (b *Watched) Close() (err error) {
	b.once.Do(func() { err = b.r.Close() })
	return err
}

// Verdict says what is known when no answer came, but err. size is the
// Content-Length that announced the form.
func (b *Watched) Verdict(err error, size int64) (verdict Verdict, code string) {
	if !b.started.Load() {
		return NotTaken, Unanswered(err)
	}
	if certificateRefused(err) {
		if b.fresh.Load() {
			return NotTaken, CodeForbidden
		}
		return Unknown, CodeForbidden // the form may have been read before
	}
	// A form that broke off is shorter than was announced: nobody can have
	// taken it for whole.
	if failed := b.failed.Load(); failed != nil && b.read.Load() < size {
		if errors.Is(*failed, post.ErrPermanent) {
			return RefusedContent, CodeForm
		}
		return NotTaken, CodeForm
	}
	if timedOut(err) {
		return Unknown, CodeTimeout
	}
	return Unknown, CodeBroken
}

// Heard returns what an answer came to. One that says that a form was taken of which
// not all had left, size bytes, speaks of something else: nobody has read the letter.
// That it was there already can be said by the id alone (known).
func (b *Watched) Heard(o Outcome, size int64, known bool) Outcome {
	if o.Verdict == Taken && !known && b.read.Load() < size {
		return Outcome{Verdict: Unknown, Code: CodeEarly, At: o.At}
	}
	return o
}

// Unanswered names why a question that changes nothing got no answer. The error
// itself may hold an address with personal data and is not for a log.
func Unanswered(err error) string {
	switch {
	case certificateRefused(err):
		return CodeForbidden
	case timedOut(err):
		return CodeTimeout
	}
	return CodeNoConnection
}

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// certificateRefused reports whether the TLS handshake ended over our
// certificate. With TLS 1.3 the client learns of it only after it began to
// write; the server's HTTP side never sees those bytes. Later, on a connection
// that was let in, the same alert says nothing of what was read before it.
func certificateRefused(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	text := op.Err.Error()
	return strings.Contains(text, "certificate") || strings.Contains(text, "access denied")
}
