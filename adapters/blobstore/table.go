package blobstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// A group's file is its blobs, each from the beginning of a block, and then its
// table, which is one block: a head of 32 bytes, and 32 bytes for each slot.
//
//	head   0 magic   8 when it was kept, microseconds of Unix time   16 how many slots   20 check
//	slot   0 offset   8 length   16 check   20 state   21 zeros
//
// Numbers are little-endian. A check is the CRC-32C of what stands before it,
// the group's UUID and the slot's number, so that no slot is taken for another.
// Once the file has its name, nothing of the table changes but states, each a
// single byte that goes one way: kept, going, gone. (Of two that delete at once, one
// may write going once more after gone; it then goes on to gone itself.)
//
// The table stands at the end, so that a copy that reads the file from front to
// end has of every blob the state as it was after its bytes.
const (
	block    = 4096
	rowLen   = 32
	tableLen = block
	maxBlobs = tableLen/rowLen - 1
	stateAt  = 20 // in a slot
)

var magic = [8]byte{'s', 'k', 'p', 'b', 'l', 'o', 'b', '1'}

// A state says what is true of a blob.
type state byte

const (
	kept  state = 'K'
	going state = 'G' // it is deleted; its bytes may still be there, whole or in part
	gone  state = 'X' // its bytes are gone
)

// A slot is where a blob is in its file.
type slot struct {
	offset, length int64
	state          state
}

// errDamaged is the answer where a table or a slot is not what was written. To
// readers the blob is not there; deletion keeps its hands off it.
var errDamaged = fmt.Errorf("%w: the table of its file is damaged", post.ErrNotFound)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// check is the CRC-32C of row's beginning as the nth of a group's table; the
// head is the one before the first.
func check(id string, n int, row []byte) uint32 {
	sum := crc32.Update(0, castagnoli, row)
	sum = crc32.Update(sum, castagnoli, []byte(id))
	return crc32.Update(sum, castagnoli, []byte{byte(n)})
}

const head = -1

// encode returns the table of a group.
func encode(id string, at time.Time, slots []slot) []byte {
	b := make([]byte, tableLen)
	copy(b, magic[:])
	binary.LittleEndian.PutUint64(b[8:], uint64(at.UnixMicro())) //nolint:gosec // read back as it was
	binary.LittleEndian.PutUint32(b[16:], uint32(len(slots)))    //nolint:gosec // at most maxBlobs
	binary.LittleEndian.PutUint32(b[20:], check(id, head, b[:20]))
	for n, s := range slots {
		row := b[(1+n)*rowLen:][:rowLen]
		binary.LittleEndian.PutUint64(row, uint64(s.offset))     //nolint:gosec // not negative
		binary.LittleEndian.PutUint64(row[8:], uint64(s.length)) //nolint:gosec // not negative
		binary.LittleEndian.PutUint32(row[16:], check(id, n, row[:16]))
		row[stateAt] = byte(s.state)
	}
	return b
}

// A table is the decoded end of a group's file.
type table struct {
	at    time.Time
	slots []slot // a damaged one has no state
}

// decode reads what encode wrote. body is how long the file is without it.
func decode(id string, b []byte, body int64) (table, error) {
	if len(b) != tableLen || [8]byte(b) != magic || binary.LittleEndian.Uint32(b[20:]) != check(id, head, b[:20]) {
		return table{}, errDamaged
	}
	t := table{at: time.UnixMicro(int64(binary.LittleEndian.Uint64(b[8:])))} //nolint:gosec // as it was written
	count := int(binary.LittleEndian.Uint32(b[16:]))
	if count > maxBlobs {
		return table{}, errDamaged
	}
	for n := range count {
		s, err := decodeSlot(id, n, b[(1+n)*rowLen:][:rowLen], body)
		if err != nil {
			s = slot{}
		}
		t.slots = append(t.slots, s)
	}
	return t, nil
}

// decodeSlot reads the nth slot. One that was never used is [post.ErrNotFound].
func decodeSlot(id string, n int, row []byte, body int64) (slot, error) {
	if [rowLen]byte(row) == ([rowLen]byte{}) {
		return slot{}, post.ErrNotFound
	}
	s := slot{
		offset: int64(binary.LittleEndian.Uint64(row)),     //nolint:gosec // checked below
		length: int64(binary.LittleEndian.Uint64(row[8:])), //nolint:gosec // checked below
		state:  state(row[stateAt]),
	}
	if binary.LittleEndian.Uint32(row[16:]) != check(id, n, row[:16]) ||
		s.offset < 0 || s.length < 0 || s.offset%block != 0 || s.offset > body || s.length > body-s.offset {
		return slot{}, errDamaged
	}
	switch s.state {
	case kept, going, gone:
		return s, nil
	}
	return slot{}, errDamaged
}

// end is where the blocks of s end.
func (s slot) end() int64 { return aligned(s.offset + s.length) }

func aligned(n int64) int64 { return (n + block - 1) / block * block }

// over reports whether nothing of the group is kept, nor damaged.
func (t table) over() bool {
	for _, s := range t.slots {
		if s.state != going && s.state != gone {
			return false
		}
	}
	return true
}

// A file that a table can be read from.
type tabled interface {
	io.ReaderAt
	io.Seeker
}

// readSlot reads one slot, and where its state stands in the file.
func readSlot(f tabled, p place) (s slot, mark int64, err error) {
	body, err := bodyOf(f)
	if err != nil {
		return slot{}, 0, err
	}
	var row [rowLen]byte
	at := body + int64(1+p.slot)*rowLen
	if _, err := f.ReadAt(row[:], at); err != nil {
		return slot{}, 0, damagedAt(err)
	}
	s, err = decodeSlot(p.id, p.slot, row[:], body)
	return s, at + stateAt, err
}

// readTable reads the whole table.
func readTable(f tabled, id string) (table, error) {
	body, err := bodyOf(f)
	if err != nil {
		return table{}, err
	}
	b := make([]byte, tableLen)
	if _, err := f.ReadAt(b, body); err != nil {
		return table{}, damagedAt(err)
	}
	return decode(id, b, body)
}

// tableOf opens a file and reads its table.
func tableOf(path, id string) (table, error) {
	f, err := os.Open(path)
	if err != nil {
		return table{}, err
	}
	defer f.Close()
	return readTable(f, id)
}

func bodyOf(f tabled) (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size < tableLen {
		err = errDamaged
	}
	return size - tableLen, err
}

// damagedAt is what an end within the table says; another failure to read says
// nothing about the file.
func damagedAt(err error) error {
	if errors.Is(err, io.EOF) {
		return errDamaged
	}
	return err
}
