package digitalposttest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxWhole is how large a message is read whole; a larger one streams.
const maxWhole = 1 << 20

// whole holds messages while they are received.
var whole = sync.Pool{New: func() any { return &bytes.Buffer{} }}

// readers are what messages at hand are read with. They are as large as memo's own,
// which it does without then.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

// receive reads the body to its end and reads it as MeMo. What it returns holds
// the bytes until it is discarded: in memory, or in a file when they are many or
// to be spooled, because the caller holds many messages at once.
//
// What is kept is written, not synced: it outlives the simulator, killed as it
// may be, though not a loss of power. A sync for each message would make the
// simulator the bottleneck of whatever is tried with it.
//
// size is what the caller says that it is, or -1.
func (s *Server) receive(body io.Reader, size int64, uuid string, spool bool) (*incoming, error) {
	b, ok := whole.Get().(*bytes.Buffer)
	if !ok { // nothing else is ever put there
		b = &bytes.Buffer{}
	}
	b.Reset()
	b.Grow(int(min(max(size, 0), maxWhole)) + bytes.MinRead)
	switch _, err := io.CopyN(b, body, maxWhole+1); {
	case errors.Is(err, io.EOF) && !spool:
		return s.receiveWhole(b), nil
	case err != nil && !errors.Is(err, io.EOF):
		whole.Put(b)
		return nil, fmt.Errorf("receive message %s: %w", uuid, err)
	}
	defer whole.Put(b)
	return s.receiveLarge(io.MultiReader(b, body), uuid)
}

// receiveWhole reads a message that is at hand.
func (s *Server) receiveWhole(b *bytes.Buffer) *incoming {
	in := &incoming{body: b.Bytes(), pooled: b}
	sum := sha256.Sum256(in.body)
	in.sum = hex.EncodeToString(sum[:])
	r, ok := readers.Get().(*bufio.Reader)
	if !ok { // nothing else is ever put there
		r = bufio.NewReader(nil)
	}
	r.Reset(bytes.NewReader(in.body))
	in.memo, in.files, in.invalid = parse(r)
	r.Reset(nil)
	readers.Put(r)
	if s.cfg.Dir == "" { // it stays in memory
		in.body, in.pooled = bytes.Clone(in.body), nil
		whole.Put(b)
	}
	return in
}

// receiveLarge streams a message.
func (s *Server) receiveLarge(body io.Reader, uuid string) (in *incoming, err error) {
	in = &incoming{}
	var kept io.Writer
	memory := &bytes.Buffer{}
	kept = memory
	if s.cfg.Dir != "" {
		f, err := os.CreateTemp(s.cfg.Dir, ".incoming-*")
		if err != nil {
			return nil, fmt.Errorf("keep message %s: %w", uuid, err)
		}
		in.path, kept = f.Name(), f
		defer func() {
			err = errors.Join(err, f.Close())
		}()
	}
	hash := sha256.New()
	tee := io.TeeReader(body, io.MultiWriter(kept, hash, &in.size))
	in.memo, in.files, in.invalid = parse(tee)
	if _, err := io.Copy(io.Discard, tee); err != nil {
		in.discard()
		return nil, fmt.Errorf("receive message %s: %w", uuid, err)
	}
	in.body, in.sum = memory.Bytes(), hex.EncodeToString(hash.Sum(nil))
	return in, nil
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
