// Package segments is an append-only log of records in files of bounded size,
// for simulators that take thousands of letters a second and forget none when
// they are killed.
//
// A record is a head, which is small and comes back when the log is opened, and
// a body, which is read when somebody asks for it. Append returns once the
// operating system has the record: it outlives the process, killed as it may
// be, not a loss of power. A record that was being written when the process died
// is cut off at the next opening, so that nothing is ever there by half. Damage
// anywhere else is refused with the name of the file: that of a head by [Open],
// that of a body by whoever reads it to its end.
//
// The log grows until [Log.Full] names its oldest segment; its owner writes what
// must outlive that segment anew and calls [Log.Drop]. [Log.Clear] voids
// everything at once, also when it is killed in the middle.
//
// One process owns a log at a time; nothing here enforces it.
package segments

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sikkerpost.dk/gateway/internal/pagecache"
)

// ErrGone says that the segment of a body was dropped.
var ErrGone = errors.New("it is no longer kept")

// ErrDamaged says that a segment does not hold what was written; the text
// names it.
var ErrDamaged = errors.New("the segment is damaged: move the folder away to begin anew")

// Options bound a log.
type Options struct {
	// Segment is how many bytes begin a new segment; 0 is a sixteenth of Keep, at
	// least 64 KiB, and at most, or without a Keep, 64 MiB.
	Segment int64
	// Keep is how many bytes all segments take together, about; 0 is no bound.
	Keep int64
}

func (o Options) segment() int64 {
	const least, most = 64 << 10, 64 << 20
	switch {
	case o.Segment > 0:
		return o.Segment
	case o.Keep > 0:
		return max(least, min(most, o.Keep/16))
	}
	return most
}

// At is where a body lies. The zero value is nowhere.
type At struct {
	Segment uint64
	Offset  int64
	Size    int64
	sum     uint32
}

// Log is safe for several goroutines.
type Log struct {
	dir string
	o   Options

	mu      sync.Mutex
	current *os.File
	number  uint64           // of the current segment
	end     int64            // of the current segment
	sizes   map[uint64]int64 // of every segment, what is [Log.Weigh]ed included
	failed  error            // the log takes nothing more

	background sync.WaitGroup // [Log.giveBack]
}

// The frame before a record, little-endian: magic, flags, length of the head, length
// of the body, checksum of all that and the head, checksum of the body.
const (
	frameSize = 28
	magic     = 0x31475053 // SPG1
	voids     = 1          // flag: every older segment is void
	maxHead   = 16 << 20
)

var table = crc32.MakeTable(crc32.Castagnoli)

func frame(flags uint32, head, body []byte) [frameSize]byte {
	var f [frameSize]byte
	binary.LittleEndian.PutUint32(f[0:], magic)
	binary.LittleEndian.PutUint32(f[4:], flags)
	binary.LittleEndian.PutUint32(f[8:], uint32(len(head)))  //nolint:gosec // bounded by Append
	binary.LittleEndian.PutUint64(f[12:], uint64(len(body))) // a length
	binary.LittleEndian.PutUint32(f[20:], crc32.Update(crc32.Checksum(f[:20], table), table, head))
	binary.LittleEndian.PutUint32(f[24:], crc32.Checksum(body, table))
	return f
}

// Open opens the log in dir, which is made when it is not there, and tells each
// of every record that it holds, oldest first.
func Open(dir string, o Options, each func(head []byte, at At) error) (*Log, error) {
	o.Segment = o.segment()
	l := &Log{dir: dir, o: o, sizes: map[uint64]int64{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	all, err := l.found()
	if err != nil {
		return nil, err
	}
	for i, n := range all {
		end, err := l.scan(n, i == len(all)-1, each)
		if err != nil {
			return nil, err
		}
		l.sizes[n], l.number, l.end = end, n, end
	}
	if len(all) == 0 {
		return l, l.begin(1)
	}
	if l.current, err = os.OpenFile(l.path(l.number), os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := l.current.Truncate(l.end); err != nil { // what was being written when the process died
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

func (l *Log) path(n uint64) string { return filepath.Join(l.dir, fmt.Sprintf("%012d.log", n)) }

// found lists the segments that hold, oldest first, and removes those that a
// later one voids.
func (l *Log) found() ([]uint64, error) {
	paths, err := filepath.Glob(filepath.Join(l.dir, "*.log"))
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	var all []uint64
	for _, p := range paths {
		n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(p), ".log"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("open log: %s: %w", p, ErrDamaged)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	for i := len(all) - 1; i > 0; i-- {
		void, err := l.voiding(all[i])
		if err != nil {
			return nil, err
		}
		if void {
			if err := l.remove(all[:i]...); err != nil {
				return nil, err
			}
			return all[i:], nil
		}
	}
	return all, nil
}

// voiding reports whether a segment voids the older ones.
func (l *Log) voiding(n uint64) (bool, error) {
	f, err := os.Open(l.path(n))
	if err != nil {
		return false, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	var b [frameSize]byte
	if _, err := io.ReadFull(f, b[:]); err != nil { // too short to hold anything
		return false, nil //nolint:nilerr // scan says whether that may be
	}
	return b == frame(voids, nil, nil), nil
}

// scan tells each of the records of a segment and returns where they end. In
// the last segment, a record that is not whole ends it.
func (l *Log) scan(n uint64, last bool, each func([]byte, At) error) (int64, error) {
	f, err := os.Open(l.path(n))
	if err != nil {
		return 0, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("open log: %w", err)
	}
	in := bufio.NewReaderSize(f, 64<<10)
	at := int64(0)
	for at < info.Size() {
		r, err := next(in, info.Size()-at)
		if errors.Is(err, errTorn) && last {
			return at, nil
		}
		if err != nil {
			return 0, fmt.Errorf("open log: %s at byte %d: %w", f.Name(), at, ErrDamaged)
		}
		begin := at + frameSize + int64(len(r.head))
		if r.flags&voids == 0 {
			if err := each(r.head, At{n, begin, r.size, r.sum}); err != nil {
				return 0, err
			}
		}
		if _, err := in.Discard(int(r.size)); err != nil {
			return 0, fmt.Errorf("open log: %w", err)
		}
		at = begin + r.size
	}
	return at, nil
}

// errTorn says that a record is not whole.
var errTorn = errors.New("a record is not whole")

// A record is one as it was read, but for its body.
type record struct {
	flags uint32
	head  []byte
	size  int64  // of the body
	sum   uint32 // of the body
}

// next reads a record up to its body, of which left bytes hold all.
func next(in *bufio.Reader, left int64) (record, error) {
	var b [frameSize]byte
	if left < frameSize {
		return record{}, errTorn
	}
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return record{}, err
	}
	head, body := int64(binary.LittleEndian.Uint32(b[8:])), binary.LittleEndian.Uint64(b[12:])
	if binary.LittleEndian.Uint32(b[0:]) != magic || head > maxHead {
		return record{}, ErrDamaged
	}
	if left -= frameSize; head > left || body > uint64(left-head) { //nolint:gosec // not negative: head was compared
		return record{}, errTorn
	}
	r := record{flags: binary.LittleEndian.Uint32(b[4:]), head: make([]byte, head), size: int64(body), //nolint:gosec // at most left
		sum: binary.LittleEndian.Uint32(b[24:])}
	if _, err := io.ReadFull(in, r.head); err != nil {
		return record{}, err
	}
	if crc32.Update(crc32.Checksum(b[:20], table), table, r.head) != binary.LittleEndian.Uint32(b[20:]) {
		return record{}, ErrDamaged
	}
	return r, nil
}

// begin opens a new segment. The caller holds mu, or is Open.
func (l *Log) begin(n uint64) error {
	f, err := os.OpenFile(l.path(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	if l.current != nil {
		if err := l.current.Close(); err != nil {
			return errors.Join(fmt.Errorf("end segment: %w", err), f.Close())
		}
	}
	l.current, l.number, l.end, l.sizes[n] = f, n, 0, 0
	l.giveBack()
	return nil
}

// written and forgotten are how many segments after its own a segment is written
// to the disk and the system need not keep it in memory any more: a log of many
// gigabytes leaves the machine's memory to the programs that are tried on it.
const written, forgotten = 8, 10

// giveBack sees to segments that were written long ago. The caller holds mu, or
// is Open.
func (l *Log) giveBack() {
	if l.number <= written {
		return
	}
	old, oldest := l.path(l.number-written), l.path(max(l.number, forgotten)-forgotten) // there is no segment 0
	l.background.Go(func() {
		if f, err := os.Open(old); err == nil { // else it was dropped
			pagecache.StartWriting(f, 0, 0)
			f.Close()
		}
		pagecache.Forget(oldest)
	})
}
