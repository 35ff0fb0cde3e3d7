package memo_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"runtime"
	"testing"

	"sikkerpost.dk/gateway/internal/outbound/memo"
)

// large is the most that fits: 74.6 MB of files make 99.5 MB of message.
const large = 74_600_000

func weighty(size int64) *memo.Message {
	m := full()
	m.Body.Documents[0].Files[0].Size = size
	m.Body.Documents[0].Files[0].Open = func() (io.ReadCloser, error) { return io.NopCloser(&repeat{size}), nil }
	return m
}

// allocated returns how many bytes f allocates in all, freed or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	encode := func(size int64) uint64 {
		return allocated(func() {
			if err := memo.Write(io.Discard, weighty(size)); err != nil {
				t.Error(err)
			}
		})
	}
	decode := func(size int64) uint64 {
		r, w := io.Pipe()
		go func() { w.CloseWithError(memo.Write(w, weighty(size))) }()
		return allocated(func() {
			if _, err := memo.Read(r, memo.Limits{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	const slack = 1 << 20
	small, big := encode(1<<20), encode(32<<20)
	if big > small+slack {
		t.Errorf("writing: 1 MiB costs %d bytes, 32 MiB costs %d", small, big)
	}
	small, big = decode(1<<20), decode(32<<20)
	if big > small+slack {
		t.Errorf("reading: 1 MiB costs %d bytes, 32 MiB costs %d", small, big)
	}
}

func BenchmarkBareBase64(b *testing.B) {
	b.SetBytes(large)
	b.ReportAllocs()
	for b.Loop() {
		w := base64.NewEncoder(base64.StdEncoding, io.Discard)
		if _, err := io.Copy(w, &repeat{large}); err != nil {
			b.Fatal(err)
		}
		_ = w.Close() // nothing below can fail
	}
}

func BenchmarkWrite75MB(b *testing.B) {
	b.SetBytes(large)
	b.ReportAllocs()
	for b.Loop() {
		if err := memo.Write(io.Discard, weighty(large)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareBase64Decode(b *testing.B) {
	b.SetBytes(large)
	b.ReportAllocs()
	for b.Loop() {
		r := base64.NewDecoder(base64.StdEncoding, &letters{(large + 2) / 3 * 4})
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead75MB(b *testing.B) {
	b.SetBytes(large)
	b.ReportAllocs()
	text := []byte(head + body)
	cut := len(head) + len(body) - len("VGhpcyBp\n  cyBhIHRlc3Q=</m:content></m:File></m:MainDocument></m:MessageBody></m:Message>")
	for b.Loop() {
		r := io.MultiReader(bytes.NewReader(text[:cut]), &letters{(large + 2) / 3 * 4}, bytes.NewReader(text[len(text)-len("</m:content></m:File></m:MainDocument></m:MessageBody></m:Message>"):]))
		if _, err := memo.Read(r, memo.Limits{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// letters yields n times the letter A, which is base64 of zeros.
type letters struct{ n int64 }

func (l *letters) Read(p []byte) (int, error) {
	if l.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), l.n)
	for i := range p[:n] {
		p[i] = 'A'
	}
	l.n -= n
	return int(n), nil
}

func TestTheBytesAreTheSameWhateverTheyAreWrittenTo(t *testing.T) {
	for _, size := range []int64{1, 2, 3, 1000, 48<<10 + 1, 300_000} {
		var memory, other bytes.Buffer
		if err := memo.Write(&memory, weighty(size)); err != nil {
			t.Fatal(err)
		}
		if err := memo.Write(struct{ io.Writer }{&other}, weighty(size)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(memory.Bytes(), other.Bytes()) {
			t.Errorf("%d bytes: %d written to memory, %d elsewhere", size, memory.Len(), other.Len())
		}
		content := make([]byte, size)
		_, _ = io.ReadFull(&repeat{size}, content)
		if want := "<memo:content>" + base64.StdEncoding.EncodeToString(content) + "</memo:content>"; !bytes.Contains(memory.Bytes(), []byte(want)) {
			t.Errorf("%d bytes: another text", size)
		}
	}
}
