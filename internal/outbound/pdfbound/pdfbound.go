// Package pdfbound reads the structure of foreign PDF files within bounds: a
// small file may unpack to gigabytes, and whoever may hand in a letter may hand
// in such a file.
//
// A stream unpacks to at most [MaxStream], the object streams of a file, which
// the parser keeps, to at most [MaxTotal] together, and a file is read for at
// most [MaxTime]. What goes beyond is refused with an error, before the memory
// is taken. The parser's errors may quote the file: callers do not show them.
package pdfbound

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
)

// Bounds.
const (
	MaxStream = 32 << 20
	MaxTotal  = 128 << 20
	MaxTime   = 20 * time.Second
)

// ErrBounds is returned for a file that would unpack to too much.
var ErrBounds = errors.New("the PDF unpacks to too much")

// quiet makes pdfcpu keep away from the user's configuration directory.
var quiet = sync.OnceFunc(api.DisableConfigDir)

// Read parses a PDF. It may panic on hostile bytes, as the parser does; callers
// recover.
//
//nolint:contextcheck // its own time bounds it; a document that is being judged is judged to the end
func Read(pdf []byte) (*model.Context, error) {
	quiet()
	if err := unpacked(pdf); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), MaxTime)
	defer cancel()
	doc, err := pdfcpu.ReadWithContext(ctx, bytes.NewReader(pdf), settings())
	if err != nil {
		return nil, fmt.Errorf("read PDF: %w", err)
	}
	return doc, nil
}

func settings() *model.Configuration {
	c := model.NewDefaultConfiguration()
	c.ValidationMode = model.ValidationRelaxed
	c.Cmd = model.VALIDATE
	c.Offline = true
	c.Limits.MaxStreamBytes = 128 << 20 // as it lies in the file: pictures
	c.Limits.MaxDecodeBytes = MaxStream
	c.Limits.MaxObjectCount = 1_000_000
	c.Limits.MaxXRefEntries = 1_000_000
	c.Limits.MaxObjectStreamCount = 100_000
	c.Limits.MaxObjectStreamFirst = 4 << 20
	c.Limits.MaxRecursionDepth = 60
	return c
}

// unpacked refuses a file whose object streams and tables come to more than
// MaxTotal. One that is packed in a way that this does not follow counts as a
// whole stream.
func unpacked(pdf []byte) error {
	left := int64(MaxTotal)
	for rest := pdf; ; {
		before, after, found := bytes.Cut(rest, []byte("stream"))
		if !found {
			return nil
		}
		rest = after
		if bytes.HasSuffix(before, []byte("end")) || !structural(before) {
			continue
		}
		n := size(before, bytes.TrimLeft(after, "\r\n"))
		if left -= n; left < 0 || n > MaxStream { // the parser bounds no table
			return ErrBounds
		}
	}
}

// structural reports whether what stands before a stream may make it one of
// objects or a table of them. A name that is written with escapes may be any.
func structural(dict []byte) bool {
	return bytes.Contains(dict, []byte("ObjStm")) || bytes.Contains(dict, []byte("XRef")) || bytes.ContainsRune(dict, '#')
}

func size(dict, packed []byte) int64 {
	if !bytes.Contains(dict, []byte("Decode")) && !bytes.ContainsRune(dict, '#') {
		return 0 // it is not packed
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil || bytes.Count(dict, []byte("Decode")) > 2 || bytes.ContainsRune(dict, '#') { // FlateDecode, DecodeParms
		return MaxStream
	}
	n, _ := io.Copy(io.Discard, io.LimitReader(z, MaxStream+1)) // the parser judges what is broken
	return n
}
