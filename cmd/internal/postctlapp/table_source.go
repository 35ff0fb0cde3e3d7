package postctlapp

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	// maxTable bounds a table: 100,000 lines of 1.3 KB, which no real one reaches.
	maxTable = 128 << 20
	// maxRow bounds one row, which may have several lines when values are quoted. No
	// row without faults comes near; a quotation mark that nobody closed would reach
	// to the end of the table, and all of it would be one value in memory.
	maxRow = 1 << 20
	// block is what is read, and compared with the first reading, at a time.
	block = 64 << 10
)

var (
	bom = []byte("\xef\xbb\xbf")

	errChanged = errors.New("the table was changed while it was read")
)

// source is the text of a table. It is read several times and never kept: what is
// kept is a digest of each block, so that every later reading sees the bytes that
// were checked, or fails.
type source struct {
	io.ReaderAt
	json   bool
	size   int64
	breaks int  // line feeds
	zeros  bool // it holds zero bytes
	blocks [][sha256.Size]byte
	close  func() error
}

// open reads the table at path once. What is no plain file, a pipe for one, can
// be read once only, and is kept in memory.
func open(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &ctl.Hint{Err: err, Hint: "check the path"}
	}
	s := &source{json: strings.EqualFold(filepath.Ext(path), ".jsonl"), ReaderAt: f, close: f.Close}
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		b, err := io.ReadAll(io.LimitReader(f, maxTable+1))
		f.Close() //nolint:errcheck // only read
		if err != nil {
			return nil, &ctl.Hint{Err: err, Hint: "check the path"}
		}
		s.ReaderAt, s.close = bytes.NewReader(b), func() error { return nil }
	}
	if err := s.survey(); err != nil {
		s.close() //nolint:errcheck // only read
		return nil, err
	}
	return s, nil
}

// survey reads all of it, for what has to be known before the first line is.
func (s *source) survey() error {
	all, b := io.NewSectionReader(s, 0, maxTable+1), make([]byte, block)
	for {
		n, err := io.ReadFull(all, b)
		if n > 0 {
			s.size += int64(n)
			s.breaks += bytes.Count(b[:n], []byte{'\n'})
			s.zeros = s.zeros || bytes.IndexByte(b[:n], 0) >= 0
			s.blocks = append(s.blocks, sha256.Sum256(b[:n]))
		}
		switch {
		case s.size > maxTable:
			return post.FaultBatchSize
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return &ctl.Hint{Err: err, Hint: "check the path"}
		}
	}
}

// reading is one reading of a source, block by block.
type reading struct {
	s    *source
	next int
	buf  []byte
	rest []byte
}

// Read implements [io.Reader].
func (r *reading) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next == len(r.s.blocks) {
			return 0, io.EOF
		}
		at := int64(r.next) * block
		r.rest = r.buf[:min(block, r.s.size-at)]
		if _, err := r.s.ReadAt(r.rest, at); err != nil && !errors.Is(err, io.EOF) {
			return 0, &ctl.Hint{Err: err, Hint: "check the path"}
		}
		if sha256.Sum256(r.rest) != r.s.blocks[r.next] {
			return 0, &ctl.Hint{Err: errChanged, Hint: "run it again when nobody writes to the table any more"}
		}
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// text is the text of a table, line by line, as UTF-8. Each line that is not is a
// fault; its bytes are then read as Latin-1, so that whatever else is wrong with it
// and with the others is told as well.
type text struct {
	from  *bufio.Reader
	fault func(line int, err error)
	n     int // of the line that was read last

	line []byte // what [text.Read] has not given away of it
	held []byte // memory of it
	wide []byte // of Latin-1 as UTF-8
	// given counts what Read gave away, row where in that the row under way begins.
	given, row int64
	cut        bool  // a row was longer than maxRow, and ended before its end
	err        error // other than the end
}

func (s *source) text(fault func(int, error)) *text {
	t := &text{from: bufio.NewReaderSize(&reading{s: s, buf: make([]byte, block)}, block), fault: fault}
	if head, _ := t.from.Peek(len(bom)); bytes.Equal(head, bom) {
		t.from.Discard(len(bom)) //nolint:errcheck // they are there
	}
	return t
}

// next reads a line with its line feed. ok is false at the end. A line is cut off
// at maxRow, and whole is false; the rest is passed over.
func (t *text) next() (line []byte, whole, ok bool) {
	t.held, whole = t.held[:0], true
	for {
		b, err := t.from.ReadSlice('\n')
		if whole = whole && len(t.held)+len(b) <= maxRow; whole {
			t.held = append(t.held, b...)
		}
		ok = ok || len(b) > 0
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			t.err = err
			return nil, false, false
		}
		break
	}
	if !ok {
		return nil, false, false
	}
	t.n++
	if whole && !utf8.Valid(t.held) {
		t.fault(t.n, post.FaultTableForm.At("the line is not UTF-8"))
		t.wide = t.wide[:0]
		for _, c := range t.held {
			t.wide = utf8.AppendRune(t.wide, rune(c))
		}
		return t.wide, true, true
	}
	return t.held, whole, true
}

// Read implements [io.Reader]. It ends with a row that is too long.
func (t *text) Read(p []byte) (int, error) {
	if t.cut {
		return 0, io.EOF
	}
	if len(t.line) == 0 {
		line, whole, ok := t.next()
		if !ok {
			if t.err != nil {
				return 0, t.err
			}
			return 0, io.EOF
		}
		if t.cut = !whole || t.given+int64(len(line))-t.row > maxRow+block; t.cut {
			return 0, io.EOF
		}
		t.line = line
	}
	n := copy(p, t.line)
	t.line = t.line[n:]
	t.given += int64(n)
	return n, nil
}

// drain reads what is left, for the faults of its lines alone.
func (t *text) drain() error {
	for {
		if _, _, ok := t.next(); !ok {
			return t.err
		}
	}
}

// head is the first line, which Read gives all the same.
func (t *text) head() []byte {
	line, whole, ok := t.next()
	t.cut = ok && !whole
	t.line = line
	return line
}

// tooLong names a row that is longer than any row of a table.
func tooLong() error { return post.FaultTableForm.At("more than %s without an end", size(maxRow)) }
