package dispatch

import (
	"bytes"
	"sync/atomic"
	"time"

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
	// The letter in clear, and the sealed values that it was opened from.
	opened             *opened
	content, recipient []byte

	// Documents that were read and proven, and how many bytes they have together.
	documents map[documentKey]*buffer
	size      int64

	// What the run holds of the process's memory, until it ends.
	memory   *memory // nil: not counted
	reserved int64   // bytes
	buffers  []*buffer

	ahead *ahead    // steps that are not committed yet; nil: the letter is as it was read
	read  time.Time // when it was
}

// reserve takes n bytes of the process's memory until the run ends.
func (k *run) reserve(n int64) bool {
	if k.memory == nil {
		return true
	}
	if !k.memory.take(n) {
		return false
	}
	k.reserved += n
	return true
}

// end ends the run: what it kept is no longer counted and can no longer be read.
func (k *run) end() {
	for _, l := range k.buffers {
		l.release()
	}
	if k.memory != nil {
		k.memory.used.Add(-k.reserved)
	}
}

// documentKey names a document: where it lies and what it was found to be.
type documentKey struct {
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

// buffer returns one with room for n bytes that is k's until it ends, or nil
// when the process has no room.
func (k *run) buffer(n int64) *buffer {
	if !k.reserve(n) {
		return nil
	}
	l := newBuffer(int(n))
	k.buffers = append(k.buffers, l)
	return l
}

// document returns the proven bytes of s, or nil.
func (k *run) document(s letter.Sealed, size int64, sum [32]byte) *buffer {
	if k == nil {
		return nil
	}
	l := k.documents[documentKey{s.Blob, string(s.Header), sum}]
	if l == nil || l.size() != size {
		return nil
	}
	return l
}

// room returns where a document of size is to be read, or nil when it is too
// large to be kept.
func (k *run) room(size int64) *buffer {
	if k == nil || size <= 0 || k.size+size > mostKept {
		return nil
	}
	l := k.buffer(size)
	if l != nil {
		l.b = l.b[:size]
	}
	return l
}

// keepDocument keeps bytes that were found to have the digest sum.
func (k *run) keepDocument(s letter.Sealed, sum [32]byte, clear *buffer) {
	if k.documents == nil {
		k.documents = map[documentKey]*buffer{}
	}
	k.documents[documentKey{s.Blob, string(s.Header), sum}] = clear
	k.size += clear.size()
}
