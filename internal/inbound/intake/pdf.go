package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"

	"sikkerpost.dk/gateway/internal/post"
)

// pdfTime bounds the reading of one PDF; honest ones take milliseconds.
const pdfTime = 10 * time.Second

func init() { api.DisableConfigDir() } // otherwise the library writes into the home directory

// checkPDF reads the structure (relaxed: most real files bend ISO 32000 a
// little) and refuses encryption, programs and files within.
func checkPDF(ctx context.Context, data []byte, _ Limits) (err error) {
	defer func() {
		if r := recover(); r != nil { // foreign bytes must not end the program
			err = post.FaultFileBroken.Because(fmt.Errorf("PDF reader: %v", r))
		}
	}()
	if trailing(data) {
		return post.FaultFileTwoInOne
	}
	ctx, cancel := context.WithTimeout(ctx, pdfTime)
	defer cancel()
	doc, err := pdfcpu.ReadWithContext(ctx, bytes.NewReader(data), pdfConfig())
	if errors.Is(err, pdfcpu.ErrWrongPassword) {
		return post.FaultFileLocked
	}
	if err != nil {
		return post.FaultFileBroken.Because(err)
	}
	if doc.Encrypt != nil {
		return post.FaultFileLocked
	}
	if active(doc.XRefTable) {
		return post.FaultFileActive
	}
	if err := api.ValidateContext(doc); err != nil {
		return post.FaultFileBroken.Because(err)
	}
	return nil
}

// pdfConfig bounds what a small file may unpack to, and reaches for nothing
// outside.
func pdfConfig() *model.Configuration {
	c := model.NewDefaultConfiguration()
	c.ValidationMode = model.ValidationRelaxed
	c.Cmd = model.VALIDATE
	c.Offline = true
	c.Limits.MaxStreamBytes = 16 << 20
	c.Limits.MaxDecodeBytes = 64 << 20
	c.Limits.MaxImagePixels = 100_000_000
	c.Limits.MaxImageBytes = 64 << 20
	c.Limits.MaxObjectCount = 200_000
	c.Limits.MaxXRefEntries = 200_000
	c.Limits.MaxObjectStreamCount = 50_000
	c.Limits.MaxObjectStreamFirst = 4 << 20
	c.Limits.MaxRecursionDepth = 60
	return c
}

// trailing reports whether more than white space follows the last end-of-file
// mark, where another file could hide.
func trailing(data []byte) bool {
	_, rest, found := cutLast(data, []byte("%%EOF"))
	return found && len(bytes.Trim(rest, "\x00\t\n\f\r \x1a")) > 0
}

func cutLast(data, mark []byte) (before, after []byte, found bool) {
	i := bytes.LastIndex(data, mark)
	if i < 0 {
		return data, nil, false
	}
	return data[:i], data[i+len(mark):], true
}

// active reports whether any object, reachable or not, would run something or
// carries a file (ISO 32000-2 sections 7.11.4, 12.6.4, 12.7.9).
func active(t *model.XRefTable) bool {
	for _, e := range t.Table {
		if e != nil && !e.Free && activeObject(e.Object, 0) {
			return true
		}
	}
	return false
}

// deepest is how far objects may nest inside one another.
const deepest = 60

func activeObject(o types.Object, depth int) bool {
	if depth > deepest {
		return true
	}
	switch v := o.(type) {
	case types.Dict:
		return activeDict(v, depth)
	case types.StreamDict:
		return activeDict(v.Dict, depth)
	case *types.StreamDict:
		return v != nil && activeDict(v.Dict, depth)
	case types.ObjectStreamDict:
		return activeDict(v.Dict, depth)
	case types.Array:
		for _, item := range v {
			if activeObject(item, depth+1) {
				return true
			}
		}
	}
	return false
}

func activeDict(d types.Dict, depth int) bool {
	for key, value := range d {
		switch plainName(key) {
		case "JS", "JavaScript", "EF", "EmbeddedFiles", "RichMediaContent", "XFA", "Launch":
			return true
		case "S", "Type", "Subtype":
			if n, ok := value.(types.Name); ok && activeName(plainName(string(n))) {
				return true
			}
		}
		if activeObject(value, depth+1) {
			return true
		}
	}
	return false
}

func activeName(n string) bool {
	switch n {
	case "JavaScript", "Launch", "SubmitForm", "ImportData", "GoToE", "Rendition", "Movie",
		"EmbeddedFile", "FileAttachment", "RichMedia", "RichMediaExecute", "3D", "Screen", "Sound":
		return true
	}
	return false
}

// plainName undoes #xx, with which a name can be disguised.
func plainName(s string) string {
	if plain, err := types.DecodeName(s); err == nil {
		return plain
	}
	return s
}
