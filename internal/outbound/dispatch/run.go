package dispatch

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"sync/atomic"

	"sikkerpost.dk/gateway/internal/outbound/letter"
)

// mostKept bounds the documents, and apart from them the form, that one run over
// a letter keeps in memory. Larger ones are read again each time: memory does
// not grow with a letter.
const mostKept = 1 << 20

// mostMemory bounds what all runs of one process keep together. A run that finds
// no room reads again, as it does with what is large.
const mostMemory = 64 << 20

// memory counts what runs keep.
type memory struct{ used atomic.Int64 }

// take reserves n bytes, or none.
func (m *memory) take(n int64) bool {
	if m.used.Add(n) <= mostMemory {
		return true
	}
	m.used.Add(-n)
	return false
}

// A run is what one run over a letter has opened and proven, in memory, until the
// letter waits. It spares reading, decrypting and hashing the same bytes for
// every step; it never stands in for a proof: a document is kept under the
// digest that it was found to have, and a form only as the very bytes whose
// digest the intent holds. A nil run keeps nothing. It is for one goroutine, but
// its documents may be read by others.
type run struct {
	content, recipient []byte // sealed, of which opened is the clear
	opened             *opened
	documents          map[kept][]byte
	size               int64
	of                 *memory // whose part this run holds; nil: not counted
	taken              int64   // of it
}

// reserve takes n bytes of the process's memory until the run ends.
func (k *run) reserve(n int64) bool {
	if k.of == nil {
		return true
	}
	if !k.of.take(n) {
		return false
	}
	k.taken += n
	return true
}

// letGo ends the run: what it kept is no longer counted.
func (k *run) letGo() {
	if k.of != nil {
		k.of.used.Add(-k.taken)
	}
}

// kept names a document: where it lies and what it was found to be.
type kept struct {
	blob   string
	header string
	sha256 [32]byte
}

// letter returns what r's sealed values were opened to in this run.
func (k *run) letter(r Record) (opened, bool) {
	if k == nil || k.opened == nil || !bytes.Equal(k.content, r.Content) || !bytes.Equal(k.recipient, r.Recipient) ||
		len(k.opened.content.Documents) != len(r.Documents) {
		return opened{}, false
	}
	return *k.opened, true
}

func (k *run) keepLetter(r Record, o opened) {
	if k != nil {
		k.content, k.recipient, k.opened = r.Content, r.Recipient, &o
	}
}

// document returns the proven bytes of s, or nil.
func (k *run) document(s letter.Sealed, size int64, sum [32]byte) []byte {
	if k == nil {
		return nil
	}
	b := k.documents[kept{s.Blob, string(s.Header), sum}]
	if int64(len(b)) != size {
		return nil
	}
	return b
}

// room returns where a document of size may be copied, or nil when it is too
// large to be kept.
func (k *run) room(size int64) *bytes.Buffer {
	if k == nil || size <= 0 || k.size+size > mostKept || !k.reserve(size) {
		return nil
	}
	b := new(bytes.Buffer)
	b.Grow(int(size))
	return b
}

// keepDocument keeps bytes that were found to have the digest sum.
func (k *run) keepDocument(s letter.Sealed, sum [32]byte, clear []byte) {
	if k.documents == nil {
		k.documents = map[kept][]byte{}
	}
	k.documents[kept{s.Blob, string(s.Header), sum}] = clear
	k.size += int64(len(clear))
}

// measured takes a form as it is rendered: its size, its digest and, while it is
// small, its bytes.
type measured struct {
	n     int64
	h     hash.Hash
	bytes []byte // nil when it is too large
}

// newMeasured makes room for the form of j: base64 and some words around it.
func newMeasured(j Job) *measured {
	m := &measured{h: sha256.New()}
	room := int64(16 << 10)
	for _, d := range j.Documents {
		room += d.Size*4/3 + 4
	}
	if room <= mostKept && (j.run == nil || j.run.reserve(room)) {
		m.bytes = make([]byte, 0, room)
	}
	return m
}

// Write implements io.Writer.
func (m *measured) Write(p []byte) (int, error) {
	if m.bytes != nil && len(m.bytes)+len(p) <= cap(m.bytes) {
		m.bytes = append(m.bytes, p...)
	} else {
		m.bytes = nil // larger than was thought: it is rendered again
	}
	m.n += int64(len(p))
	return m.h.Write(p)
}

// reader yields the bytes that were measured.
func (m *measured) reader() io.ReadCloser { return io.NopCloser(bytes.NewReader(m.bytes)) }
