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

// Otherwise the library writes into the home directory.
func init() { api.DisableConfigDir() } //nolint:gochecknoinits // it is a variable of the library

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
	found, err := active(ctx, doc.XRefTable)
	if err != nil {
		return post.FaultFileBroken.Because(err)
	}
	if found {
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
func active(ctx context.Context, t *model.XRefTable) (bool, error) {
	for n, e := range t.Table {
		if e == nil || e.Free {
			continue
		}
		found, err := activeObject(ctx, e.Object, 0)
		if err != nil {
			return false, fmt.Errorf("object %d: %w", n, err)
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

// deepest is how far objects may nest inside one another.
const deepest = 60

func activeObject(ctx context.Context, o types.Object, depth int) (bool, error) {
	if depth > deepest {
		return false, errors.New("nested too deep")
	}
	switch v := o.(type) {
	case types.LazyObjectStreamObject: // compressed, and not read until somebody asks
		decoded, err := v.DecodedObject(ctx)
		if err != nil {
			return false, err
		}
		return activeObject(ctx, decoded, depth+1)
	case types.Dict:
		return activeDict(ctx, v, depth)
	case types.StreamDict:
		return activeDict(ctx, v.Dict, depth)
	case *types.StreamDict:
		return activeDict(ctx, v.Dict, depth)
	case types.ObjectStreamDict:
		return activeDict(ctx, v.Dict, depth)
	case *types.ObjectStreamDict:
		return activeDict(ctx, v.Dict, depth)
	case types.XRefStreamDict:
		return activeDict(ctx, v.Dict, depth)
	case *types.XRefStreamDict:
		return activeDict(ctx, v.Dict, depth)
	case types.Array:
		for _, item := range v {
			if found, err := activeObject(ctx, item, depth+1); found || err != nil {
				return found, err
			}
		}
		return false, nil
	case nil, types.Name, types.Boolean, types.Integer, types.Float, types.StringLiteral, types.HexLiteral, types.IndirectRef:
		return false, nil
	}
	return false, fmt.Errorf("unknown kind %T", o) // what cannot be judged is not taken
}

func activeDict(ctx context.Context, d types.Dict, depth int) (bool, error) {
	for key, value := range d {
		switch plainName(key) {
		case "JS", "JavaScript", "EF", "EmbeddedFiles", "RichMediaContent", "XFA", "Launch":
			return true, nil
		case "S", "Type", "Subtype":
			if n, ok := value.(types.Name); ok && activeName(plainName(string(n))) {
				return true, nil
			}
		}
		if found, err := activeObject(ctx, value, depth+1); found || err != nil {
			return found, err
		}
	}
	return false, nil
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
