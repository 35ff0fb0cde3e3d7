package client

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/post"
)

// What [Client.Upload] puts into one request, and how many requests it has under
// way. Desk makes so many documents durable together.
const (
	requestDocuments = 64
	requestBytes     = 8 << 20
	requests         = 4
	tries            = 5
)

// Document is one document of a batch.
type Document struct {
	SHA256 string // lower-case hex, of its bytes
	Size   int64  // bytes
	// Open may be called again when a connection broke before anything was sent.
	Open func() (io.ReadCloser, error)
}

// PutDocuments puts documents of a batch in one request, at most 500 and 72 MB.
// The answer says of each whether it is kept; the error is of the request as a
// whole. Nothing is held in memory. Putting them again changes nothing.
func (c *Client) PutDocuments(ctx context.Context, batch string, docs []Document) (out wire.Documents, err error) {
	size := int64(end)
	for _, d := range docs {
		size += block + d.Size + padding(d.Size)
	}
	open := func() (io.ReadCloser, error) { return &archive{docs: docs}, nil }
	body, _ := open() // never fails
	err = c.send(ctx, request{
		method: http.MethodPut, path: "/v1/batches/" + url.PathEscape(batch) + "/documents",
		media: "application/x-tar", body: body, again: open, size: size, bulk: true,
	}, &out)
	if err == nil && len(out.Items) != len(docs) {
		err = fmt.Errorf("%w: %d verdicts on %d documents", ErrUnreachable, len(out.Items), len(docs))
	}
	return out, err
}

// Upload puts any number of documents, many in a request and several requests
// at a time; a large document goes by itself. told hears of each what became of
// it, from one goroutine at a time. The first failure of a request ends it:
// what told has heard of is done, and uploading the rest again is safe.
func (c *Client) Upload(ctx context.Context, batch string, docs []Document, told func(Document, wire.DocumentPut)) error {
	return c.UploadEach(ctx, batch, Documents(docs), told)
}

// Documents are docs, for [Client.UploadEach].
func Documents(docs []Document) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// UploadEach is [Client.Upload] of documents that are named one after the other
// while it goes on; a few hundred of them are in memory at a time. An error among
// them ends it, when those named before are done.
func (c *Client) UploadEach(ctx context.Context, batch string, docs iter.Seq2[Document, error], told func(Document, wire.DocumentPut)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards told
	work := make(chan []Document)
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			for some := range work {
				items, err := c.patiently(ctx, batch, some)
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				for i, item := range items {
					told(some[i], item)
				}
				mu.Unlock()
			}
		})
	}
	err := inRequests(docs, func(some []Document) bool {
		select {
		case work <- some:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(work)
	all.Wait()
	if broken := context.Cause(ctx); broken != nil {
		return broken
	}
	return err
}

// inRequests gives documents to put as many at a time as go in one request, until
// it answers false. It fails as docs does, when those before are put.
func inRequests(docs iter.Seq2[Document, error], put func([]Document) bool) (failed error) {
	var some []Document
	for d, err := range docs {
		if err != nil {
			failed = err
			break
		}
		if some = append(some, d); len(some) == requestDocuments {
			n := together(some)
			if !put(some[:n:n]) {
				return nil
			}
			some = slices.Clone(some[n:])
		}
	}
	for len(some) > 0 {
		n := together(some)
		if !put(some[:n:n]) {
			return nil
		}
		some = some[n:]
	}
	return failed
}

// together is how many of the first documents go in one request.
func together(docs []Document) int {
	var size int64
	for n, d := range docs[:min(len(docs), requestDocuments)] {
		if size += d.Size; size > requestBytes && n > 0 {
			return n
		}
	}
	return min(len(docs), requestDocuments)
}

// patiently comes back when desk says that it has no room at the moment.
func (c *Client) patiently(ctx context.Context, batch string, docs []Document) ([]wire.DocumentPut, error) {
	for try := 1; ; try++ {
		items, err := c.putSome(ctx, batch, docs)
		if p := (*Problem)(nil); !errors.As(err, &p) || p.Code != post.FaultUnavailable.Code || try == tries {
			return items, err
		}
		select {
		case <-time.After(2 * time.Second): // as its Retry-After says
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *Client) putSome(ctx context.Context, batch string, docs []Document) ([]wire.DocumentPut, error) {
	if len(docs) > 1 || docs[0].Size <= requestBytes {
		out, err := c.PutDocuments(ctx, batch, docs)
		return out.Items, err
	}
	d := docs[0]
	item := wire.DocumentPut{N: 1, SHA256: d.SHA256, State: "stored"}
	r, err := d.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	err = c.PutDocument(ctx, batch, d.SHA256, d.Size, r)
	// These two speak of the document; all else speaks of the batch or of us.
	if p := (*Problem)(nil); errors.As(err, &p) && (p.Status == http.StatusUnprocessableEntity || p.Status == http.StatusRequestEntityTooLarge) {
		item.State, item.Code, item.Message, item.Cure = "refused", p.Code, p.Title, p.Cure
		err = nil
	}
	return []wire.DocumentPut{item}, err
}

// Of a tar: its unit, and the two empty ones that end it.
const block, end = 512, 1024

func padding(size int64) int64 { return -size & (block - 1) }

// archive is a tar of documents, made while it is read.
type archive struct {
	docs []Document
	part io.Reader     // of the document under way, its header and padding included
	file io.ReadCloser // of the document under way
	done bool
}

// Read implements [io.Reader].
func (a *archive) Read(p []byte) (int, error) {
	for {
		if a.part != nil {
			n, err := a.part.Read(p)
			if n > 0 || err != nil && !errors.Is(err, io.EOF) {
				return n, err
			}
		}
		if err := a.advance(); err != nil {
			return 0, err
		}
	}
}

// advance goes to the next document, or to the end.
func (a *archive) advance() error {
	if err := a.Close(); err != nil {
		return err
	}
	if a.done {
		return io.EOF
	}
	if len(a.docs) == 0 {
		a.part, a.done = bytes.NewReader(make([]byte, end)), true
		return nil
	}
	d := a.docs[0]
	a.docs = a.docs[1:]
	var head bytes.Buffer
	err := tar.NewWriter(&head).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: d.SHA256, Size: d.Size, Mode: 0o600, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	if err != nil {
		return err
	}
	if a.file, err = d.Open(); err != nil {
		return err
	}
	a.part = io.MultiReader(&head, &exactly{a.file, d.Size}, bytes.NewReader(make([]byte, padding(d.Size))))
	return nil
}

// Close implements [io.Closer].
func (a *archive) Close() error {
	if a.file == nil {
		return nil
	}
	f := a.file
	a.file = nil
	return f.Close()
}

// exactly yields so many bytes of r, or fails.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
