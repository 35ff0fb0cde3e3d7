package memo

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errTooMuch says that a limit in bytes is used up.
var errTooMuch = errors.New("too many bytes")

// input feeds the parser byte by byte, so that the parser never reads ahead of
// the tag that it returns, and counts lines and bytes against two budgets: of
// the whole message, and of the token at hand.
type input struct {
	r     *bufio.Reader
	left  int64 // of the message
	token int64 // of the token
	line  int
	err   error // of the reader below; not EOF
}

func newInput(r io.Reader, l Limits) *input {
	return &input{r: bufio.NewReaderSize(r, 64<<10), left: l.Bytes, line: 1}
}

// allow grants n bytes to the next token.
func (i *input) allow(n int64) { i.token = n }

// ReadByte implements io.ByteReader, which keeps xml.Decoder from buffering.
func (i *input) ReadByte() (byte, error) {
	if i.left == 0 || i.token == 0 {
		return 0, errTooMuch
	}
	b, err := i.r.ReadByte()
	if err != nil {
		return 0, i.note(err)
	}
	i.left--
	i.token--
	if b == '\n' {
		i.line++
	}
	return b, nil
}

// Read implements io.Reader, which xml.NewDecoder asks for and does not use.
func (i *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := i.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

func (i *input) note(err error) error {
	if !errors.Is(err, io.EOF) && i.err == nil {
		i.err = err
	}
	return err
}

// rawContent yields the characters of a base64 text up to its end tag, without
// white space. A reference, a comment or a CDATA section inside it reaches the
// base64 decoder, or the parser, as the error that it is.
type rawContent struct {
	in    *input
	ended bool
}

func (c *rawContent) Read(p []byte) (int, error) {
	for !c.ended {
		if _, err := c.in.r.Peek(1); err != nil {
			return 0, unexpected(c.in.note(err)) // a message that ends here is broken; its reader is not
		}
		chunk, _ := c.in.r.Peek(min(c.in.r.Buffered(), len(p)))
		if end := bytes.IndexByte(chunk, '<'); end >= 0 {
			c.ended, chunk = true, chunk[:end]
		}
		used := len(chunk)
		n := c.squeeze(p, chunk)
		if int64(used) > c.in.left {
			return 0, errTooMuch
		}
		c.in.left -= int64(used)
		_, _ = c.in.r.Discard(used) // peeked, so it cannot fail
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// squeeze copies chunk into p without white space and returns how much it was.
func (c *rawContent) squeeze(p, chunk []byte) int {
	if bytes.IndexByte(chunk, '\n') < 0 && bytes.IndexByte(chunk, ' ') < 0 &&
		bytes.IndexByte(chunk, '\r') < 0 && bytes.IndexByte(chunk, '\t') < 0 { // four fast scans, as nearly always
		return copy(p, chunk)
	}
	n := 0
	for _, b := range chunk {
		switch b {
		case '\n':
			c.in.line++
		case ' ', '\t', '\r':
		default:
			p[n] = b
			n++
		}
	}
	return n
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
