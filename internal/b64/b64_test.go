package b64_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"sikkerpost.dk/gateway/internal/b64"
)

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// equal holds Append, Stream and Decode of b to the standard library, and Append
// and Decode to the memory that is theirs.
func equal(t *testing.T, b []byte) {
	t.Helper()
	want := base64.StdEncoding.EncodeToString(b)
	if int64(len(want)) != b64.Size(int64(len(b))) {
		t.Fatalf("%d bytes: a text of %d, %d were foretold", len(b), len(want), b64.Size(int64(len(b))))
	}
	if got := b64.Append([]byte("<content>"), b); string(got) != "<content>"+want {
		t.Fatalf("%d bytes: another text", len(b))
	}
	within := bytes.Repeat([]byte{'#'}, len(want)+64)
	copy(within, b64.Append(within[:0:len(want)], b))
	if string(within[:len(want)]) != want || strings.Trim(string(within[len(want):]), "#") != "" {
		t.Fatalf("%d bytes: another text, or beyond its room", len(b))
	}
	clear := bytes.Repeat([]byte{'#'}, len(want)/4*3+64)
	n, err := b64.Decode(clear[:len(want)/4*3], []byte(want))
	if err != nil || !bytes.Equal(clear[:n], b) || strings.Trim(string(clear[len(want)/4*3:]), "#") != "" {
		t.Fatalf("%d bytes: decoded to others, or beyond their room: %v", len(b), err)
	}
}

func TestTheTextIsTheStandardLibrarys(t *testing.T) {
	all := noise(1 << 20)
	for n := range 2100 {
		equal(t, all[n:n+n])
	}
	for _, n := range []int{48<<10 - 1, 48 << 10, 48<<10 + 1, 96 << 10, 100_000, 100_001, 100_002, 1<<20 - 2100} {
		equal(t, all[2100:2100+n])
	}
	for v := range 256 { // each byte at each place
		equal(t, bytes.Repeat([]byte{byte(v)}, 100))
	}
	for k := range 63 { // each character of the alphabet
		equal(t, bytes.Repeat([]byte{byte(k << 2), byte(k), byte(k)}, 40))
	}
}

// small lends so little, or nothing, that its writer has to go on elsewhere.
type small struct {
	bytes.Buffer
	lend int
}

func (s *small) AvailableBuffer() []byte { return make([]byte, 0, s.lend) }

func TestAStreamIsTheSameHoweverItIsReadAndWritten(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, 1000, 48<<10 - 1, 48 << 10, 48<<10 + 1, 200_000} {
		b := noise(size)
		want := base64.StdEncoding.EncodeToString(b)
		for name, read := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "byte by byte": iotest.OneByteReader, "end with data": iotest.DataErrReader,
		} {
			plain, lending := &struct{ io.Writer }{&bytes.Buffer{}}, &bytes.Buffer{}
			lending.Grow(size)
			through := &bytes.Buffer{}
			buffered, odd, none := bufio.NewWriterSize(through, 64<<10), &small{lend: 1027}, &small{}
			_, _ = buffered.WriteString("before")
			for _, w := range []io.Writer{plain, lending, buffered, odd, none} {
				if n, err := b64.Stream(w, read(bytes.NewReader(b))); err != nil || n != int64(size) {
					t.Fatalf("%s: %d of %d bytes, %v", name, n, size, err)
				}
			}
			if err := buffered.Flush(); err != nil {
				t.Fatal(err)
			}
			for _, got := range []string{plain.Writer.(*bytes.Buffer).String(), lending.String(), strings.TrimPrefix(through.String(), "before"), odd.String(), none.String()} {
				if got != want {
					t.Fatalf("%s: %d bytes: another text", name, size)
				}
			}
		}
	}
}

// memory lends its bytes, and wants each loan back before the next one.
type memory struct {
	t    *testing.T
	b    []byte
	at   int
	out  bool  // something is lent
	stop int   // where err comes; 0 is nowhere
	err  error // nil: from stop on the bytes are to be read
	odd  bool  // lends less than it is asked for
}

func (m *memory) Lend(most int) ([]byte, func(), error) {
	switch {
	case m.out:
		m.t.Error("lent twice")
	case m.at == len(m.b):
		return nil, nil, io.EOF
	case m.stop > 0 && m.at >= m.stop:
		return nil, nil, m.err
	}
	if m.odd {
		most = max(1, most-1)
	}
	p := m.b[m.at:min(len(m.b), m.at+most)]
	m.at, m.out = m.at+len(p), true
	return p, func() {
		for i := range p {
			p[i] = '#' // whoever looks now sees another letter
		}
		m.out = false
	}, nil
}

func (m *memory) Read(p []byte) (int, error) {
	if m.stop == 0 {
		m.t.Error("read, not borrowed")
	}
	n := copy(p, m.b[m.at:])
	m.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// writes fails when it is called while something is lent: writing may wait.
type writes struct {
	io.Writer
	of *memory
}

func (w writes) Write(p []byte) (int, error) {
	if w.of.out {
		w.of.t.Error("written while something is lent")
	}
	return w.Writer.Write(p)
}

func TestWhatIsLentIsEncodedWhereItLies(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{0, 1, 2, 3, 4, 1000, 48<<10 - 1, 48 << 10, 48<<10 + 1, 200_000} {
		for _, w := range []interface {
			io.Writer
			String() string
		}{&bytes.Buffer{}, &small{lend: 1027}, &small{}} {
			b := noise(size)
			want := base64.StdEncoding.EncodeToString(b)
			m := &memory{t: t, b: b}
			if n, err := b64.Stream(w, m); err != nil || n != int64(size) || w.String() != want {
				t.Fatalf("%d bytes: %d, %v", size, n, err)
			}
			if m.out {
				t.Errorf("%d bytes: not given back", size)
			}
		}
		var through bytes.Buffer
		b := noise(size)
		want := base64.StdEncoding.EncodeToString(b)
		m := &memory{t: t, b: b, stop: 48 << 10} // then it is to be read
		if n, err := b64.Stream(writes{&through, m}, m); err != nil || n != int64(size) || through.String() != want {
			t.Fatalf("%d bytes, some of them read: %d, %v", size, n, err)
		}
	}
	m := &memory{t: t, b: noise(100_000), stop: 48 << 10, err: broken}
	if n, err := b64.Stream(io.Discard, m); n != 48<<10 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := b64.Stream(io.Discard, &memory{t: t, b: noise(100_000), odd: true}); err == nil {
		t.Error("pieces that do not join were joined")
	}
	r, w := io.Pipe()
	r.CloseWithError(broken)
	m = &memory{t: t, b: noise(100)}
	if _, err := b64.Stream(writes{w, m}, m); !errors.Is(err, broken) || m.out {
		t.Error(err)
	}
}

func TestAStreamThatBreaksHasNoEnd(t *testing.T) {
	broken := errors.New("broken")
	var out bytes.Buffer
	n, err := b64.Stream(&out, io.MultiReader(bytes.NewReader(make([]byte, 50_000)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || n != 50_000 || out.Len() != 64<<10 {
		t.Errorf("%d bytes, %v, %d out", n, err, out.Len())
	}
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if _, err := b64.Stream(w, bytes.NewReader(make([]byte, 100))); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// FuzzDecode: what is taken, what is refused and what comes of it are the
// standard library's.
func FuzzDecode(f *testing.F) {
	long := bytes.Repeat([]byte("AAEC"), 64)
	for _, seed := range []string{"", "aGk=", "aA==", "aB==", "aGk", "a===", "aGk=aGk=", "aG=k", "!!!!", "=", "aG\nk=", "\r\n", "aGk=\n", "aGk=x"} {
		f.Add([]byte(seed))
		f.Add(append(bytes.Clone(long), seed...))
		f.Add(append([]byte(seed), long...))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		wantN, wantErr := base64.StdEncoding.Decode(want, text)
		got := make([]byte, len(want))
		n, err := b64.Decode(got, text)
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got[:n], want[:wantN]) {
			t.Fatalf("%d bytes, %v; want %d, %v", n, err, wantN, wantErr)
		}
	})
}

// FuzzEncode: the text of any bytes is the standard library's.
func FuzzEncode(f *testing.F) {
	for _, n := range []int{0, 1, 27, 28, 29, 44, 45, 100, 1000} {
		f.Add(noise(n))
	}
	f.Fuzz(equal)
}

// TestEachByteInEachPlaceIsTakenOrRefusedAlike puts each byte into each place of
// a text that the vector unit reads.
func TestEachByteInEachPlaceIsTakenOrRefusedAlike(t *testing.T) {
	text, want, got := bytes.Repeat([]byte("AbC/"), 30), make([]byte, 90), make([]byte, 90)
	for at := range text {
		was := text[at]
		for v := range 256 {
			text[at] = byte(v)
			wantN, wantErr := base64.StdEncoding.Decode(want, text)
			n, err := b64.Decode(got, text)
			if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got[:n], want[:wantN]) {
				t.Fatalf("byte %d at %d: %v, want %v", v, at, err, wantErr)
			}
		}
		text[at] = was
	}
}

// TestWithoutTheVectorUnit runs all of this on a processor without AVX2, as far
// as the program can tell.
func TestWithoutTheVectorUnit(t *testing.T) {
	const off = "cpu.avx2=off"
	if strings.Contains(os.Getenv("GODEBUG"), off) {
		return
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run", ".", "-test.v")
	c.Env = append(os.Environ(), "GODEBUG="+off)
	out, err := c.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestTheTextIsTheStandardLibrarys")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkAppend(b *testing.B) {
	clear := noise(100_000)
	text := make([]byte, 0, b64.Size(100_000))
	for b.Loop() {
		b64.Append(text, clear)
	}
}

func BenchmarkDecode(b *testing.B) {
	text := b64.Append(nil, noise(100_000))
	clear := make([]byte, len(text)/4*3)
	for b.Loop() {
		if _, err := b64.Decode(clear, text); err != nil {
			b.Fatal(err)
		}
	}
}
