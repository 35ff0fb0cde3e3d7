// Package envelope is what sealing and opening have in common: how an age file
// is cut into header and payload, how its parts are put together and opened,
// and the symmetric key that file keys can be wrapped under.
//
// A failure to open is [post.FaultSealed] and permanent, whatever the reason:
// it never says which key was tried or which byte was wrong. A failure of the
// place that the bytes or keys come from is passing and stays what it is.
package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
)

// maxHeader bounds what is held in memory of a header: a hybrid stanza is about
// 1.6 kB, so this is room for some hundred recipients.
const maxHeader = 256 << 10

// ErrSealed is what a failed opening answers.
var ErrSealed = fmt.Errorf("%w: %w", post.ErrPermanent, post.FaultSealed)

// Passing marks a failure that says nothing about the sealed bytes.
type Passing struct{ Err error }

// Error implements error.
func (p *Passing) Error() string { return p.Err.Error() }

// Unwrap implements the errors protocol.
func (p *Passing) Unwrap() error { return p.Err }

// A Splitter passes the payload of an age file on to Payload and keeps the
// header. [age.Encrypt] writes header and nonce before it returns; then call
// [Splitter.Cut].
type Splitter struct {
	Payload io.Writer
	Header  []byte
	start   bytes.Buffer
	cut     bool
}

// Write implements io.Writer.
func (s *Splitter) Write(p []byte) (int, error) {
	if s.cut {
		return s.Payload.Write(p)
	}
	if s.start.Len()+len(p) > maxHeader {
		return 0, errors.New("seal: header too long")
	}
	return s.start.Write(p)
}

// Cut ends the header; what came after it goes to Payload.
func (s *Splitter) Cut() error {
	whole := s.start.Bytes()
	header, err := age.ExtractHeader(bytes.NewReader(whole))
	if err != nil {
		return fmt.Errorf("split header: %w", err)
	}
	if !bytes.HasPrefix(whole, header) {
		return errors.New("split header: header is not canonical")
	}
	s.Header, s.cut = header, true
	_, err = s.Payload.Write(whole[len(header):])
	return err
}

// Open opens payload, whose header was kept apart.
func Open(header []byte, payload io.Reader, ids ...age.Identity) (io.Reader, error) {
	if len(header) > maxHeader || len(ids) == 0 {
		return nil, ErrSealed
	}
	canonical, err := age.ExtractHeader(bytes.NewReader(header))
	if err != nil || !bytes.Equal(canonical, header) {
		return nil, ErrSealed // nothing but a header may stand there
	}
	src := &source{r: payload}
	r, err := age.Decrypt(io.MultiReader(bytes.NewReader(header), src), ids...)
	if err != nil {
		return nil, src.judge(err)
	}
	return &opened{r: r, src: src}, nil
}

// OpenSmall opens a whole age file held in memory.
func OpenSmall(sealed []byte, ids ...age.Identity) ([]byte, error) {
	header, err := age.ExtractHeader(bytes.NewReader(sealed))
	if err != nil || !bytes.HasPrefix(sealed, header) {
		return nil, ErrSealed
	}
	r, err := Open(header, bytes.NewReader(sealed[len(header):]), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// source remembers whether it failed by itself.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *source) judge(err error) error {
	if s.err != nil {
		return fmt.Errorf("read sealed content: %w", s.err)
	}
	if p := (*Passing)(nil); errors.As(err, &p) {
		return fmt.Errorf("fetch key: %w", p.Err)
	}
	return ErrSealed
}

type opened struct {
	r   io.Reader
	src *source
}

func (o *opened) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = o.src.judge(err)
	}
	return n, err
}
