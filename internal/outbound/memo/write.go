package memo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"sikkerpost.dk/gateway/internal/b64"
)

// Write writes m as MeMo 1.2: UTF-8, explicit prefixes, no white space between
// elements. It checks m first ([Message.Check]), so a breach of the rules leaves
// w untouched. A file whose content cannot be read, or is not as long as its
// Size, ends the writing with an error.
func Write(w io.Writer, m *Message) error { return write(w, m, Version, false) }

// WriteAs writes m as [Write] does, in version 1.1 or 1.2. What that version has
// no place for is an [*Invalid] with [CodeLoses].
func WriteAs(w io.Writer, m *Message, version string) error { return write(w, m, version, false) }

// WriteElementAs writes m as [WriteAs] does, without the XML declaration, so that
// it can stand inside another document. It declares its own namespaces.
func WriteElementAs(w io.Writer, m *Message, version string) error { return write(w, m, version, true) }

func write(w io.Writer, m *Message, version string, inside bool) error {
	if err := m.CheckAs(version); err != nil {
		return err
	}
	if at, ok := w.(lender); ok {
		return (&encoder{w: at, version: version, inside: inside}).message(m)
	}
	buf := writers.Get().(*bufio.Writer) //nolint:forcetypeassert // it holds nothing else
	buf.Reset(w)
	defer func() {
		buf.Reset(nil)
		writers.Put(buf)
	}()
	e := &encoder{w: buf, version: version, inside: inside}
	if err := e.message(m); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return fmt.Errorf("write memo: %w", err)
	}
	return nil
}

// Buffers are used again: they give on only what was written since their Reset.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}

// A lender is memory itself, as bytes.Buffer is: what is written to it needs no
// buffer before it, and files are encoded right into it.
type lender interface {
	stringWriter
	AvailableBuffer() []byte
}

type stringWriter interface {
	io.Writer
	io.StringWriter
}

// encoder walks the table while it writes. Its first error stays.
type encoder struct {
	w   stringWriter
	at  walk
	dry bool // open no file; say how long its content would be
	// inside: the message stands in another document.
	inside  bool
	version string
	skipped int64 // bytes of content that a dry run left out
	err     error
}

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func (e *encoder) rootTag(m *Message) string {
	var b strings.Builder
	b.WriteString(`<memo:Message xmlns:memo="` + Namespace + `" xmlns:grd="` + NamespaceCore + `"`)
	for _, s := range sharedSpaces {
		if m.uses(s.uri) {
			b.WriteString(` xmlns:` + s.prefix + `="` + s.uri + `"`)
		}
	}
	b.WriteString(` memoVersion="` + e.version + `"`)
	if e.version == Version11 {
		b.WriteString(` memoSchVersion="1.1.0"`)
	}
	return b.String() + ">"
}

func (e *encoder) message(m *Message) error {
	e.at.root(schemas[e.version])
	if !e.inside {
		e.put(declaration)
	}
	e.put(e.rootTag(m))
	e.header(&m.Header)
	if m.Body != nil {
		e.body(m.Body)
	}
	e.leave(Namespace, "Message")
	if !e.inside {
		e.put("\n")
	}
	return e.err
}

func (e *encoder) put(s string) {
	if e.err != nil {
		return
	}
	if _, err := e.w.WriteString(s); err != nil {
		e.err = fmt.Errorf("write memo: %w", err)
	}
}

// tag writes the tag of an element, piece by piece: joining them would be most of
// what a message's memory is.
func (e *encoder) tag(open, space, name string) {
	e.put(open)
	e.put(prefix(space))
	e.put(":")
	e.put(name)
	e.put(">")
}

func (e *encoder) leave(space, name string) {
	if e.err != nil {
		return
	}
	if bad := e.at.leave(); bad != nil {
		e.err = bad
		return
	}
	e.tag("</", space, name)
}

func (e *encoder) enter(space, name string) bool {
	if e.err != nil {
		return false
	}
	if _, bad := e.at.enter(space, name); bad != nil {
		e.err = bad
		return false
	}
	e.tag("<", space, name)
	return true
}

func prefix(space string) string {
	if space == NamespaceCore {
		return "grd"
	}
	for _, s := range sharedSpaces {
		if s.uri == space {
			return s.prefix
		}
	}
	return "memo"
}

// within writes an element with what inner writes inside it.
func (e *encoder) within(space, name string, inner func()) {
	if !e.enter(space, name) {
		return
	}
	inner()
	e.leave(space, name)
}

func (e *encoder) block(name string, inner func()) { e.within(Namespace, name, inner) }

// value writes a required leaf.
func (e *encoder) value(name, s string) { e.leaf(Namespace, name, s) }

// maybe writes an optional leaf, unless it is empty.
func (e *encoder) maybe(name, s string) {
	if s != "" {
		e.leaf(Namespace, name, s)
	}
}

// flag writes a boolean that is true; false is the default of the schema.
// needed writes it in either case, as MeMo 1.1 wants some.
func (e *encoder) flag(name string, b, needed bool) {
	if !b && needed {
		e.value(name, "false")
	}
	if b {
		e.value(name, "true")
	}
}

func (e *encoder) leaf(space, name, s string) {
	e.within(space, name, func() {
		if bad := e.at.text(s); bad != nil && e.err == nil {
			e.err = bad
			return
		}
		if s == "" && e.err == nil { // the schema would let it pass; a person would not
			e.err = e.at.fail(CodeMissing, "a value is required")
			return
		}
		e.put(escaper.Replace(s))
	})
}

// escaper writes a carriage return as a reference, or every reader would turn
// it into a line feed (XML 1.0 section 2.11).
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")

// content streams the bytes of f through base64.
func (e *encoder) content(f File) {
	e.block("content", func() {
		if e.dry {
			e.skipped += b64.Size(f.Size)
		}
		if e.dry || e.err != nil {
			return
		}
		path := e.at.path()
		if f.Open == nil {
			e.err = &Invalid{Code: CodeMissing, Path: path, Note: "no content to read"}
			return
		}
		r, err := f.Open()
		if err != nil {
			e.err = fmt.Errorf("open content: %w", err)
			return
		}
		n, err := b64.Stream(e.w, r)
		if err := errors.Join(err, r.Close()); err != nil {
			e.err = fmt.Errorf("write content: %w", err)
			return
		}
		if n != f.Size {
			e.err = &Invalid{Code: CodeSize, Path: path, Note: "the content is not as long as announced"}
		}
	})
}
