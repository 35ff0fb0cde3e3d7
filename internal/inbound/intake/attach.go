package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"filippo.io/age"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// An Attachment is one checked and sealed file of a draft.
type Attachment struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"` // cleaned; see [CleanName]
	MediaType string  `json:"media_type"`
	Size      int64   `json:"size"`   // bytes in clear
	SHA256    []byte  `json:"sha256"` // of the bytes in clear
	Scan      Verdict `json:"scan"`

	Header     []byte `json:"header"` // age header; the payload is the blob
	Blob       string `json:"blob"`
	BlobSHA256 []byte `json:"blob_sha256"`
	BlobSize   int64  `json:"blob_size"`
}

// Attach checks one file while it streams in and adds it to the draft. It
// reads no further than it must to refuse. Files refused leave the draft, and
// the files before them, as they were.
func (d *Desk) Attach(ctx context.Context, p post.Person, name string, r io.Reader) (Attachment, error) {
	draft, err := d.Draft(ctx, p)
	if errors.Is(err, post.ErrNotFound) {
		return Attachment{}, post.FaultDraftGone
	}
	if err != nil {
		return Attachment{}, err
	}
	if err := d.roomFor(draft, 0); err != nil {
		return Attachment{}, err
	}
	name, err = CleanName(name)
	if err != nil {
		return Attachment{}, err
	}
	select {
	case d.checks <- struct{}{}:
		defer func() { <-d.checks }()
	case <-ctx.Done():
		return Attachment{}, ctx.Err()
	}
	data, form, err := readChecked(ctx, name, r, d.Limits.Bytes-draft.Size(), d.Limits)
	if err != nil {
		return Attachment{}, err
	}
	verdict, err := d.scan(ctx, data)
	if err != nil {
		return Attachment{}, err
	}
	sum := sha256.Sum256(data)
	a := Attachment{
		ID: post.NewID(), Name: name, MediaType: form.mediaType, Size: int64(len(data)), SHA256: sum[:], Scan: verdict,
	}
	o, err := seal.Stream(ctx, d.Blobs, []age.Recipient{d.Ring.Recipient()}, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return Attachment{}, fmt.Errorf("seal attachment of draft %s: %w", draft.ID, err)
	}
	a.Header, a.Blob, a.BlobSHA256, a.BlobSize = o.Header, o.Blob, o.SHA256, o.Size
	_, err = d.change(ctx, p, false, func(f *Draft) error {
		if err := d.roomFor(*f, a.Size); err != nil {
			return err
		}
		a.Name = f.freeName(name)
		f.Files = append(f.Files, a)
		return nil
	})
	if err != nil {
		d.deleteBlobs(ctx, a.Blob)
		return Attachment{}, err
	}
	return a, nil
}

// Detach removes one file from the draft. A file that is not there is no
// error: the person wanted it gone.
func (d *Desk) Detach(ctx context.Context, p post.Person, id string) error {
	var gone []string
	_, err := d.change(ctx, p, false, func(f *Draft) error {
		gone = nil
		f.Files = slices.DeleteFunc(slices.Clone(f.Files), func(a Attachment) bool {
			if a.ID == id {
				gone = append(gone, a.Blob)
			}
			return a.ID == id
		})
		return nil
	})
	if err == nil {
		d.deleteBlobs(ctx, gone...)
	}
	return err
}

// Size returns the bytes of all files of f.
func (f Draft) Size() int64 {
	var n int64
	for _, a := range f.Files {
		n += a.Size
	}
	return n
}

// roomFor refuses one file too many, and more bytes than all may have.
func (d *Desk) roomFor(f Draft, size int64) error {
	if len(f.Files) >= d.Limits.Files {
		return post.FaultTooManyFiles
	}
	if f.Size()+size > d.Limits.Bytes {
		return post.FaultFilesTooLarge
	}
	return nil
}

// freeName numbers a name that another file of the draft already has.
func (f Draft) freeName(name string) string {
	ext := path.Ext(name)
	free := name
	for n := 2; slices.ContainsFunc(f.Files, func(a Attachment) bool { return strings.EqualFold(a.Name, free) }); n++ {
		free = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ext), n, ext)
	}
	return free
}
