package bulktls_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"sikkerpost.dk/gateway/internal/bulktls"
)

// wire is the connection below TLS: it counts what is written, and breaks when told.
type wire struct {
	net.Conn
	mu     sync.Mutex
	calls  int
	bytes  int
	most   int // bytes that still go through; negative: all
	broken error
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.most >= 0 && len(p) > w.most {
		n, _ := w.Conn.Write(p[:w.most])
		w.bytes += n
		return n, w.broken
	}
	n, err := w.Conn.Write(p)
	w.bytes += n
	return n, err
}

func (w *wire) since() (calls, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls, bytes = w.calls, w.bytes
	w.calls, w.bytes = 0, 0
	return calls, bytes
}

func (w *wire) breakAfter(n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most, w.broken = n, err
}

func connect(t *testing.T, p *peers) (*bulktls.Conn, *wire) {
	t.Helper()
	below, err := net.Dial("tcp", p.address) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Conn: below, most: -1}
	c, err := bulktls.Client(t.Context(), w, p.address, p.client, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w.since()
	return c, w
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func versions() map[string]uint16 {
	return map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}
}

func TestWhatIsWrittenAtOnceGoesOutInOneCall(t *testing.T) {
	for name, version := range versions() {
		for _, size := range []int{1, 100, 16 << 10, 16<<10 + 1, 134_000, bulktls.Most} {
			p := newPeers(t)
			p.client.MaxVersion = version
			c, w := connect(t, p)
			want := noise(size)
			if n, err := c.Write(want); n != size || err != nil {
				t.Fatalf("%s, %d: %d, %v", name, size, n, err)
			}
			if calls, out := w.since(); calls != 1 || out < size || out > size+size/20+512 {
				t.Errorf("%s, %d bytes: %d calls, %d out", name, size, calls, out)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if calls, _ := w.since(); calls != 1 {
				t.Errorf("%s: the end went out in %d calls", name, calls)
			}
			if err := <-p.done; err != nil || !bytes.Equal(p.text(), want) {
				t.Errorf("%s, %d bytes: others came, %v", name, size, err)
			}
		}
	}
}

func TestABodyGoesOutInFewCalls(t *testing.T) {
	for name, read := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "end with data": iotest.DataErrReader,
	} {
		for _, size := range []int{0, 1, 134_000, bulktls.Most, bulktls.Most + 1, 1_000_000} {
			p := newPeers(t)
			c, w := connect(t, p)
			want := noise(size)
			if n, err := io.Copy(c, struct{ io.Reader }{read(bytes.NewReader(want))}); n != int64(size) || err != nil {
				t.Fatalf("%s, %d: %d, %v", name, size, n, err)
			}
			if calls, _ := w.since(); calls != (size+bulktls.Most-1)/bulktls.Most {
				t.Errorf("%s, %d bytes: %d calls", name, size, calls)
			}
			c.Close()
			if err := <-p.done; err != nil || !bytes.Equal(p.text(), want) {
				t.Errorf("%s, %d bytes: others came, %v", name, size, err)
			}
		}
	}
}

// memory lends its bytes, and spoils them once they are given back.
type memory struct {
	b    []byte
	at   int
	stop int   // where err comes; 0 is nowhere
	err  error // nil: from stop on the bytes are to be read
	back chan int
}

func (m *memory) Lend(most int) ([]byte, func(), error) {
	if m.at == len(m.b) {
		return nil, nil, io.EOF
	}
	if m.stop > 0 && m.at >= m.stop {
		return nil, nil, m.err
	}
	p := m.b[m.at:min(len(m.b), m.at+most)]
	m.at += len(p)
	return p, func() { clear(p); m.back <- len(p) }, nil
}

func (m *memory) Read(p []byte) (int, error) {
	n := copy(p, m.b[m.at:])
	m.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (m *memory) Close() error { return nil }

func lending(b []byte) *memory { return &memory{b: bytes.Clone(b), back: make(chan int, 100)} }

func TestWhatIsLentIsSealedWhereItLies(t *testing.T) {
	for _, size := range []int{0, 1, 134_000, bulktls.Most, bulktls.Most + 1, 1_000_000} {
		for _, limit := range []int{0, 1, size / 2, size, size + 1} {
			p := newPeers(t)
			c, w := connect(t, p)
			body, all := lending(noise(size)), min(size, limit)
			want := bytes.Clone(body.b[:all])
			if n, err := io.Copy(c, io.LimitReader(body, int64(limit))); n != int64(all) || err != nil {
				t.Fatalf("%d of %d: %d, %v", limit, size, n, err)
			}
			if calls, _ := w.since(); calls != (all+bulktls.Most-1)/bulktls.Most || len(body.back) != calls {
				t.Errorf("%d of %d bytes: %d calls, %d loans given back", limit, size, calls, len(body.back))
			}
			c.Close()
			if err := <-p.done; err != nil || !bytes.Equal(p.text(), want) {
				t.Errorf("%d of %d bytes: others came, %v", limit, size, err)
			}
		}
	}
	p, broken := newPeers(t), errors.New("broken")
	c, _ := connect(t, p)
	body := lending(noise(400_000))
	body.stop, body.err = 1, broken
	if n, err := c.ReadFrom(io.LimitReader(body, 400_000)); n != bulktls.Most || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	body.err = nil // from here on it is to be read
	if n, err := c.ReadFrom(io.LimitReader(body, 400_000-bulktls.Most)); n != 400_000-bulktls.Most || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestALoanIsNotKeptWhileTheWireWaits: the other side reads nothing, and what was
// lent is back all the same.
func TestALoanIsNotKeptWhileTheWireWaits(t *testing.T) {
	c, _ := full(t)
	body, sent := lending(noise(1_000_000)), make(chan error, 1)
	go func() { _, err := c.ReadFrom(io.LimitReader(body, 1_000_000)); sent <- err }()
	if n := <-body.back; n != bulktls.Most {
		t.Error(n)
	}
	select {
	case err := <-sent:
		t.Errorf("sent to nobody: %v", err)
	case n := <-body.back:
		t.Errorf("%d more before those were out", n)
	default:
	}
	c.Close()
	if err := <-sent; err == nil {
		t.Error("sent to nobody")
	}
}

func TestABodyThatBreaksSaysSo(t *testing.T) {
	p, broken := newPeers(t), errors.New("broken")
	c, _ := connect(t, p)
	n, err := c.ReadFrom(io.MultiReader(bytes.NewReader(noise(20_000)), iotest.ErrReader(broken)))
	if n != 20_000 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := c.ReadFrom(idle{}); n != 0 || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %d, %v", n, err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestAfterAFailureNothingGoesOut: however many bytes left, it counts as all, and
// no record follows one that left in part.
func TestAfterAFailureNothingGoesOut(t *testing.T) {
	broken := errors.New("broken")
	for _, after := range []int{0, 1, 20_000, 133_000} {
		p := newPeers(t)
		c, w := connect(t, p)
		w.breakAfter(after, broken)
		if n, err := c.Write(noise(134_000)); n == 0 || !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %d, %v", after, n, err)
		}
		if _, out := w.since(); out != after {
			t.Errorf("%d bytes went out, not %d", out, after)
		}
		w.breakAfter(-1, nil) // the wire is whole again; the stream is not
		for _, size := range []int{1, 134_000} {
			if n, err := c.Write(noise(size)); !errors.Is(err, broken) {
				t.Errorf("then %d bytes: %d, %v", size, n, err)
			}
		}
		if _, err := c.ReadFrom(bytes.NewReader(noise(100))); !errors.Is(err, broken) {
			t.Error(err)
		}
		c.Close()
		if calls, out := w.since(); out != 0 {
			t.Errorf("after %d bytes: %d more in %d calls", after, out, calls)
		}
		if err := <-p.done; err == nil && after > 0 { // between two records Go's TLS takes any end
			t.Error("the other side took it for a proper end")
		}
	}
}

// full is a connection whose other side reads nothing any more: the wire is taken
// off it once hands are shaken.
func full(t *testing.T) (*bulktls.Conn, net.Conn) {
	t.Helper()
	p := newPeers(t)
	near, far := net.Pipe()
	served := tls.Server(far, p.server)
	ready := make(chan error, 1)
	go func() { ready <- served.HandshakeContext(t.Context()) }()
	p.client.MaxVersion = tls.VersionTLS12 // no tickets that nobody reads
	c, err := bulktls.Client(t.Context(), near, "127.0.0.1:1", p.client, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far
}

func TestCloseBreaksOffAWriteThatWaits(t *testing.T) {
	for _, size := range []int{100, 134_000, 1 << 20} {
		c, far := full(t)
		wrote := make(chan error, 1)
		go func() { _, err := c.Write(noise(size)); wrote <- err }()
		if _, err := io.ReadFull(far, make([]byte, 10)); err != nil { // it is under way
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-wrote; err == nil {
			t.Errorf("%d bytes: written to nobody", size)
		}
		if waited := time.Since(began); waited > 4*time.Second { // crypto/tls waits 5 s to say goodbye
			t.Errorf("%d bytes: Close waited %v", size, waited)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := c.Write(noise(10)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestADeadlineEndsAWriteThatWaits(t *testing.T) {
	c, _ := full(t)
	if err := c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Write(noise(134_000))
	var n net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &n) || !n.Timeout() {
		t.Error(err)
	}
}

// TestManyMayWriteAtOnce: run with -race. Each Write stays in one piece.
func TestManyMayWriteAtOnce(t *testing.T) {
	p := newPeers(t)
	c, _ := connect(t, p)
	const size = 40_000
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for range 5 {
				if _, err := c.Write(bytes.Repeat([]byte{byte('a' + g)}, size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	c.Close()
	if err := <-p.done; err != nil {
		t.Fatal(err)
	}
	got := p.text()
	if len(got) != 40*size {
		t.Fatalf("%d bytes", len(got))
	}
	for piece := range 40 {
		b := got[piece*size : (piece+1)*size]
		if bytes.Count(b, b[:1]) != size {
			t.Fatalf("piece %d is mixed", piece)
		}
	}
}
