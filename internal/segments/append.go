package segments

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
)

// Append writes a record and returns where its body lies. After an error the
// record is not there.
func (l *Log) Append(head, body []byte) (At, error) {
	if len(head) > maxHead {
		return At{}, fmt.Errorf("append to log: a head of %d bytes is too large", len(head))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil && l.end > 0 && l.end+int64(len(body)) > l.o.Segment {
		if err := l.begin(l.number + 1); err != nil {
			return At{}, err
		}
	}
	return l.write(0, head, body)
}

// write appends to the current segment; what a failure leaves is cut off. The
// caller holds mu.
func (l *Log) write(flags uint32, head, body []byte) (At, error) {
	if l.failed != nil {
		return At{}, l.failed
	}
	f := frame(flags, head, body)
	begin := append(f[:], head...)
	_, err := l.current.WriteAt(begin, l.end)
	if err == nil && len(body) > 0 {
		_, err = l.current.WriteAt(body, l.end+int64(len(begin)))
	}
	if err != nil {
		err = fmt.Errorf("append to log: %w", err)
		if cut := l.current.Truncate(l.end); cut != nil {
			l.failed = errors.Join(err, cut)
		}
		return At{}, err
	}
	at := At{l.number, l.end + int64(len(begin)), int64(len(body)), binary.LittleEndian.Uint32(f[24:])}
	l.end = at.Offset + at.Size
	l.sizes[l.number] += int64(len(begin)) + at.Size
	return at, nil
}

// Weigh adds to a segment what its owner keeps elsewhere for it, so that the
// bound is for all together.
func (l *Log) Weigh(segment uint64, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.sizes[segment]; ok {
		l.sizes[segment] += size
	}
}

// Body opens a body. Reading it to its end fails with [ErrDamaged] when it is not
// what was written.
func (l *Log) Body(at At) (io.ReadCloser, error) {
	f, err := os.Open(l.path(at.Segment))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	return &reading{in: io.NewSectionReader(f, at.Offset, at.Size), file: f, at: at}, nil
}

// reading is a body that is being read.
type reading struct {
	in   io.Reader
	file *os.File
	at   At
	size int64 // of what was read
	sum  uint32
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.size, r.sum = r.size+int64(n), crc32.Update(r.sum, table, p[:n])
	if errors.Is(err, io.EOF) && (r.size != r.at.Size || r.sum != r.at.sum) {
		err = fmt.Errorf("read log: %s at byte %d: %w", r.file.Name(), r.at.Offset, ErrDamaged)
	}
	return n, err
}

func (r *reading) Close() error { return r.file.Close() }

// Full names the oldest segment when the log has outgrown its bound.
func (l *Log) Full() (oldest uint64, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all int64
	oldest = l.number
	for n, size := range l.sizes {
		all += size
		oldest = min(oldest, n)
	}
	return oldest, l.o.Keep > 0 && all > l.o.Keep && oldest < l.number
}

// Segments names the oldest segment and the one that is being written.
func (l *Log) Segments() (oldest, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest = l.number
	for n := range l.sizes {
		oldest = min(oldest, n)
	}
	return oldest, l.number
}

// Drop removes a segment, which is not the current one. Bodies that are being
// read stay readable.
func (l *Log) Drop(segment uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if segment == l.number {
		return errors.New("drop segment: it is being written")
	}
	return l.remove(segment)
}

// remove deletes segments. The caller holds mu, or is Open.
func (l *Log) remove(all ...uint64) error {
	var errs []error
	for _, n := range all {
		if err := os.Remove(l.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove segment: %w", err))
			continue
		}
		delete(l.sizes, n)
	}
	return errors.Join(errs...)
}

// Clear voids every record. Whatever of it is undone when the process dies, the
// next opening does.
func (l *Log) Clear() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var old []uint64
	for n := range l.sizes {
		old = append(old, n)
	}
	if err := l.begin(l.number + 1); err != nil {
		return err
	}
	l.failed = nil
	if _, err := l.write(voids, nil, nil); err != nil {
		return err
	}
	return l.remove(old...)
}

// Close closes the log, which takes nothing more.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = os.ErrClosed
	l.background.Wait()
	if err := l.current.Close(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
