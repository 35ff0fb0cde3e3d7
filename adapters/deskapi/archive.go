package deskapi

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"

	"sikkerpost.dk/gateway/internal/outbound/batch"
	"sikkerpost.dk/gateway/internal/post"
)

// mediaTar is what many documents in one request are.
const mediaTar = "application/x-tar"

// archive reads documents from a tar as it comes in. Directories in it are
// passed over; what is neither a plain file nor a directory has no usable name.
type archive struct {
	body io.Reader
	tar  *tar.Reader
	sum  hash.Hash // of the request
}

func newArchive(body io.Reader, sum hash.Hash) *archive {
	return &archive{body: body, tar: tar.NewReader(body), sum: sum}
}

// next goes to the next document. io.EOF says that there is none, and that the
// request was read to its end.
func (a *archive) next() (batch.Document, error) {
	for {
		h, err := a.tar.Next()
		if errors.Is(err, io.EOF) { // what follows the end is padding
			if _, err := io.Copy(io.Discard, a.body); err != nil {
				return batch.Document{}, brokenArchive(err)
			}
			return batch.Document{}, io.EOF
		}
		if err != nil {
			return batch.Document{}, brokenArchive(err)
		}
		switch {
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag == tar.TypeReg && !sparse(h):
			return batch.Document{SHA256: strings.TrimPrefix(h.Name, "./"), Size: h.Size, Body: wholeBody{a.tar}}, nil
		}
		return batch.Document{Body: a.tar}, nil
	}
}

// sparse reports whether the file is mostly holes that the archive only counts:
// a few bytes would be read as many megabytes.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// note puts a document into the digest of the request: two requests are the
// same when their documents are, in the same order.
func (a *archive) note(v batch.Verdict) {
	fmt.Fprintf(a.sum, "%q %d %x\n", v.SHA256, v.Size, v.Sum)
}

// drain reads what is left into the digest, as the first reading did.
func (a *archive) drain() error {
	for n := 0; ; n++ {
		d, err := a.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && n == batch.MaxDocuments {
			err = post.FaultDocumentsMany
		}
		if err != nil {
			return err
		}
		v := d.Unread()
		if d.Readable() {
			h := sha256.New()
			if _, err := io.Copy(h, d.Body); err != nil {
				return err
			}
			v.Sum = [32]byte(h.Sum(nil))
		}
		a.note(v)
	}
}

// wholeBody says of a read that fails what that means for the request.
type wholeBody struct{ io.Reader }

// Read implements [io.Reader].
func (w wholeBody) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = brokenArchive(err)
	}
	return n, err
}

func brokenArchive(err error) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return err
	}
	return post.FaultDocumentsForm.Because(err)
}
