package dispatch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/verify"
)

func filled(k *run, b byte, n int) *buffer {
	l := k.room(int64(n))
	for i := range l.b {
		l.b[i] = b
	}
	return l
}

func TestAReaderOfARunThatEndedNeverSeesTheNextLetter(t *testing.T) {
	mine := &run{}
	r := filled(mine, 'a', 100_000).reader()
	if err := iotest.TestReader(filled(mine, 'b', 1000).reader(), bytes.Repeat([]byte("b"), 1000)); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	mine.end()
	next := &run{}
	defer next.end()
	for range 20 { // one of them has the buffer again
		filled(next, 'z', 100_000)
	}
	if got, err := io.ReadAll(r); len(got) > 0 || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if l := mine.buffers[0]; l.size() != 0 {
		t.Errorf("%d bytes after the end", l.size())
	}
}

// TestWhatIsLentStaysUntilItIsGivenBack: the run's end waits, and what follows is
// not lent.
func TestWhatIsLentStaysUntilItIsGivenBack(t *testing.T) {
	mine := &run{}
	r := filled(mine, 'a', 100_000).reader().(*bufferReader)
	p, done, err := r.Lend(60_000)
	if err != nil || len(p) != 60_000 || cap(p) != 60_000 {
		t.Fatalf("%d bytes, %v", len(p), err)
	}
	ended := make(chan struct{})
	go func() { mine.end(); close(ended) }()
	next := &run{}
	defer next.end()
	for range 20 {
		filled(next, 'z', 100_000)
	}
	select {
	case <-ended:
		t.Error("the run has ended while its bytes are lent")
	default:
	}
	if n := bytes.Count(p, []byte("a")); n != len(p) {
		t.Errorf("%d of %d bytes are another's", len(p)-n, len(p))
	}
	done()
	<-ended
	if p, done, err := r.Lend(10); len(p) > 0 || done != nil || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after the end: %d bytes, %v", len(p), err)
	}
}

func TestALoanEndsWhereTheBytesEnd(t *testing.T) {
	k := &run{}
	defer k.end()
	r := filled(k, 'a', 100_000).reader().(*bufferReader)
	var sizes []int
	for {
		p, done, err := r.Lend(48 << 10)
		if err != nil {
			if !errors.Is(err, io.EOF) || done != nil {
				t.Error(err)
			}
			break
		}
		sizes = append(sizes, len(p))
		done()
	}
	if !slices.Equal(sizes, []int{48 << 10, 48 << 10, 100_000 - 96<<10}) {
		t.Error(sizes)
	}
}

func TestABufferServesOnlyItsSize(t *testing.T) {
	for _, n := range []int{0, 1, bufferUnit, bufferUnit + 1, 100_000, mostKept} {
		for range 3 {
			l := newBuffer(n)
			if cap(l.b) < n || cap(l.b) >= n+bufferUnit || len(l.b) != 0 {
				t.Errorf("%d bytes: room for %d", n, cap(l.b))
			}
			l.release()
		}
	}
}

func TestAFormEndsWhereItWasWritten(t *testing.T) {
	first := &run{}
	filled(first, 's', 150_000)
	first.end()
	second := &run{}
	defer second.end()
	m := newMeasured(Job{run: second, Documents: []Document{{Size: 90_000}}})
	if _, err := m.Write([]byte("<memo/>")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(m.buf.reader()); err != nil || string(got) != "<memo/>" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := m.Write(make([]byte, m.most)); err != nil || m.buf != nil {
		t.Errorf("a form larger than its room is kept: %v", err)
	}
}

// TestAFormIsMeasuredAlikeHoweverItIsWritten: in one piece or many, right into
// its room or from elsewhere, within the room or beyond it.
func TestAFormIsMeasuredAlikeHoweverItIsWritten(t *testing.T) {
	all := bytes.Repeat([]byte("base64+/"), 20_000)
	for _, size := range []int{0, 1, 1000, 16 << 10, 60_000, len(all)} {
		for _, step := range []int{1, 1000, 48 << 10, len(all)} {
			for name, write := range map[string]func(*measured, []byte) (int, error){
				"bytes":  func(m *measured, p []byte) (int, error) { return m.Write(p) },
				"string": func(m *measured, p []byte) (int, error) { return m.WriteString(string(p)) },
				"in its room": func(m *measured, p []byte) (int, error) {
					return m.Write(append(m.AvailableBuffer(), p...))
				},
			} {
				k := &run{}
				m := newMeasured(Job{run: k, Documents: []Document{{Size: 30_000}}})
				for at := 0; at < size; at += step {
					if n, err := write(m, all[at:min(at+step, size)]); err != nil || n != min(step, size-at) {
						t.Fatalf("%s: %d, %v", name, n, err)
					}
				}
				if m.n != int64(size) || m.sum() != sha256.Sum256(all[:size]) || (m.buf == nil) != (size > m.most) {
					t.Errorf("%s: %d bytes by %d: measured %d, kept %v", name, size, step, m.n, m.buf != nil)
				}
				if m.buf != nil {
					if got, err := io.ReadAll(m.buf.reader()); err != nil || !bytes.Equal(got, all[:size]) {
						t.Errorf("%s: %d bytes by %d: others are kept, %v", name, size, step, err)
					}
				}
				k.end()
			}
		}
	}
}

// Run with -race: readers that outlive their runs, while buffers go round.
func TestBuffersGoRoundAmongManyRuns(t *testing.T) {
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for range 50 {
				k := &run{}
				r := filled(k, byte(g), 70_000).reader()
				all.Go(func() {
					got, err := io.ReadAll(iotest.HalfReader(r))
					if n := bytes.Count(got, []byte{byte(g)}); n != len(got) {
						t.Errorf("%d of %d bytes are another's", len(got)-n, len(got))
					}
					if err != nil && !errors.Is(err, fs.ErrClosed) || err == nil && len(got) != 70_000 {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				})
				borrower := filled(k, byte(g), 70_000).reader().(*bufferReader)
				all.Go(func() {
					for {
						p, done, err := borrower.Lend(999)
						if err != nil {
							return
						}
						if n := bytes.Count(p, []byte{byte(g)}); n != len(p) {
							t.Errorf("%d of %d lent bytes are another's", len(p)-n, len(p))
						}
						done()
					}
				})
				k.end()
			}
		})
	}
	all.Wait()
}

// Run with -race: a form that is rendered while it leaves may still open documents
// when the run has gone on to the letter's next channel.
func TestAFormThatIsLeftBehindOpensDocumentsBesideTheRun(t *testing.T) {
	k := &run{}
	defer k.end()
	of, sum := letter.Sealed{}, sha256.Sum256([]byte("aaa"))
	k.keepDocument(of, sum, filled(k, 'a', 3))
	j := (&Advancer{}).job(t.Context(), Record{run: k, Documents: []letter.Sealed{of}},
		opened{content: letter.Content{Documents: []letter.ContentDocument{{}}}},
		verify.Manifest{Documents: []verify.Document{{Size: 3, SHA256: sum}}}, time.Now())
	var behind sync.WaitGroup
	behind.Go(func() {
		for range 100 {
			r, err := j.Documents[0].Open()
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := io.ReadAll(r); string(got) != "aaa" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		}
	})
	for i := range 100 {
		k.keepDocument(of, [32]byte{byte(i)}, filled(k, 'b', 3))
	}
	behind.Wait()
}
