package letter

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"

	"sikkerpost.dk/gateway/internal/outbound/pdfbound"
	"sikkerpost.dk/gateway/internal/post"
)

// ReadPDF reads one document into memory and refuses what is not a readable,
// unprotected PDF of at most [MaxDocument] bytes with at least one page. The
// bytes stay in memory, because nothing is on disk in clear.
func ReadPDF(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if len(b) > MaxDocument {
		return nil, post.FaultDocumentSize
	}
	if err := CheckPDF(b); err != nil {
		return nil, err
	}
	return b, nil
}

// CheckPDF applies the rules of [ReadPDF], except for the size, to the bytes of
// a document. A parser that panics on hostile bytes has refused them,
// as has one that reaches the bounds of pdfbound.
func CheckPDF(b []byte) (err error) {
	if !bytes.HasPrefix(b, []byte("%PDF-")) {
		return post.FaultNotPDF
	}
	defer func() {
		if p := recover(); p != nil {
			err = post.FaultNotPDF.Because(errors.New("parser panicked"))
		}
	}()
	ctx, err := pdfbound.Read(b)
	if err != nil {
		return unreadable(b, err)
	}
	if ctx.E != nil || ctx.Encrypt != nil {
		return post.FaultPDFEncrypted
	}
	if err := api.ValidateContext(ctx); err != nil {
		return unreadable(b, err)
	}
	if err := ctx.EnsurePageCount(); err != nil {
		return unreadable(b, err)
	}
	if ctx.PageCount < 1 {
		return post.FaultPDFEmpty
	}
	return nil
}

// unreadable tells protection, which the sender can take off, from damage. The
// parser's own words stay out: they may quote the document.
func unreadable(b []byte, err error) error {
	if errors.Is(err, pdfcpu.ErrWrongPassword) || bytes.Contains(b, []byte("/Encrypt ")) || bytes.Contains(b, []byte("/Encrypt\n")) {
		return post.FaultPDFEncrypted
	}
	return post.FaultNotPDF
}
