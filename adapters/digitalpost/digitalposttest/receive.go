package digitalposttest

import (
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

// receive reads the body to its end, keeps it as it is and reads it as MeMo.
//
// What is kept is written, not synced: it outlives the simulator, killed as it
// may be, though not a loss of power. A sync for each message would make the
// simulator the bottleneck of whatever is tried with it.
func (s *Server) receive(body io.Reader, uuid string) (*incoming, error) {
	b, ok := whole.Get().(*bytes.Buffer)
	if !ok { // nothing else is ever put there
		b = &bytes.Buffer{}
	}
	defer whole.Put(b)
	b.Reset()
	switch _, err := io.CopyN(b, body, maxWhole+1); {
	case errors.Is(err, io.EOF):
		return s.receiveWhole(b.Bytes(), uuid)
	case err != nil:
		return nil, fmt.Errorf("receive message %s: %w", uuid, err)
	}
	return s.receiveLarge(io.MultiReader(b, body), uuid)
}

// receiveWhole keeps a message that is at hand; text is the caller's again when
// it returns.
func (s *Server) receiveWhole(text []byte, uuid string) (*incoming, error) {
	in := &incoming{}
	sum := sha256.Sum256(text)
	in.sum = hex.EncodeToString(sum[:])
	in.memo, in.files, in.invalid = parse(bytes.NewReader(text))
	if s.cfg.Dir == "" {
		in.body = bytes.Clone(text)
		return in, nil
	}
	f, err := os.CreateTemp(s.cfg.Dir, ".incoming-*")
	if err != nil {
		return nil, fmt.Errorf("keep message %s: %w", uuid, err)
	}
	in.path = f.Name()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		in.discard()
		return nil, fmt.Errorf("keep message %s: %w", uuid, err)
	}
	return in, nil
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
	tee := io.TeeReader(body, io.MultiWriter(kept, hash))
	in.memo, in.files, in.invalid = parse(tee)
	if _, err := io.Copy(io.Discard, tee); err != nil {
		in.discard()
		return nil, fmt.Errorf("receive message %s: %w", uuid, err)
	}
	in.body, in.sum = memory.Bytes(), hex.EncodeToString(hash.Sum(nil))
	return in, nil
}
