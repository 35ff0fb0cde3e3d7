package postctlapp

import (
	"crypto/sha256"
	"encoding/binary"
)

// digests are SHA-256 digests, each once, numbered from 0 in the order in which
// they came: some 37 bytes for each, in place of the text that was digested. They
// are whole digests. Two that are the same are of the same text, as for desk two
// documents are the same, and nothing has to be looked at again.
type digests struct {
	slots  []int32 // open addressing; the number and 1
	chunks [][][sha256.Size]byte
	n      int
}

const perChunk = 1 << 10

// put adds a digest and returns its number; known says that it was there.
func (d *digests) put(sum [sha256.Size]byte) (n int, known bool) {
	if 8*d.n >= 7*len(d.slots) {
		d.grow()
	}
	slot := d.find(sum)
	if d.slots[slot] != 0 {
		return int(d.slots[slot] - 1), true
	}
	if d.n%perChunk == 0 {
		d.chunks = append(d.chunks, make([][sha256.Size]byte, perChunk))
	}
	d.chunks[d.n/perChunk][d.n%perChunk] = sum
	d.n++
	d.slots[slot] = int32(d.n) //nolint:gosec // a table has at most 128 MB
	return d.n - 1, false
}

// at returns digest n.
func (d *digests) at(n int) [sha256.Size]byte { return d.chunks[n/perChunk][n%perChunk] }

// find returns the slot in which sum is, or belongs.
func (d *digests) find(sum [sha256.Size]byte) int {
	mask := len(d.slots) - 1
	for slot := int(binary.LittleEndian.Uint32(sum[:])) & mask; ; slot = (slot + 1) & mask {
		if n := d.slots[slot]; n == 0 || d.at(int(n-1)) == sum {
			return slot
		}
	}
}

func (d *digests) grow() {
	d.slots = make([]int32, max(perChunk, 2*len(d.slots)))
	for n := range d.n {
		d.slots[d.find(d.at(n))] = int32(n + 1) //nolint:gosec // as above
	}
}
