package memo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits bounds what [Read] takes in. A zero field means the default.
type Limits struct {
	Bytes    int64 // of the whole message; 130 MB
	Elements int   // 20,000
	Text     int64 // bytes of one tag or one text outside content; 64 KiB
}

func (l Limits) filled() Limits {
	if l.Bytes == 0 {
		l.Bytes = 130_000_000 // 99.5 MB, were it measured before encoding
	}
	if l.Elements == 0 {
		l.Elements = 20_000
	}
	if l.Text == 0 {
		l.Text = 64 << 10
	}
	return l
}

// A Sink receives the content of each file as it is read: the document's kind,
// id and label and the file's headers are known by then. It may leave content
// unread, and may set f.Open.
type Sink func(d Document, f *File, content io.Reader) error

// Read reads one message and nothing after it. What breaks a rule is an
// [*Invalid]; any other error comes from r or from sink. A nil sink leaves the
// content aside, checked and counted.
func Read(r io.Reader, l Limits, sink Sink) (*Message, error) {
	l = l.filled()
	in := newInput(r, l)
	d := &decoder{in: in, xml: xml.NewDecoder(in), limits: l, sink: sink, m: &Message{}}
	d.xml.Strict = true
	d.at.line = func() int { return in.line }
	if err := d.run(); err != nil {
		return nil, d.explain(err)
	}
	return d.m, nil
}

type decoder struct {
	in       *input
	xml      *xml.Decoder
	at       walk
	limits   Limits
	elements int
	sink     Sink
	m        *Message
	text     strings.Builder // of the current leaf
	blocks   []*Block        // those that are open, the outermost first
}

// explain turns whatever ended the reading into what the caller may see.
func (d *decoder) explain(err error) error {
	if d.in.err != nil {
		return fmt.Errorf("read memo: %w", d.in.err)
	}
	var bad *Invalid
	if errors.As(err, &bad) {
		return bad
	}
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errTooMuch):
		return d.at.fail(CodeLimit, "too many bytes")
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return d.at.fail(CodeSyntax, "not well-formed") // the parser's own words may quote content
	case d.at.stack == nil && !d.at.done:
		return d.at.fail(CodeSyntax, "not well-formed, or not UTF-8")
	}
	return err
}

func (d *decoder) run() error {
	for {
		d.in.allow(d.limits.Text)
		token, err := d.xml.Token()
		if errors.Is(err, io.EOF) && d.at.done {
			return nil
		}
		if err != nil {
			return err
		}
		if err := d.token(token); err != nil {
			return err
		}
	}
}

func (d *decoder) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.Comment: // the official examples carry some
		return nil
	case xml.Directive:
		return d.at.fail(CodeForbidden, "DOCTYPE")
	case xml.ProcInst:
		if t.Target == "xml" && !d.at.done && d.at.stack == nil {
			return nil
		}
		return d.at.fail(CodeForbidden, "processing instruction")
	case xml.StartElement:
		return d.start(t)
	case xml.EndElement:
		return d.end()
	case xml.CharData:
		return d.chars(t)
	}
	return d.at.fail(CodeSyntax, "not well-formed")
}

func (d *decoder) chars(t xml.CharData) error {
	if len(d.at.stack) > 0 && d.at.top().el.text != none && d.at.top().el.text != base64Data {
		if int64(d.text.Len()+len(t)) > d.limits.Text {
			return d.at.fail(CodeLimit, "too much text")
		}
		d.text.Write(t)
		return nil
	}
	if strings.Trim(string(t), " \t\r\n\ufeff") != "" {
		return d.at.fail(CodeUnexpected, "text between elements")
	}
	return nil
}

func (d *decoder) start(t xml.StartElement) error {
	if d.elements++; d.elements > d.limits.Elements {
		return d.at.fail(CodeLimit, "too many elements")
	}
	if len(d.at.stack) == 0 {
		return d.root(t)
	}
	if d.at.top().el.text != none {
		return d.at.fail(CodeUnexpected, "an element inside a value")
	}
	el, bad := d.at.enter(t.Name.Space, t.Name.Local)
	if bad != nil {
		return bad
	}
	for _, a := range t.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			return d.at.fail(CodeForbidden, "an attribute has no place here")
		}
	}
	d.text.Reset()
	if el.text == base64Data {
		return d.content()
	}
	if el.text == none {
		d.open()
	}
	return nil
}

// root checks the message element and chooses the table by its version.
func (d *decoder) root(t xml.StartElement) error {
	if d.at.done || t.Name.Space != Namespace || t.Name.Local != "Message" {
		return d.at.fail(CodeUnexpected, "expected one Message of MeMo-1")
	}
	for _, a := range t.Attr {
		if a.Name.Space == "" && a.Name.Local == "memoVersion" {
			d.m.Version = strings.TrimSpace(a.Value)
		}
	}
	s, ok := schemas[d.m.Version]
	if !ok {
		d.m.Version = ""
		return d.at.fail(CodeVersion, "memoVersion is neither 1.1 nor 1.2")
	}
	d.at.root(s)
	return nil
}

func (d *decoder) end() error {
	t := d.at.top()
	if t.el.text != none && t.el.text != base64Data {
		s := d.text.String()
		if bad := d.at.text(s); bad != nil {
			return bad
		}
		d.assign(s)
	} else if len(d.blocks) > 0 {
		d.closeBlock()
	}
	if bad := d.at.leave(); bad != nil {
		return bad
	}
	return nil
}

// content hands the bytes between the tags to the sink. The parser stands
// right behind the start tag; it meets the end tag next.
func (d *decoder) content() error {
	doc := &d.m.Body.Documents[len(d.m.Body.Documents)-1]
	f := &doc.Files[len(doc.Files)-1]
	d.in.allow(d.limits.Bytes)
	raw := &rawContent{in: d.in}
	counted := &counter{r: &decoded{r: raw}}
	if d.sink != nil {
		if err := d.sink(*doc, f, counted); err != nil {
			if counted.err != nil {
				return d.badContent(counted.err)
			}
			return fmt.Errorf("store content: %w", err)
		}
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return d.badContent(err)
	}
	f.Size = counted.n
	return nil
}

func (d *decoder) badContent(err error) error {
	if errors.Is(err, errTooMuch) || d.in.err != nil {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return d.at.fail(CodeSyntax, "not well-formed")
	}
	return d.at.fail(CodeBase64, "content is not base64")
}

type counter struct {
	r   io.Reader
	n   int64
	err error // the first that is not EOF
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && c.err == nil {
		c.err = err
	}
	return n, err
}
