package printhouse

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/pdfbound"
	"sikkerpost.dk/gateway/internal/post"
)

// maxDocuments bounds the documents of one job, in bytes: pages are counted in
// memory, and nobody folds a book into an envelope.
const maxDocuments = 40 << 20

const pdf = "application/pdf"

// Render implements [dispatch.Channel]: the plaintext tar of j.
func (h *House) Render(ctx context.Context, j dispatch.Job, w io.Writer) error {
	err := h.look(ctx, j)
	if err == nil {
		err = render(j, w)
	}
	if err != nil {
		return fmt.Errorf("render print job %s: %w", j.MessageID, err)
	}
	return nil
}

func render(j dispatch.Job, w io.Writer) error {
	lines, err := address(j.Recipient)
	if err != nil {
		return permanent(err)
	}
	pages, err := countPages(j.Documents)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(ticket(j, lines, pages), "", "  ")
	if err != nil {
		return permanent(err)
	}
	at := j.CreatedAt.UTC().Truncate(time.Second)
	t := tar.NewWriter(w)
	if err := t.WriteHeader(header("ticket.json", int64(len(text)), at)); err != nil {
		return fmt.Errorf("write ticket: %w", err)
	}
	if _, err := t.Write(text); err != nil {
		return fmt.Errorf("write ticket: %w", err)
	}
	for i, d := range j.Documents {
		if err := writeDocument(t, header(entryName(i), d.Size, at), d); err != nil {
			return fmt.Errorf("write document %d: %w", i+1, err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	return nil
}

// header holds nothing of the machine that writes it, so that the same job
// yields the same bytes everywhere.
func header(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at}
}

func writeDocument(t *tar.Writer, h *tar.Header, d dispatch.Document) error {
	if err := t.WriteHeader(h); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	r, err := d.Open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	n, err := io.Copy(t, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if n != d.Size {
		return fmt.Errorf("%w: %d bytes, announced were %d", post.ErrPermanent, n, d.Size)
	}
	return nil
}

// countPages opens every document once. A print house that guesses the pages
// folds them wrongly, and one that meets a locked PDF sends it back.
func countPages(documents []dispatch.Document) ([]int, error) {
	if len(documents) == 0 {
		return nil, permanent(post.FaultNotPrintable.At("no document"))
	}
	var total int64
	for i, d := range documents {
		if d.MediaType != pdf {
			return nil, permanent(post.FaultNotPrintable.At("document %d is not PDF", i+1))
		}
		if total += d.Size; total > maxDocuments {
			return nil, permanent(post.FaultPrintTooLarge)
		}
	}
	pages := make([]int, len(documents))
	for i, d := range documents {
		n, err := pageCount(d)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		pages[i] = n
	}
	return pages, nil
}

func pageCount(d dispatch.Document) (n int, err error) {
	content, err := content(d)
	if err != nil {
		return 0, err
	}
	defer func() { // the parser meets foreign bytes; a panic there is a page that cannot be printed
		if recover() != nil {
			n, err = 0, permanent(post.FaultNotPrintable)
		}
	}()
	doc, err := pdfbound.Read(content)
	if err == nil {
		err = doc.EnsurePageCount()
	}
	if err != nil || doc.Encrypt != nil || doc.PageCount < 1 {
		return 0, permanent(post.FaultNotPrintable) // the parser's own words could quote the document
	}
	return doc.PageCount, nil
}

func permanent(err error) error { return fmt.Errorf("%w: %w", post.ErrPermanent, err) }
