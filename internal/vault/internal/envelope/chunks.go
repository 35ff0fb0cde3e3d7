package envelope

import (
	"crypto/cipher"
	"errors"
	"io"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// The payload of an age v1 file (age-encryption.org/v1, "Payload"): 16 random
// bytes, then chunks of 64 KiB under ChaCha20-Poly1305. The key is
// HKDF-SHA256(file key, those bytes, "payload"), so it serves one payload; a
// nonce is the chunk's number and, in its last byte, whether it is the last.
// Only an empty payload has an empty chunk.
//
// The age library does the same with new buffers of 64 KiB for each file and
// chunk, which cost more than the cryptography of a value or of a letter. These
// are used again. The tests hold both to the same bytes and the same refusals.
const (
	saltLen  = 16
	chunkLen = 64 << 10
	tagLen   = chacha20poly1305.Overhead
	boxLen   = chunkLen + tagLen // a whole chunk, sealed
)

// A buffer holds one sealed chunk and the byte after it, which tells whether
// it is the last.
type buffer [boxLen + 1]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// release gives b back, with nothing left in the bytes that were used.
func release(b *buffer, used int) {
	clear(b[:used])
	buffers.Put(b)
}

// chunkKey returns the cipher of a payload that begins with salt.
func chunkKey(fileKey, salt []byte) (cipher.AEAD, error) {
	key := derive(fileKey, salt, "payload")
	return chacha20poly1305.New(key[:])
}

// A nonce is the number of a chunk, big-endian, and the flag of the last one.
type nonce [chacha20poly1305.NonceSize]byte

func (n *nonce) last() { n[len(n)-1] = 1 }

// next counts on. 11 bytes of chunks cannot be reached: nobody has the bytes.
func (n *nonce) next() {
	for i := len(n) - 2; i >= 0; i-- {
		if n[i]++; n[i] != 0 {
			return
		}
	}
	panic("envelope: payload of 2^88 chunks")
}

// openAll opens a payload held in memory.
func openAll(fileKey, payload []byte) ([]byte, error) {
	if len(payload) < saltLen+tagLen {
		return nil, ErrSealed
	}
	aead, err := chunkKey(fileKey, payload[:saltLen])
	if err != nil {
		return nil, err
	}
	payload = payload[saltLen:]
	text := make([]byte, 0, len(payload)-tagLen)
	for n := (nonce{}); ; n.next() {
		chunk := payload[:min(boxLen, len(payload))]
		if payload = payload[len(chunk):]; len(payload) == 0 {
			if len(chunk) == tagLen && n != (nonce{}) {
				return nil, ErrSealed
			}
			n.last()
		}
		if text, err = aead.Open(text, n[:], chunk, nil); err != nil {
			return nil, ErrSealed
		}
		if len(payload) == 0 {
			return text, nil
		}
	}
}

// sealAll appends the payload of text to dst. fileKey and salt are used once.
func sealAll(dst, fileKey, salt, text []byte) ([]byte, error) {
	aead, err := chunkKey(fileKey, salt)
	if err != nil {
		return nil, err
	}
	dst = append(dst, salt...)
	for n := (nonce{}); ; n.next() {
		chunk := text[:min(chunkLen, len(text))]
		if text = text[len(chunk):]; len(text) == 0 {
			n.last()
		}
		dst = aead.Seal(dst, n[:], chunk, nil)
		if len(text) == 0 {
			return dst, nil
		}
	}
}

// A reader opens a payload while it is read.
type reader struct {
	src    io.Reader
	aead   cipher.AEAD
	nonce  nonce
	buf    *buffer // from buffers; nil at the end
	ahead  int     // 1 when buf's last byte is the first of the next chunk
	used   int     // bytes of buf that were ever written
	unread []byte  // of buf: clear and not yet given
	err    error   // once unread is empty
}

// newReader reads the salt from src.
func newReader(fileKey []byte, src io.Reader) (*reader, error) {
	var salt [saltLen]byte
	if _, err := io.ReadFull(src, salt[:]); err != nil {
		return nil, err
	}
	aead, err := chunkKey(fileKey, salt[:])
	if err != nil {
		return nil, err
	}
	return &reader{src: src, aead: aead}, nil
}

// Read implements io.Reader. The end comes alone, after all bytes.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.unread) == 0 && r.err == nil && len(p) > 0 {
		r.err = r.chunk()
	}
	if len(r.unread) > 0 {
		n := copy(p, r.unread)
		r.unread = r.unread[n:]
		return n, nil
	}
	if r.err != nil && r.buf != nil {
		release(r.buf, r.used)
		r.buf, r.unread = nil, nil
	}
	return 0, r.err
}

// chunk opens the next chunk. It returns io.EOF with the last.
func (r *reader) chunk() error {
	if r.buf == nil {
		r.buf = buffers.Get().(*buffer) //nolint:forcetypeassert // it holds nothing else
	}
	if r.ahead > 0 {
		r.buf[0] = r.buf[boxLen]
	}
	n, err := io.ReadFull(r.src, r.buf[r.ahead:])
	n += r.ahead
	r.used = max(r.used, n)
	box := r.buf[:min(n, boxLen)]
	switch {
	case err == nil: // more follows
		r.ahead = 1
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if len(box) == tagLen && r.nonce != (nonce{}) {
			return ErrSealed
		}
		r.nonce.last()
		err = io.EOF
	default:
		return err
	}
	text, bad := r.aead.Open(box[:0], r.nonce[:], box, nil)
	if bad != nil {
		return ErrSealed
	}
	r.unread = text
	if err == nil {
		r.nonce.next()
	}
	return err
}

// A Writer seals a payload while it is written. Close writes the last chunk;
// without it the payload is not whole and nobody can open it. After Close, or
// after a failure, it takes nothing more.
type Writer struct {
	dst   io.Writer
	aead  cipher.AEAD
	nonce nonce
	buf   *buffer // from buffers; nil when closed
	n     int     // bytes of buf that wait
	used  int     // bytes of buf that were ever written
	err   error
}

var errClosed = errors.New("seal: closed")

// newWriter writes salt to dst. The two together are used once.
func newWriter(fileKey, salt []byte, dst io.Writer) (*Writer, error) {
	aead, err := chunkKey(fileKey, salt)
	if err != nil {
		return nil, err
	}
	if _, err := dst.Write(salt); err != nil {
		return nil, err
	}
	return &Writer{dst: dst, aead: aead, buf: buffers.Get().(*buffer)}, nil //nolint:forcetypeassert // it holds nothing else
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	for len(p) > 0 {
		if w.n == chunkLen { // and more follows
			if err := w.flush(); err != nil {
				return n, err
			}
		}
		m := copy(w.buf[w.n:chunkLen], p)
		w.n, p, n = w.n+m, p[m:], n+m
	}
	return n, nil
}

// Close seals the last chunk. It does not close what is written to.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.nonce.last()
	if err := w.flush(); err != nil {
		return err
	}
	w.end(errClosed)
	return nil
}

// Abandon gives up a writer that will not be closed. It does nothing after Close.
func (w *Writer) Abandon() { w.end(errClosed) }

func (w *Writer) flush() error {
	sealed := w.aead.Seal(w.buf[:0], w.nonce[:], w.buf[:w.n], nil)
	w.used = max(w.used, len(sealed))
	if _, err := w.dst.Write(sealed); err != nil {
		w.end(err)
		return err
	}
	w.n = 0
	w.nonce.next()
	return nil
}

func (w *Writer) end(err error) {
	if w.err == nil {
		w.err = err
	}
	if w.buf != nil {
		release(w.buf, max(w.used, w.n))
		w.buf = nil
	}
}
