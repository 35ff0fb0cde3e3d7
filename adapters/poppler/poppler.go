// Package poppler shows PDF pages through poppler's own programs, pdftoppm and
// pdftotext, for [preflight.Eyes].
//
// The documents are foreign bytes and the programs are large, so each call is a
// process of its own with bounds on time, processor time and memory, without
// environment, and unable to write a file: the document goes in and the pages
// come out through pipes, and no clear byte touches a disk.
//
// A document that ends a program, or takes more than the bounds, is refused for
// good. A program that cannot be started is a failure that may pass. What the
// programs say on standard error may quote the document, and is thrown away.
package poppler

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
)

// Config bounds one call. Zero values take those of [Open].
type Config struct {
	Time   time.Duration // 30 s
	Memory int64         // bytes of address space; 1 GiB
	// Dir is the folder of the programs; "" looks along the path.
	Dir string
}

// Poppler shows pages.
type Poppler struct {
	Config
	ppm, text string
	slots     chan struct{} // bounds how many programs run at once
}

var _ preflight.Eyes = (*Poppler)(nil)

// Open finds the programs, or says which one is missing.
func Open(c Config) (*Poppler, error) {
	if c.Time == 0 {
		c.Time = 30 * time.Second
	}
	if c.Memory == 0 {
		c.Memory = 1 << 30
	}
	p := &Poppler{Config: c, slots: make(chan struct{}, 2)}
	for name, path := range map[string]*string{"pdftoppm": &p.ppm, "pdftotext": &p.text} {
		if c.Dir != "" {
			name = c.Dir + "/" + name
		}
		found, err := exec.LookPath(name)
		if err != nil {
			return nil, fmt.Errorf("find poppler: %w", err)
		}
		*path = found
	}
	return p, nil
}

// bounded starts a program under its bounds. A signal for a file that grows too
// large is ignored, so that a font cache that cannot be written ends nothing.
const bounded = `trap '' XFSZ; ulimit -v "$1" && ulimit -t "$2" && ulimit -f 0 && ulimit -c 0 || exit 126; shift 2; exec "$@"`

// run gives pdf to a program and what comes out to read.
func (p *Poppler) run(ctx context.Context, pdf []byte, read func(*bufio.Reader) error, program string, args ...string) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	bound, cancel := context.WithTimeout(ctx, p.Time)
	defer cancel()
	args = append([]string{"-c", bounded, "sh", strconv.FormatInt(p.Memory>>10, 10), strconv.Itoa(int(p.Time/time.Second) + 1), program}, args...)
	cmd := exec.CommandContext(bound, "/bin/sh", args...) //nolint:gosec // our own words: the shell sets bounds and becomes the program
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(pdf)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run poppler: %w", err)
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(bound.Err(), context.DeadlineExceeded) {
			return post.FaultPaperBounds
		}
		return fmt.Errorf("run poppler: %w", err)
	}
	readErr := read(bufio.NewReader(out))
	if readErr != nil && !errors.Is(readErr, errShort) {
		cancel() // it has nothing more to say
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(out, 1<<20)) // lets it end by itself
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case readErr == nil && err != nil, errors.Is(readErr, errShort):
		return verdict(bound, err)
	}
	return readErr
}

// errShort says that a program ended before its output did.
var errShort = errors.New("the output ends too early")

// verdict tells what a program that failed says of the document.
func verdict(bound context.Context, err error) error {
	var exit *exec.ExitError
	switch {
	case errors.Is(bound.Err(), context.DeadlineExceeded):
		return post.FaultPaperBounds
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return post.FaultNotPrintable
	case !errors.As(err, &exit):
		return fmt.Errorf("run poppler: %w", err)
	case exit.ExitCode() == 126 || exit.ExitCode() == 127: // the shell's own
		return errors.New("run poppler: it cannot be started")
	case exit.ExitCode() < 0: // a signal: out of memory, out of time, or broken
		return post.FaultPaperBounds
	}
	return post.FaultNotPrintable
}

// Pages implements [preflight.Eyes].
func (p *Poppler) Pages(ctx context.Context, pdf []byte, most int, see func(int, preflight.Picture) error) error {
	return p.run(ctx, pdf, func(r *bufio.Reader) error {
		for n := 1; n <= most; n++ {
			picture, err := readPicture(r)
			if err != nil {
				return err
			}
			if err := see(n, picture); err != nil {
				return err
			}
		}
		return nil
	}, p.ppm, "-q", "-gray", "-r", strconv.Itoa(preflight.Resolution), "-l", strconv.Itoa(most), "-")
}

// Pictures of A4 have 595 × 842 dots.
const maxWidth, maxHeight = 700, 950

// readPicture reads one binary PGM.
func readPicture(r *bufio.Reader) (preflight.Picture, error) {
	var p preflight.Picture
	var deepest int
	if _, err := fmt.Fscanf(r, "P5\n%d %d\n%d\n", &p.Width, &p.Height, &deepest); err != nil {
		return p, errShort
	}
	if p.Width < 1 || p.Width > maxWidth || p.Height < 1 || p.Height > maxHeight || deepest != 255 {
		return p, post.FaultPaperSize
	}
	p.Gray = make([]byte, p.Width*p.Height)
	if _, err := io.ReadFull(r, p.Gray); err != nil {
		return p, errShort
	}
	return p, nil
}

// maxWords bounds what is read of one page's words, in bytes of markup.
const maxWords = 8 << 20

// Words implements [preflight.Eyes].
func (p *Poppler) Words(ctx context.Context, pdf []byte) (words []preflight.Word, err error) {
	err = p.run(ctx, pdf, func(r *bufio.Reader) error {
		words, err = readWords(io.LimitReader(r, maxWords))
		return err
	}, p.text, "-q", "-f", "1", "-l", "1", "-bbox", "-", "-")
	return words, err
}

// readWords reads the markup of pdftotext -bbox. Whatever stands outside of its
// page element, such as the document's title, is passed over.
func readWords(r io.Reader) ([]preflight.Word, error) {
	var words []preflight.Word
	d := xml.NewDecoder(r)
	d.Strict, d.Entity = false, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return words, nil
		}
		if err != nil {
			return nil, post.FaultNotPrintable
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "word" {
			continue
		}
		var w preflight.Word
		for _, a := range start.Attr {
			points, err := strconv.ParseFloat(a.Value, 64)
			if err != nil {
				return nil, post.FaultNotPrintable
			}
			mm := points * 25.4 / 72
			switch a.Name.Local {
			case "xMin":
				w.Left = mm
			case "yMin":
				w.Top = mm
			case "xMax":
				w.Right = mm
			case "yMax":
				w.Bottom = mm
			}
		}
		if err := d.DecodeElement(&w.Text, &start); err != nil {
			return nil, post.FaultNotPrintable
		}
		words = append(words, w)
	}
}
