package deskapi

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime/multipart"
	"net/http"
	"sync/atomic"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// maxHead bounds the JSON part of a form.
const maxHead = 256 << 10

// form reads a multipart body part by part: first the JSON, then the files.
// Each part goes into the digest of the request.
type form struct {
	parts  *multipart.Reader
	sum    hash.Hash
	memory *budget
	taken  int64
	ended  bool
}

func newForm(body io.Reader, boundary string, sum hash.Hash, memory *budget) *form {
	return &form{parts: multipart.NewReader(body, boundary), sum: sum, memory: memory}
}

// next goes to the next part. io.EOF says that there is none.
func (f *form) next() (*multipart.Part, error) {
	if f.ended {
		return nil, io.EOF
	}
	p, err := f.parts.NextRawPart()
	if err != nil {
		f.ended = errors.Is(err, io.EOF)
		return nil, err
	}
	return p, nil
}

// read reads the part p up to limit bytes. Its length and its own digest go
// into the digest of the request, so that no two lists of parts are alike.
func (f *form) read(p *multipart.Part, limit int64, tooLong *post.Fault) ([]byte, error) {
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(p, limit+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if n > limit {
		return nil, tooLong
	}
	f.note(p, n, sha256.Sum256(b.Bytes()))
	return b.Bytes(), nil
}

func (f *form) note(p *multipart.Part, n int64, sum [32]byte) {
	fmt.Fprintf(f.sum, "%q %d %x\n", p.FormName(), n, sum)
}

// head reads the JSON part named name.
func (f *form) head(name string) ([]byte, error) {
	p, err := f.next()
	if err != nil {
		return nil, unreadable(err)
	}
	if p.FormName() != name {
		return nil, post.FaultRequestForm.At("the first part of the form must be %s", name)
	}
	return f.read(p, maxHead, post.FaultBodyTooLarge)
}

// documents reads one file for each description and refuses one too few or too
// many. Files are held in memory, within the budget, until close.
func (f *form) documents(list []wire.Document) ([]letter.Document, error) {
	if len(list) > 1+post.MaxAdditionalDocuments {
		return nil, post.FaultLetterDocuments.At("%d documents", len(list))
	}
	var out []letter.Document
	var total int64
	for i, d := range list {
		p, err := f.next()
		if errors.Is(err, io.EOF) {
			return nil, post.FaultFilesDiffer.At("document %d has no file", i+1)
		}
		if err != nil {
			return nil, unreadable(err)
		}
		if p.FormName() != "document" {
			return nil, post.FaultFilesDiffer.At("part %d of the form must be named document", i+2)
		}
		b, err := f.file(p)
		if err != nil {
			return nil, err
		}
		if total += int64(len(b)); total > letter.MaxLetter {
			return nil, post.FaultLetterSize
		}
		out = append(out, letter.Document{
			Filename: d.Filename, Label: d.Label, MediaType: d.MediaType, Language: d.Language,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
		})
	}
	if _, err := f.next(); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, unreadable(err)
		}
		return nil, post.FaultFilesDiffer.At("more files than the %d documents listed", len(list))
	}
	return out, nil
}

// chunk is what the budget is asked for at a time.
const chunk = 64 << 10

// file reads one document, paying for its memory as it comes in.
func (f *form) file(p *multipart.Part) ([]byte, error) {
	var b bytes.Buffer
	for {
		if !f.memory.take(chunk) {
			return nil, post.FaultUnavailable
		}
		f.taken += chunk
		_, err := io.CopyN(&b, p, chunk)
		if b.Len() > letter.MaxDocument {
			return nil, post.FaultDocumentSize
		}
		if errors.Is(err, io.EOF) {
			f.note(p, int64(b.Len()), sha256.Sum256(b.Bytes()))
			return b.Bytes(), nil
		}
		if err != nil {
			return nil, unreadable(err)
		}
	}
}

// close gives the memory back.
func (f *form) close() {
	f.memory.give(f.taken)
	f.taken = 0
}

// drain reads the rest of the form into the digest.
func (f *form) drain() error {
	for {
		p, err := f.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		h := sha256.New()
		n, err := io.Copy(h, p)
		if err != nil {
			return unreadable(err)
		}
		f.note(p, n, [32]byte(h.Sum(nil)))
	}
}

// unreadable says what a failed read of the body means.
func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	var f *post.Fault
	if errors.As(err, &tooLarge) || errors.As(err, &f) {
		return err
	}
	return post.FaultRequestUnreadable.Because(err)
}

// budget is memory that requests share.
type budget struct{ left atomic.Int64 }

func newBudget(n int64) *budget {
	b := &budget{}
	b.left.Store(n)
	return b
}

// take answers false, and takes nothing, when n bytes are not left.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.left.Add(n) }
