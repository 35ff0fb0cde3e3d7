package dispatch

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"

	"sikkerpost.dk/gateway/internal/b64"
)

// measured takes a form as it is rendered: its size, its digest and, while it is
// small, its bytes. Those are hashed at the end, in one go.
type measured struct {
	n    int64
	h    hash.Hash // of what is not in buf
	buf  *buffer   // nil when it is too large
	most int       // bytes that buf may hold
}

// newMeasured makes room for the form of j: base64 and some words around it.
func newMeasured(j Job) *measured {
	m := &measured{h: sha256.New()}
	room := int64(16 << 10)
	for _, d := range j.Documents {
		room += b64.Size(d.Size)
	}
	if room <= mostKept && j.run != nil {
		m.buf, m.most = j.run.buffer(room), int(room)
	}
	return m
}

// Write implements [io.Writer].
func (m *measured) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	if m.keeps(len(p)) {
		m.buf.b = append(m.buf.b, p...)
		return len(p), nil
	}
	return m.h.Write(p)
}

// WriteString implements [io.StringWriter].
func (m *measured) WriteString(s string) (int, error) {
	if m.keeps(len(s)) {
		m.n += int64(len(s))
		m.buf.b = append(m.buf.b, s...)
		return len(s), nil
	}
	return m.Write([]byte(s))
}

// AvailableBuffer lends the room that is left, so that a renderer encodes right
// into it; what was made there and is then written is not copied.
func (m *measured) AvailableBuffer() []byte {
	if m.buf == nil {
		return nil
	}
	at := len(m.buf.b)
	return m.buf.b[at:at:m.most]
}

// keeps reports whether n more bytes are kept. A form larger than was thought is
// not: it is rendered again when it leaves.
func (m *measured) keeps(n int) bool {
	if m.buf != nil && len(m.buf.b)+n > m.most {
		m.h.Write(m.buf.b)
		m.buf = nil
	}
	return m.buf != nil
}

// sum is the digest of all that was written.
func (m *measured) sum() [32]byte {
	if m.buf != nil {
		return sha256.Sum256(m.buf.b)
	}
	return [32]byte(m.h.Sum(nil))
}

// render measures the carrier's form of j, and keeps it while it is small.
func render(ctx context.Context, ch Channel, j Job) (f *measured, sum [32]byte, err error) {
	f = newMeasured(j)
	if err := ch.Render(ctx, j, f); err != nil {
		return nil, sum, err
	}
	return f, f.sum(), nil
}

// form renders again while it is read, and holds the last byte back until the
// whole is known to be what was committed.
func form(ctx context.Context, ch Channel, j Job, in Intent) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(ch.Render(ctx, j, pw)) }() // ends when pr is closed
	return &exact{r: pr, c: pr, left: in.Size, want: in.SHA256, h: sha256.New(), bad: errForm}
}
