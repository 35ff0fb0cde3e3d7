package mailroom

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"

	"sikkerpost.dk/gateway/internal/inbound/intake"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// maxText bounds what of the letter itself becomes the text of the inquiry, in
// characters; the file is passed on besides when there is more.
const maxText = 100_000

// maxTextBytes is more than maxText characters take, in bytes.
const maxTextBytes = 4*maxText + 1<<10

// letterName and fileName stand in for names that could deceive.
const (
	letterName = "brev"
	fileName   = "fil-"
)

// A part is one file that is passed on. Its bytes are read again from the
// sealed message when they are packed.
type part struct {
	n    int // in the message, from 0
	name string
	kind string
	size int64
	sum  [32]byte
}

// contents is a message that was read and checked.
type contents struct {
	Mail
	text      string
	parts     []part
	unchecked int // of parts
}

// read opens a kept message, reads it and checks its files, one in memory at a
// time.
func (r *Room) read(ctx context.Context, a Arrival) (contents, error) {
	var c contents
	n := -1
	room := r.Limits.Bytes
	mail, err := r.open(ctx, a, func(f File, content io.Reader) error {
		n++
		if n >= seal.MaxAttachments {
			return &Unreadable{"too-many-files"}
		}
		fallback := fileName + strconv.Itoa(n+1)
		if f.Main {
			fallback = letterName
		}
		checked, err := intake.CheckMailed(ctx, r.Scanner, f.Name, fallback, content, room, r.Limits)
		if err != nil {
			return err
		}
		room -= int64(len(checked.Data))
		if f.Main && c.text == "" {
			text, whole := letterText(f.MediaType, checked.Data)
			c.text = text
			if whole {
				return nil
			}
		}
		if checked.MediaType == intake.Unchecked {
			c.unchecked++
		}
		c.parts = append(c.parts, part{n: n, name: c.freeName(checked.Name), kind: checked.MediaType,
			size: int64(len(checked.Data)), sum: sha256.Sum256(checked.Data)})
		return nil
	})
	c.Mail = mail
	return c, err
}

// open reads a kept message with file as its sink.
func (r *Room) open(ctx context.Context, a Arrival, file func(File, io.Reader) error) (Mail, error) {
	blob, err := r.Blobs.Get(ctx, a.Object.Blob)
	if err != nil {
		return Mail{}, fmt.Errorf("get: %w", err)
	}
	defer blob.Close()
	clear, err := r.Opener.Payload(a.Object.Header, blob)
	if err != nil {
		return Mail{}, fmt.Errorf("open: %w", err)
	}
	return r.Reader.ReadMail(clear, file)
}

// errFound ends the reading of a message once the file in question was read.
var errFound = errors.New("found")

// attachment reads one file again and yields it when it is what was checked.
func (r *Room) attachment(ctx context.Context, a Arrival, p part) (io.ReadCloser, error) {
	n := -1
	var data []byte
	_, err := r.open(ctx, a, func(_ File, content io.Reader) (err error) {
		if n++; n != p.n {
			return nil
		}
		if data, err = io.ReadAll(io.LimitReader(content, p.size+1)); err != nil {
			return err
		}
		return errFound
	})
	if !errors.Is(err, errFound) {
		return nil, fmt.Errorf("read file %d again: %w", p.n+1, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if sha256.Sum256(data) != p.sum {
		return nil, fmt.Errorf("read file %d again: digest differs from what was checked", p.n+1)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// freeName numbers a name that another part has.
func (c *contents) freeName(name string) string {
	free := name
	for n := 2; slices.ContainsFunc(c.parts, func(p part) bool { return strings.EqualFold(p.name, free) }); n++ {
		stem, ext := name, ""
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			stem, ext = name[:dot], name[dot:]
		}
		free = fmt.Sprintf("%s (%d)%s", stem, n, ext)
	}
	return free
}

// letterText returns the words of the letter itself, and whether they are the
// whole of it: plain text is, a page of HTML or any other form goes along as a
// file besides.
func letterText(mediaType string, data []byte) (text string, whole bool) {
	kind, _, _ := strings.Cut(strings.ToLower(mediaType), ";")
	switch strings.TrimSpace(kind) {
	case "text/plain":
		if !utf8.Valid(data) {
			return "", false
		}
		head := data[:min(len(data), maxTextBytes)] // a letter may be 100 MB: no copies of all of it
		text, whole = intake.PlainText(strings.TrimPrefix(strings.ToValidUTF8(string(head), ""), "\ufeff")), len(head) == len(data)
	case "text/html", "application/xhtml+xml":
		text = pageText(data)
	}
	if utf8.RuneCountInString(text) > maxText {
		return string([]rune(text)[:maxText]), false
	}
	return text, whole
}

// pageText returns what a reader of the page would read. It runs nothing and
// fetches nothing.
func pageText(page []byte) string {
	var b strings.Builder
	skip := ""
	z := html.NewTokenizer(bytes.NewReader(page))
	z.SetMaxBuf(1 << 20)
	for b.Len() < maxTextBytes {
		switch z.Next() {
		case html.ErrorToken:
			return tidy(b.String())
		case html.TextToken:
			if skip == "" {
				b.WriteString(strings.Join(strings.Fields(string(z.Text())), " "))
				b.WriteByte(' ')
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch tag := string(name); tag {
			case "script", "style", "head", "title":
				if skip == "" {
					skip = tag
				}
			case "br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6":
				b.WriteByte('\n')
			case "body":
				skip = ""
			}
		case html.CommentToken, html.DoctypeToken: // nobody reads them
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == skip {
				skip = ""
			}
		}
	}
	return tidy(b.String())
}

// tidy trims each line and leaves at most one empty line between two.
func tidy(s string) string {
	var out []string
	for line := range strings.Lines(intake.PlainText(strings.ToValidUTF8(s, "\uFFFD"))) {
		line = strings.TrimSpace(line)
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
