package dispatch

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"sync"
	"testing"
	"testing/iotest"
)

func filled(k *run, b byte, n int) *lent {
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
	mine.letGo()
	next := &run{}
	defer next.letGo()
	for range 20 { // one of them has the buffer again
		filled(next, 'z', 100_000)
	}
	if got, err := io.ReadAll(r); len(got) > 0 || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if l := mine.lent[0]; l.size() != 0 {
		t.Errorf("%d bytes after the end", l.size())
	}
}

func TestAFormEndsWhereItWasWritten(t *testing.T) {
	first := &run{}
	filled(first, 's', 150_000)
	first.letGo()
	second := &run{}
	defer second.letGo()
	m := newMeasured(Job{run: second, Documents: []Document{{Size: 90_000}}})
	if _, err := m.Write([]byte("<memo/>")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(m.kept.reader()); err != nil || string(got) != "<memo/>" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := m.Write(make([]byte, m.most)); err != nil || m.kept != nil {
		t.Errorf("a form larger than its room is kept: %v", err)
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
				k.letGo()
			}
		})
	}
	all.Wait()
}
