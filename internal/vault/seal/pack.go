package seal

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Facts say what a package is. They are inside it, and whoever opens it checks
// them, so that one package cannot stand for another.
type Facts struct {
	V      int    `json:"v"`      // version of the package, [Version]
	Kind   string `json:"kind"`   // "inquiry"
	Tenant string `json:"tenant"` // post.TenantID
	Object string `json:"object"` // the record's id
}

// Version is the version of the package written here.
const Version = 1

// Message is what a person wrote, and who that is.
type Message struct {
	Kind       post.InquiryKind  `json:"kind"`
	Road       post.Road         `json:"road"`
	Language   string            `json:"language"` // "da" or "en", the language of the page
	Subject    string            `json:"subject"`
	Text       string            `json:"text"`
	Person     post.PersonRecord `json:"person"`
	AcceptedAt time.Time         `json:"accepted_at"`
	Reference  string            `json:"reference"`
}

// Format implements [fmt.Formatter]: a message does not print.
func (Message) Format(w fmt.State, _ rune) { fmt.Fprint(w, "Message(masked)") }

// LogValue implements [slog.LogValuer].
func (Message) LogValue() slog.Value { return slog.StringValue("Message(masked)") }

// A Part is one attachment.
type Part struct {
	Name      string // as the person named the file
	MediaType string
	Size      int64 // bytes; Open must yield exactly as many
	Open      func() (io.ReadCloser, error)
}

// Attachment is how a part is described in message.json; entry n of the list
// is the file attachments/n+1.
type Attachment struct {
	Name      string `json:"name"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
}

// Letterhead is message.json: the message and what is attached to it.
type Letterhead struct {
	Message
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Manifest is manifest.json: a digest of every entry before it. Its own SHA-256
// is the content digest; the salt keeps a guessed text from being confirmed.
type Manifest struct {
	V       int     `json:"v"`
	Salt    string  `json:"salt"` // 32 random bytes, hex
	Entries []Entry `json:"entries"`
}

// Entry is one file of a package.
type Entry struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex, of the plaintext
}

// Names of the entries. Attachments are attachments/1, attachments/2 and so on.
const (
	FactsPath    = "facts.json"
	MessagePath  = "message.json"
	ManifestPath = "manifest.json"
)

// AttachmentPath returns the path of the n-th attachment, counted from 1.
func AttachmentPath(n int) string { return fmt.Sprintf("attachments/%d", n) }

// Bounds of a package; what is larger is neither written nor read.
const (
	MaxJSON        = 4 << 20   // of each JSON entry, in bytes
	MaxAttachment  = 256 << 20 // of one attachment, in bytes
	MaxAttachments = 64
)

// minBucket is the smallest package: most inquiries without attachments look
// alike.
const minBucket = 8 << 10

// Bucket returns the size to which n bytes are padded: at least 8 KiB, then
// such that only the highest few bits of the length show (Padmé: at most 12 %
// more, log log n bits of leakage).
func Bucket(n int64) int64 {
	if n <= minBucket {
		return minBucket
	}
	e := floorLog2(n)
	mask := int64(1)<<(e-floorLog2(int64(e))-1) - 1
	return (n + mask) &^ mask
}

func floorLog2(n int64) int {
	e := -1
	for ; n > 0; n >>= 1 {
		e++
	}
	return e
}

// Pack writes a package to w: a tar of facts, message, attachments and
// manifest, zero-padded to its bucket. It returns the content digest: the
// SHA-256 of manifest.json. It refuses parts beyond the bounds, and a part that
// yields more or fewer bytes than it said.
func Pack(w io.Writer, f Facts, m Message, parts []Part) (digest [32]byte, err error) {
	if len(parts) > MaxAttachments {
		return digest, fmt.Errorf("pack %s: %d attachments are too many", f.Object, len(parts))
	}
	p := &packer{w: w}
	head := Letterhead{Message: m}
	for _, part := range parts {
		head.Attachments = append(head.Attachments, Attachment{part.Name, part.MediaType, part.Size})
	}
	if err := p.json(FactsPath, f); err != nil {
		return digest, fmt.Errorf("pack %s: %w", f.Object, err)
	}
	if err := p.json(MessagePath, head); err != nil {
		return digest, fmt.Errorf("pack %s: %w", f.Object, err)
	}
	for i, part := range parts {
		if err := p.part(AttachmentPath(i+1), part); err != nil {
			return digest, fmt.Errorf("pack %s attachment %d: %w", f.Object, i+1, err)
		}
	}
	salt := make([]byte, 32)
	rand.Read(salt)
	manifest, err := json.Marshal(Manifest{V: Version, Salt: hex.EncodeToString(salt), Entries: p.entries})
	if err != nil {
		return digest, fmt.Errorf("pack %s: %w", f.Object, err)
	}
	if err := p.file(ManifestPath, int64(len(manifest)), bytes.NewReader(manifest)); err != nil {
		return digest, fmt.Errorf("pack %s: %w", f.Object, err)
	}
	if err := p.zeros(Bucket(p.n+2*block) - p.n); err != nil {
		return digest, fmt.Errorf("pack %s: %w", f.Object, err)
	}
	return sha256.Sum256(manifest), nil
}

// block is the unit of a tar file; two blocks of zeros end it.
const block = 512

type packer struct {
	w       io.Writer
	n       int64
	entries []Entry
}

func (p *packer) json(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > MaxJSON {
		return fmt.Errorf("%s is too long: %d bytes", path, len(b))
	}
	return p.file(path, int64(len(b)), bytes.NewReader(b))
}

func (p *packer) part(path string, part Part) error {
	if part.Size < 0 || part.Size > MaxAttachment {
		return fmt.Errorf("%d bytes are too many", part.Size)
	}
	r, err := part.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return p.file(path, part.Size, r)
}

// file writes one entry of exactly size bytes.
func (p *packer) file(path string, size int64, r io.Reader) error {
	head, err := Header(path, size)
	if err != nil {
		return err
	}
	if _, err := p.w.Write(head); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(p.w, h), io.LimitReader(r, size))
	if err != nil {
		return err
	}
	if extra, err := io.CopyN(io.Discard, r, 1); n != size || extra != 0 {
		return fmt.Errorf("it is not %d bytes long", size)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	p.n += block + size
	p.entries = append(p.entries, Entry{path, size, hex.EncodeToString(h.Sum(nil))})
	return p.zeros(-size & (block - 1))
}

func (p *packer) zeros(n int64) error {
	p.n += n
	zero := make([]byte, 32<<10)
	for n > 0 {
		k := min(n, int64(len(zero)))
		if _, err := p.w.Write(zero[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// Header returns the one tar header that an entry may have: nothing in it but
// path and size is free, so a reader compares instead of interpreting.
func Header(path string, size int64) ([]byte, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	err := t.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o600,
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
