package preflight

import (
	"math"

	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"

	"sikkerpost.dk/gateway/internal/outbound/pdfbound"
	"sikkerpost.dk/gateway/internal/post"
)

// A4 in points, and how far a page may be from it: 1 mm.
const (
	a4Width, a4Height = 595.276, 841.890
	a4Slack           = 72 / 25.4
)

// structure reads a PDF without showing it, and returns its pages; 0 when it
// cannot be read. A parser that panics on hostile bytes has refused them.
func structure(pdf []byte, found *findings) (pages int) {
	defer func() {
		if recover() != nil {
			pages = 0
			found.at(post.FaultNotPrintable, 0, "it cannot be read")
		}
	}()
	ctx, err := pdfbound.Read(pdf)
	if err != nil || ctx.E != nil || ctx.Encrypt != nil {
		found.at(post.FaultNotPrintable, 0, "it cannot be read, or is protected")
		return 0
	}
	if err := ctx.EnsurePageCount(); err != nil || ctx.PageCount < 1 {
		found.at(post.FaultNotPrintable, 0, "it has no pages")
		return 0
	}
	x := ctx.XRefTable
	active(x, found)
	fonts := newFonts(x)
	for n := 1; n <= min(x.PageCount, maxRead); n++ {
		page, _, inherited, err := x.PageDict(n, false)
		if err != nil || page == nil {
			found.at(post.FaultNotPrintable, n, "it cannot be read")
			return 0
		}
		if !upright(x, page, inherited) {
			found.at(post.FaultPaperSize, n, "")
		}
		resources := inherited.Resources
		if own, err := x.DereferenceDict(entry(page, "Resources")); err == nil && own != nil {
			resources = own
		}
		if !fonts.embedded(resources, 0) || !fonts.annotations(page) {
			found.at(post.FaultPaperFont, n, "")
		}
	}
	return x.PageCount
}

// maxRead bounds the pages that are read one by one; no envelope takes more.
const maxRead = 1000

func entry(d types.Dict, key string) types.Object {
	o, _ := d.Find(key)
	return o
}

// upright reports whether a page is A4 in portrait, as it lies in the file: a
// printer that knows no turning would print it askew.
func upright(x *model.XRefTable, page types.Dict, in *model.InheritedPageAttrs) bool {
	if in.MediaBox == nil || in.Rotate%360 != 0 {
		return false
	}
	if unit, err := x.DereferenceNumber(entry(page, "UserUnit")); err == nil && entry(page, "UserUnit") != nil && unit != 1 {
		return false
	}
	return isA4(in.MediaBox) && (in.CropBox == nil || isA4(in.CropBox))
}

func isA4(r *types.Rectangle) bool {
	return math.Abs(r.Width()-a4Width) <= a4Slack && math.Abs(r.Height()-a4Height) <= a4Slack
}
