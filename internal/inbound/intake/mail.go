package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// Unchecked is the media type of a file that is passed on although its form was
// refused.
const Unchecked = "application/octet-stream"

// A CheckedFile is one file in memory that may be passed on.
type CheckedFile struct {
	Name      string // cleaned; see [CleanName]
	MediaType string // [Unchecked] when its form was refused
	Data      []byte
	Scan      Verdict
}

// CheckMailed puts a file that came by mail through the checks of an
// attachment. Its sender cannot be asked for another one, so a form that the
// portal would refuse is no refusal here: the file comes back as [Unchecked].
// Refused are malware ([post.FaultMalware]), more than room bytes
// ([post.FaultFilesTooLarge]) and whatever the scanner could not look at
// ([post.FaultScannerDown]). A name that could deceive becomes fallback.
func CheckMailed(ctx context.Context, s Scanner, name, fallback string, r io.Reader, room int64, l Limits) (CheckedFile, error) {
	l = l.orDefault()
	f := CheckedFile{Name: fallback, MediaType: Unchecked}
	if clean, err := CleanName(name); err == nil {
		f.Name = clean
	}
	var data bytes.Buffer
	n, err := io.Copy(&data, io.LimitReader(r, room+1))
	if err != nil {
		return f, fmt.Errorf("read file: %w", err)
	}
	if n > room {
		return f, post.FaultFilesTooLarge
	}
	f.Data = data.Bytes()
	if kind, err := checkData(ctx, f.Name, f.Data, l); err == nil {
		f.MediaType = kind.mediaType
	} else if ctx.Err() != nil {
		return f, ctx.Err()
	}
	d := &Desk{Config: Config{Scanner: s}}
	f.Scan, err = d.scan(ctx, f.Data)
	return f, err
}

// checkData puts a file in memory through the checks of [readChecked].
func checkData(ctx context.Context, name string, data []byte, l Limits) (form, error) {
	f, err := formByExtension(name)
	switch {
	case err != nil:
		return f, err
	case len(data) == 0:
		return f, post.FaultFileEmpty
	case !f.magic(data[:min(len(data), headSize)]):
		return f, misnamed(data[:min(len(data), headSize)])
	case f.mediaType != "text/plain" && hidesArchive(data):
		return f, post.FaultFileTwoInOne
	}
	return f, f.structure(ctx, data, l)
}

// Refused reports whether err speaks of the file rather than of ourselves.
func Refused(err error) bool {
	return errors.Is(err, post.FaultMalware) || errors.Is(err, post.FaultFilesTooLarge)
}

// PersonIndex is the keyed index under which a tenant's inquiries of p are
// found again: that of the party concerned.
func PersonIndex(key []byte, tenant post.TenantID, p post.Person) []byte {
	return seal.Index(key, tenant, "person", partyKey(p.Subject()))
}

// PlainText drops from s what no keyboard types, and writes line ends as \n.
func PlainText(s string) string { return plainText(s) }

// OneLine is [PlainText] on one line.
func OneLine(s string) string { return oneLine(s) }
