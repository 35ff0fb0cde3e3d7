package memo

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/ulikunitz/xz/lzma"
)

const (
	// maxDictionary is what official containers ask for. The reader sets that
	// much memory aside for one that does, so containers are read one at a time.
	maxDictionary = 128 << 20
	// dictionary is what we write with: base64 of PDFs gains nothing from more.
	dictionary = 1 << 20
	// tarRecord is the size that tar pads an archive to.
	tarRecord = 10240
	// maxPadding bounds the zeros behind the last entry.
	maxPadding = 1 << 20
)

// ContainerLimits bounds what [ReadContainer] takes in. A zero field means the
// default.
type ContainerLimits struct {
	Entries  int   // 10,000
	Entry    int64 // bytes of one message; 130 MB
	Inflated int64 // bytes of all, unpacked; 4 GiB
}

func (l ContainerLimits) filled() ContainerLimits {
	if l.Entries == 0 {
		l.Entries = 10_000
	}
	if l.Entry == 0 {
		l.Entry = Limits{}.filled().Bytes
	}
	if l.Inflated == 0 {
		l.Inflated = 4 << 30
	}
	return l
}

var entryName = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\.xml$`)

// ReadContainer reads a .tar.lzma of messages and hands each to one, under the
// UUID that its name carries, in lower case. It refuses a dictionary above 128
// MiB, more entries or bytes than the limits, anything that is not a plain file
// named <uuid>.xml, the same name twice, and bytes behind the end: an [*Invalid].
// Messages that were handed over before the breach stay with the caller, who
// takes the container as a whole or not at all. Whether a message carries the
// UUID of its name is for the caller to see.
func ReadContainer(r io.Reader, l ContainerLimits, one func(uuid string, message io.Reader) error) error {
	l = l.filled()
	below := &noted{r: r}
	packed := bufio.NewReaderSize(below, 64<<10)
	z, err := lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(packed)
	if err != nil {
		return below.or(broken("not LZMA, or a dictionary above 128 MiB"))
	}
	inflated := &metered{r: z, left: l.Inflated}
	if err := readTar(inflated, l, one); err != nil {
		var sink *sinkError
		var bad *Invalid
		switch {
		case errors.As(err, &sink):
			return sink.err
		case inflated.spent:
			return containerFault(CodeLimit, "more bytes than the limit once unpacked")
		case errors.As(err, &bad):
			return bad
		}
		return below.or(broken("not a whole archive"))
	}
	if _, err := packed.ReadByte(); !errors.Is(err, io.EOF) {
		return below.or(broken("bytes behind the end"))
	}
	return nil
}

func broken(note string) error { return containerFault(CodeContainer, note) }

func containerFault(code, note string) error { return &Invalid{Code: code, Path: "/", Note: note} }

// sinkError is what the caller's function returned.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }

func readTar(r io.Reader, l ContainerLimits, one func(string, io.Reader) error) error {
	archive := tar.NewReader(r)
	seen := map[string]bool{}
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return onlyZeros(r)
		}
		if err != nil {
			return err
		}
		name := strings.ToLower(h.Name)
		switch {
		case h.Typeflag != tar.TypeReg || len(h.PAXRecords) > 0 || !entryName.MatchString(h.Name) || seen[name]:
			return broken("an entry that is not one plain file <uuid>.xml")
		case len(seen) == l.Entries:
			return containerFault(CodeLimit, "too many entries")
		case h.Size > l.Entry:
			return containerFault(CodeLimit, "an entry beyond the limit")
		}
		seen[name] = true
		if err := one(strings.TrimSuffix(name, ".xml"), archive); err != nil {
			return &sinkError{err}
		}
	}
}

// onlyZeros reads what pads the archive.
func onlyZeros(r io.Reader) error {
	buf := make([]byte, 32<<10)
	total := 0
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return broken("bytes behind the last entry")
			}
		}
		if total += n; total > maxPadding {
			return broken("too much padding")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// noted remembers the error of the reader below, which is not the container's.
type noted struct {
	r   io.Reader
	err error
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

func (n *noted) or(err error) error {
	if n.err != nil {
		return fmt.Errorf("read container: %w", n.err)
	}
	return err
}

// metered ends with errTooMuch when more than left bytes come.
type metered struct {
	r     io.Reader
	left  int64
	spent bool
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		m.spent = true
		return 0, errTooMuch
	}
	return n, err
}

// ContainerWriter writes messages into a .tar.lzma. The same messages yield the
// same bytes. After an error nothing more can be added.
type ContainerWriter struct {
	version string
	packed  *lzma.Writer
	count   *discard
	archive *tar.Writer
	seen    map[string]bool
	err     error
}

// NewContainerWriter returns a writer of messages of that version.
func NewContainerWriter(w io.Writer, version string) (*ContainerWriter, error) {
	packed, err := lzma.WriterConfig{DictCap: dictionary, EOSMarker: true}.NewWriter(w)
	if err != nil {
		return nil, fmt.Errorf("write container: %w", err)
	}
	c := &ContainerWriter{version: version, packed: packed, count: &discard{}, seen: map[string]bool{}}
	c.archive = tar.NewWriter(io.MultiWriter(packed, c.count))
	return c, nil
}

// Add writes one message. What may not be written leaves the container as it
// is: the next message can be added.
func (c *ContainerWriter) Add(m *Message) error {
	if c.err != nil {
		return c.err
	}
	size, err := m.Length(c.version)
	if err != nil {
		return err
	}
	name := strings.ToLower(m.Header.UUID) + ".xml"
	if c.seen[name] {
		return &Invalid{Code: CodeContainer, Path: "/Message/MessageHeader/messageUUID", Note: "it is in the container already"}
	}
	c.seen[name] = true
	// Old GNU form, mode 0700 and no owner, as the official programs write it;
	// no time, so that the same messages make the same container.
	h := &tar.Header{Name: name, Mode: 0o700, Size: size, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0), Format: tar.FormatGNU}
	if err := c.archive.WriteHeader(h); err != nil {
		c.err = fmt.Errorf("write container: %w", err)
		return c.err
	}
	if err := WriteAs(c.archive, m, c.version); err != nil {
		c.err = fmt.Errorf("write container: %w", err)
	}
	return c.err
}

// Close ends the container; it does not close the writer below.
func (c *ContainerWriter) Close() error {
	if c.err != nil {
		return c.err
	}
	if err := c.archive.Close(); err != nil {
		return fmt.Errorf("write container: %w", err)
	}
	if rest := c.count.written % tarRecord; rest > 0 {
		if _, err := c.packed.Write(make([]byte, tarRecord-rest)); err != nil {
			return fmt.Errorf("write container: %w", err)
		}
	}
	if err := c.packed.Close(); err != nil {
		return fmt.Errorf("write container: %w", err)
	}
	return nil
}
