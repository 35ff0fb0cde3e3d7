// Package envelope is what sealing and opening have in common: how an age file
// is cut into header and payload, how its parts are put together and opened,
// and the symmetric key that file keys can be wrapped under.
//
// Files are age v1 files (age-encryption.org/v1). Headers of several recipients are
// age's own work, that of one is written here to the same bytes; payloads
// are sealed and opened here, with buffers that are used again.
//
// A failure to open is [post.FaultSealed] and permanent, whatever the reason:
// it never says which key was tried or which byte was wrong. A failure of the
// place that the bytes or keys come from is passing and stays what it is.
package envelope

import (
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

// Open opens payload, whose header was kept apart.
func Open(header []byte, payload io.Reader, ids ...age.Identity) (io.Reader, error) {
	key, err := fileKey(header, ids)
	if err != nil {
		return nil, judge(err)
	}
	src := &source{r: payload}
	r, err := newReader(key, src)
	if err != nil {
		return nil, src.judge(err)
	}
	return &opened{r: r, src: src}, nil
}

// OpenSmall opens a whole age file held in memory.
func OpenSmall(sealed []byte, ids ...age.Identity) ([]byte, error) {
	if p, ok := single(sealed); ok {
		key, err := p.fileKey(ids)
		if err != nil {
			return nil, judge(err)
		}
		return openAll(key, p.rest)
	}
	header, err := cut(sealed)
	if err != nil {
		return nil, err
	}
	key, err := fileKey(header, ids)
	if err != nil {
		return nil, judge(err)
	}
	return openAll(key, sealed[len(header):])
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
	return judge(err)
}

func judge(err error) error {
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
