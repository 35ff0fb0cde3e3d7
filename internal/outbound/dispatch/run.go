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
	content, recipient []byte // sealed, of which opened is the clear
	opened             *opened
	documents          map[kept]*lent
	size               int64
	of                 *memory // whose part this run holds; nil: not counted
	taken              int64   // of it
	lent               []*lent
	ahead              *ahead    // nil: the letter is as it was read
	read               time.Time // when it was
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

// letGo ends the run: what it kept is no longer counted and can no longer be read.
func (k *run) letGo() {
	for _, l := range k.lent {
		l.giveBack()
	}
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

// lend returns a buffer with room for n bytes that is k's until it ends, or nil
// when the process has no room.
func (k *run) lend(n int64) *lent {
	if !k.reserve(n) {
		return nil
	}
	l := lend(int(n))
	k.lent = append(k.lent, l)
	return l
}

// document returns the proven bytes of s, or nil.
func (k *run) document(s letter.Sealed, size int64, sum [32]byte) *lent {
	if k == nil {
		return nil
	}
	l := k.documents[kept{s.Blob, string(s.Header), sum}]
	if l == nil || l.size() != size {
		return nil
	}
	return l
}

// room returns where a document of size is to be read, or nil when it is too
// large to be kept.
func (k *run) room(size int64) *lent {
	if k == nil || size <= 0 || k.size+size > mostKept {
		return nil
	}
	l := k.lend(size)
	if l != nil {
		l.b = l.b[:size]
	}
	return l
}

// keepDocument keeps bytes that were found to have the digest sum.
func (k *run) keepDocument(s letter.Sealed, sum [32]byte, clear *lent) {
	if k.documents == nil {
		k.documents = map[kept]*lent{}
	}
	k.documents[kept{s.Blob, string(s.Header), sum}] = clear
	k.size += clear.size()
}
