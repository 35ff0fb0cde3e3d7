package memo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// MaxFaults is how many breaches [Faults] names before it gives up.
const MaxFaults = 100

// Faults reads one message to its end and returns every breach of the schema
// and of the business rules, in the order of the document, each with its line:
// what [Read] and [Message.CheckRules] refuse, and nothing else. Where reading
// cannot go on (not XML, a limit, [MaxFaults]) it ends with that breach. The
// error is r's own.
//
// After a breach it goes on as if the writer had meant what stands there: a
// missing element is taken as read, one that has no place is left aside with all
// that is in it.
func Faults(r io.Reader, l Limits) ([]*Invalid, error) {
	l = l.filled()
	in := newInput(r, l)
	c := &checker{in: in, xml: xml.NewDecoder(in), limits: l}
	c.xml.Strict = true
	c.at.line = func() int { return in.line }
	err := c.run()
	if in.err != nil {
		return nil, fmt.Errorf("check memo: %w", in.err)
	}
	if bad, ok := errors.AsType[*Invalid](err); ok {
		c.found = append(c.found, bad)
	}
	return c.found, nil
}

// checker walks like the decoder and goes on after a breach.
type checker struct {
	in       *input
	xml      *xml.Decoder
	at       walk
	limits   Limits
	elements int
	found    []*Invalid
	text     strings.Builder

	sms        bool
	notice     bool // a notification with a text
	body       bool
	additional int
}

// note keeps a breach; the one that is too many ends the reading.
func (c *checker) note(bad *Invalid) error {
	if bad == nil {
		return nil
	}
	if len(c.found) == MaxFaults {
		return c.at.fail(CodeLimit, "too many faults to name them all")
	}
	c.found = append(c.found, bad)
	return nil
}

func (c *checker) run() error {
	for {
		c.in.allow(c.limits.Text)
		token, err := c.xml.Token()
		if errors.Is(err, io.EOF) && c.at.done {
			return nil
		}
		if err == nil {
			err = c.token(token)
		}
		if err != nil {
			return c.fatal(err)
		}
	}
}

// fatal says why reading cannot go on.
func (c *checker) fatal(err error) error {
	if bad, ok := errors.AsType[*Invalid](err); ok {
		return bad
	}
	switch {
	case errors.Is(err, errTooMuch):
		return c.at.fail(CodeLimit, "too many bytes")
	case c.at.stack == nil && !c.at.done:
		return c.at.fail(CodeSyntax, "not well-formed, or not UTF-8")
	}
	return c.at.fail(CodeSyntax, "not well-formed")
}

func (c *checker) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.Directive:
		return c.at.fail(CodeForbidden, "DOCTYPE")
	case xml.ProcInst:
		if t.Target == "xml" && !c.at.done && c.at.stack == nil {
			return nil
		}
		return c.note(c.at.fail(CodeForbidden, "processing instruction"))
	case xml.StartElement:
		return c.start(t)
	case xml.EndElement:
		return c.end()
	case xml.CharData:
		return c.chars(t)
	}
	return nil
}

func (c *checker) chars(t xml.CharData) error {
	if len(c.at.stack) > 0 && c.at.top().el.text != none && c.at.top().el.text != base64Data {
		if int64(c.text.Len()+len(t)) > c.limits.Text {
			return c.at.fail(CodeLimit, "too much text")
		}
		c.text.Write(t)
		return nil
	}
	if strings.Trim(string(t), " \t\r\n\ufeff") != "" {
		return c.note(c.at.fail(CodeUnexpected, "text between elements"))
	}
	return nil
}

func (c *checker) start(t xml.StartElement) error {
	if c.elements++; c.elements > c.limits.Elements {
		return c.at.fail(CodeLimit, "too many elements")
	}
	if len(c.at.stack) == 0 {
		return c.root(t)
	}
	if c.at.top().el.text != none {
		return errors.Join(c.note(c.at.fail(CodeUnexpected, "an element inside a value")), c.skip())
	}
	el, err := c.enter(t.Name)
	if el == nil || err != nil {
		return err
	}
	for _, a := range t.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			if err := c.note(c.at.fail(CodeForbidden, "an attribute has no place here")); err != nil {
				return err
			}
			break
		}
	}
	c.text.Reset()
	if el.text == base64Data {
		return c.content()
	}
	return c.arrived(el.name)
}

// root chooses the table; a message of no known version is held to 1.2.
func (c *checker) root(t xml.StartElement) error {
	if c.at.done || t.Name.Space != Namespace || t.Name.Local != "Message" {
		return c.at.fail(CodeUnexpected, "expected one Message of MeMo-1")
	}
	version := ""
	for _, a := range t.Attr {
		if a.Name.Space == "" && a.Name.Local == "memoVersion" {
			version = strings.TrimSpace(a.Value)
		}
	}
	s, ok := schemas[version]
	if !ok {
		if err := c.note(c.at.fail(CodeVersion, "memoVersion is neither 1.1 nor 1.2")); err != nil {
			return err
		}
		s = schemas[Version]
	}
	c.at.root(s)
	return nil
}

// enter moves into a child, past whatever is missing before it. It answers nil
// for an element that has no place and was left aside.
func (c *checker) enter(name xml.Name) (*element, error) {
	for {
		t := c.at.top()
		place, count := t.place, t.count
		el, bad := c.at.enter(name.Space, name.Local)
		if bad == nil {
			return el, nil
		}
		if bad.Code != CodeMissing {
			// The walk may have moved past what can still come.
			t.place, t.count = place, count
			if err := c.note(bad); err != nil {
				return nil, err
			}
			return nil, c.skip()
		}
		if err := c.note(bad); err != nil {
			return nil, err
		}
		t.count = t.el.kids[t.place].min // as if it stood there
	}
}

// skip leaves aside the element that was just opened, content and all.
func (c *checker) skip() error {
	for depth := 1; depth > 0; {
		c.in.allow(c.limits.Bytes)
		token, err := c.xml.Token()
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			if c.elements++; c.elements > c.limits.Elements {
				return c.at.fail(CodeLimit, "too many elements")
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return c.at.fail(CodeForbidden, "DOCTYPE")
		}
	}
	return nil
}

func (c *checker) end() error {
	t := c.at.top()
	if t.el.text != none && t.el.text != base64Data {
		s := c.text.String()
		if bad := c.at.text(s); bad != nil {
			if err := c.note(bad); err != nil {
				return err
			}
		} else if err := c.ruleOf(s); err != nil {
			return err
		}
	}
	for {
		bad := c.at.leave()
		if bad == nil {
			break
		}
		if err := c.note(bad); err != nil {
			return err
		}
		t.count = t.el.kids[t.place].min
	}
	if c.at.done {
		return c.whole()
	}
	return nil
}

// content holds a file to base64 and to having bytes.
func (c *checker) content() error {
	c.in.allow(c.limits.Bytes)
	raw := &rawContent{in: c.in}
	n, err := io.Copy(io.Discard, &decoded{r: raw})
	if err == nil && n == 0 {
		return c.note(c.at.fail(CodeEmptyFile, "a file without bytes"))
	}
	if err == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, raw); err != nil { // on to the end tag
		return err
	}
	return c.note(c.at.fail(CodeBase64, "content is not base64"))
}

// arrived counts what the business rules count.
func (c *checker) arrived(name string) error {
	switch name {
	case "MessageBody":
		c.body = true
	case string(Additional):
		if c.additional++; c.additional == post.MaxAdditionalDocuments+1 {
			return c.note(c.at.fail(CodeDocuments, "at most 10 additional documents"))
		}
	}
	return nil
}

// ruleOf holds the text of the current leaf to the business rules.
func (c *checker) ruleOf(s string) error {
	stack := c.at.stack
	if len(stack) < 2 {
		return nil
	}
	switch stack[len(stack)-2].el.name + "/" + stack[len(stack)-1].el.name {
	case "MessageHeader/messageType":
		c.sms = s == NemSMS
	case "MessageHeader/notification":
		c.notice = s != ""
	case "File/filename":
		if !ValidFilename(s) {
			return c.note(c.at.fail(CodeFilename, "a character that Digital Post refuses"))
		}
	case "EntryPoint/url":
		if s != "" && !validURL(s) {
			return c.note(c.at.fail(CodeURL, "expected an absolute https address"))
		}
	}
	return nil
}

// whole holds the message to the rules that need all of it.
func (c *checker) whole() error {
	bad := func(code, path, note string) error {
		return c.note(&Invalid{Code: code, Path: "/Message" + path, Line: c.in.line, Note: note})
	}
	switch {
	case c.sms && c.body:
		if err := bad(CodeUnexpected, "/MessageBody", "a NemSMS has no body"); err != nil || c.notice {
			return err
		}
		fallthrough
	case c.sms && !c.notice:
		return bad(CodeMissing, "/MessageHeader/notification", "a NemSMS without text")
	case !c.sms && !c.body:
		return bad(CodeMissing, "/MessageBody", "only a NemSMS has no body")
	}
	return nil
}
