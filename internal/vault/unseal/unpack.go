package unseal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

const block = 512

// A Package is an opened package on its way through. Read the attachments with
// Next until io.EOF; only then is the whole known to be what was packed.
type Package struct {
	Facts   seal.Facts
	Message seal.Message

	r           io.Reader
	attachments []seal.Attachment
	entries     []seal.Entry // as read
	given       int          // attachments given out
	rest        *body        // the attachment being read
	digest      [32]byte
	end         error // io.EOF, or why the package is refused; sticky
}

// Unpack reads facts and message of the package in r. It refuses a package
// whose facts are not want, and anything but the exact bytes that seal.Pack
// writes: other entries, other names, other order, other headers, entries
// beyond the bounds of package seal.
func Unpack(r io.Reader, want seal.Facts) (*Package, error) {
	p := &Package{r: r}
	if err := p.json(seal.FactsPath, &p.Facts); err != nil {
		return nil, err
	}
	if p.Facts != want || want.V != seal.Version {
		return nil, refuse("its facts are not those asked for")
	}
	var head seal.Letterhead
	if err := p.json(seal.MessagePath, &head); err != nil {
		return nil, err
	}
	if len(head.Attachments) > seal.MaxAttachments {
		return nil, refuse("it names too many attachments")
	}
	p.Message, p.attachments = head.Message, head.Attachments
	return p, nil
}

// Attachments returns what the message says is attached, before it is read.
func (p *Package) Attachments() []seal.Attachment { return p.attachments }

// Next returns the next attachment and its bytes; the Open of the part is nil.
// What is left unread of the one before is skipped, and checked all the same.
// After the last one the manifest is checked and Next answers io.EOF.
func (p *Package) Next() (seal.Part, io.Reader, error) {
	if p.end == nil {
		p.end = p.skip()
	}
	if p.end != nil {
		return seal.Part{}, nil, p.end
	}
	if p.given == len(p.attachments) {
		p.end = p.finish()
		return seal.Part{}, nil, p.end
	}
	a := p.attachments[p.given]
	p.given++
	path := seal.AttachmentPath(p.given)
	size, err := p.header(path, seal.MaxAttachment)
	if err == nil && size != a.Size {
		err = refuse("attachment %d has another size than the message says", p.given)
	}
	if err != nil {
		p.end = err
		return seal.Part{}, nil, err
	}
	p.rest = &body{p: p, path: path, size: size, left: size, h: sha256.New()}
	return seal.Part{Name: a.Name, MediaType: a.MediaType, Size: a.Size}, p.rest, nil
}

// Digest returns the content digest. It is zero until Next has answered io.EOF.
func (p *Package) Digest() [32]byte { return p.digest }

// Rest reads what is left, checks it and answers nil when the package is whole.
func (p *Package) Rest() error {
	for {
		_, _, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *Package) skip() error {
	if p.rest == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, p.rest)
	return err
}

// finish reads the manifest, compares it and insists on zeros to the end.
func (p *Package) finish() error {
	size, err := p.header(seal.ManifestPath, seal.MaxJSON)
	if err != nil {
		return err
	}
	text := make([]byte, size)
	if err := p.full(text); err != nil {
		return err
	}
	if err := p.padding(size); err != nil {
		return err
	}
	var m seal.Manifest
	if err := strict(text, &m); err != nil {
		return refuse("its manifest is not readable")
	}
	salt, err := hex.DecodeString(m.Salt)
	if err != nil || len(salt) != 32 || m.V != seal.Version {
		return refuse("its manifest has no salt")
	}
	again, err := json.Marshal(seal.Manifest{V: seal.Version, Salt: hex.EncodeToString(salt), Entries: p.entries})
	if err != nil || !bytes.Equal(again, text) {
		return refuse("its manifest does not match its content")
	}
	if err := p.zeros(); err != nil {
		return err
	}
	p.digest = sha256.Sum256(text)
	return io.EOF
}

// zeros insists that at least the two blocks which end a tar follow, and
// nothing but zeros.
func (p *Package) zeros() error {
	buf, n := make([]byte, 32<<10), int64(0)
	for {
		k, err := p.r.Read(buf)
		for _, b := range buf[:k] {
			if b != 0 {
				return refuse("something stands after its end")
			}
		}
		n += int64(k)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if n < 2*block || n%block != 0 {
		return refuse("its end is cut off")
	}
	return nil
}

// json reads an entry that is one JSON value.
func (p *Package) json(path string, v any) error {
	size, err := p.header(path, seal.MaxJSON)
	if err != nil {
		return err
	}
	text := make([]byte, size)
	if err := p.full(text); err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	p.entries = append(p.entries, seal.Entry{Path: path, Size: size, SHA256: hex.EncodeToString(sum[:])})
	if err := strict(text, v); err != nil {
		return refuse("%s is not readable", path)
	}
	return p.padding(size)
}

// header reads a tar header, which must be the one that path may have.
func (p *Package) header(path string, limit int64) (int64, error) {
	head := make([]byte, block)
	if err := p.full(head); err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(strings.TrimRight(string(head[124:136]), " \x00"), 8, 64)
	if err != nil || size < 0 || size > limit {
		return 0, refuse("%s is missing or too large", path)
	}
	want, err := seal.Header(path, size)
	if err != nil || !bytes.Equal(head, want) {
		return 0, refuse("%s is not where it must be", path)
	}
	return size, nil
}

// padding reads the zeros that fill the last block of an entry.
func (p *Package) padding(size int64) error {
	fill := make([]byte, -size&(block-1))
	if err := p.full(fill); err != nil {
		return err
	}
	for _, b := range fill {
		if b != 0 {
			return refuse("something stands between its entries")
		}
	}
	return nil
}

func (p *Package) full(b []byte) error {
	_, err := io.ReadFull(p.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("it is cut off")
	}
	return err
}

// body is the attachment being read.
type body struct {
	p    *Package
	path string
	size int64
	left int64
	h    hash.Hash
	done bool
}

// Read implements io.Reader.
func (b *body) Read(out []byte) (int, error) {
	if b.p.rest != b || b.p.end != nil && !errors.Is(b.p.end, io.EOF) {
		return 0, refuse("%s is read after its time", b.path)
	}
	if b.left == 0 {
		return 0, b.close()
	}
	n, err := b.p.r.Read(out[:min(int64(len(out)), b.left)])
	b.h.Write(out[:n])
	b.left -= int64(n)
	if errors.Is(err, io.EOF) && b.left == 0 {
		err = nil
	}
	if errors.Is(err, io.EOF) {
		err = refuse("it is cut off")
	}
	if err != nil {
		b.p.end = err
	}
	return n, err
}

func (b *body) close() error {
	if b.done {
		return io.EOF
	}
	b.done = true
	b.p.entries = append(b.p.entries, seal.Entry{Path: b.path, Size: b.size, SHA256: hex.EncodeToString(b.h.Sum(nil))})
	if err := b.p.padding(b.size); err != nil {
		b.p.end = err
		return err
	}
	return io.EOF
}

// strict decodes exactly one JSON value without unknown members.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than one value")
	}
	return nil
}

func refuse(why string, args ...any) error {
	return fmt.Errorf("%w: %w", post.ErrPermanent, post.FaultPackage.At(why, args...))
}
