package xmldsig

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Limits bound a document. A field left 0 takes the value of [Strict].
type Limits struct {
	Bytes      int
	Elements   int // in the whole document
	Depth      int // of nested elements
	Attributes int // per element, namespace declarations included
	Namespaces int // declarations in the whole document
}

// Strict is enough for any genuine SAML message and far below what costs time.
var Strict = Limits{Bytes: 128 << 10, Elements: 800, Depth: 32, Attributes: 64, Namespaces: 64}

func (l Limits) orStrict() Limits {
	for _, f := range []struct {
		have *int
		def  int
	}{
		{&l.Bytes, Strict.Bytes}, {&l.Elements, Strict.Elements}, {&l.Depth, Strict.Depth},
		{&l.Attributes, Strict.Attributes}, {&l.Namespaces, Strict.Namespaces},
	} {
		if *f.have == 0 {
			*f.have = f.def
		}
	}
	return l
}

// Parse reads one document within l. The tree holds elements and text only.
func Parse(data []byte, l Limits) (*etree.Document, error) {
	l = l.orStrict()
	if len(data) > l.Bytes {
		return nil, refuse("xml-size")
	}
	if len(data) == 0 {
		return nil, refuse("xml-empty")
	}
	if !utf8.Valid(data) || bytes.HasPrefix(data, []byte("\ufeff")) {
		return nil, refuse("xml-encoding")
	}
	// An unescaped "<" stands for markup everywhere in well-formed XML, so this
	// finds CDATA sections and nothing else.
	if bytes.Contains(data, []byte("<![CDATA[")) {
		return nil, refuse("xml-cdata")
	}
	s := scanner{limits: l, ids: map[string]bool{}}
	if err := s.scan(data); err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(data); err != nil || doc.Root() == nil {
		return nil, refuse("xml-syntax")
	}
	return doc, nil
}

// scanner walks the tokens once, before any tree is built.
type scanner struct {
	limits     Limits
	elements   int
	namespaces int
	ids        map[string]bool
	open       []scope
	rootClosed bool
}

// scope is one open element and the prefixes it declares.
type scope struct {
	name     xml.Name
	prefixes map[string]string
}

func (s *scanner) scan(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, refuse("xml-encoding") }
	for {
		at := d.InputOffset()
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if Reason(err) != "" {
			return err
		}
		if err != nil {
			return refuse("xml-syntax")
		}
		if err := s.token(t, at); err != nil {
			return err
		}
	}
	if !s.rootClosed || len(s.open) > 0 {
		return refuse("xml-syntax")
	}
	return nil
}

func (s *scanner) token(t xml.Token, at int64) error {
	switch t := t.(type) {
	case xml.StartElement:
		return s.start(t)
	case xml.EndElement:
		if len(s.open) == 0 || s.open[len(s.open)-1].name != t.Name {
			return refuse("xml-syntax")
		}
		s.open = s.open[:len(s.open)-1]
		s.rootClosed = len(s.open) == 0
	case xml.CharData:
		if len(s.open) == 0 && len(bytes.Trim(t, " \t\r\n")) > 0 {
			return refuse("xml-text-outside-root")
		}
	case xml.Comment:
		return refuse("xml-comment")
	case xml.Directive:
		return refuse("xml-doctype")
	case xml.ProcInst:
		if t.Target != "xml" || at != 0 {
			return refuse("xml-pi")
		}
		return declaration(string(t.Inst))
	}
	return nil
}

// declaration accepts version 1.0 and no encoding but UTF-8.
func declaration(inst string) error {
	f := strings.Fields(strings.ReplaceAll(inst, "'", `"`))
	if len(f) == 0 || f[0] != `version="1.0"` {
		return refuse("xml-declaration")
	}
	for _, a := range f[1:] {
		if !strings.EqualFold(a, `encoding="utf-8"`) && !strings.HasPrefix(a, `standalone="`) {
			return refuse("xml-encoding")
		}
	}
	return nil
}

func (s *scanner) start(t xml.StartElement) error {
	switch {
	case s.rootClosed:
		return refuse("xml-second-root")
	case len(s.open) >= s.limits.Depth:
		return refuse("xml-depth")
	case s.elements >= s.limits.Elements:
		return refuse("xml-elements")
	case len(t.Attr) > s.limits.Attributes:
		return refuse("xml-attributes")
	}
	s.elements++
	here := scope{name: xml.Name{Space: t.Name.Space, Local: t.Name.Local}}
	for _, a := range t.Attr {
		if err := s.declare(&here, a); err != nil {
			return err
		}
	}
	s.open = append(s.open, here)
	uri, ok := s.lookup(t.Name.Space)
	if !ok || strings.Contains(t.Name.Local, ":") {
		return refuse("xml-prefix")
	}
	if uri == "http://www.w3.org/2001/XInclude" {
		return refuse("xml-xinclude")
	}
	return s.attributes(t.Attr)
}

func (s *scanner) declare(here *scope, a xml.Attr) error {
	prefix, ok := declares(etree.Attr{Space: a.Name.Space, Key: a.Name.Local})
	if !ok {
		return nil
	}
	if s.namespaces++; s.namespaces > s.limits.Namespaces {
		return refuse("xml-namespaces")
	}
	if prefix == "xml" || prefix == "xmlns" || a.Value == namespaceXML {
		return refuse("xml-namespace-reserved")
	}
	// A relative or empty namespace name canonicalizes to nothing in some
	// implementations, and then everything has the same digest.
	if u, err := url.Parse(a.Value); err != nil || !u.IsAbs() {
		return refuse("xml-namespace-relative")
	}
	if here.prefixes == nil {
		here.prefixes = map[string]string{}
	}
	if _, twice := here.prefixes[prefix]; twice {
		return refuse("xml-attribute-twice")
	}
	here.prefixes[prefix] = a.Value
	return nil
}

func (s *scanner) lookup(prefix string) (string, bool) {
	if prefix == "xml" {
		return namespaceXML, true
	}
	for i := len(s.open) - 1; i >= 0; i-- {
		if uri, ok := s.open[i].prefixes[prefix]; ok {
			return uri, true
		}
	}
	return "", prefix == ""
}

func (s *scanner) attributes(attrs []xml.Attr) error {
	seen := map[xml.Name]bool{}
	identified := false
	for _, a := range attrs {
		if _, ok := declares(etree.Attr{Space: a.Name.Space, Key: a.Name.Local}); ok {
			continue
		}
		name := xml.Name{Local: a.Name.Local}
		if a.Name.Space != "" {
			uri, ok := s.lookup(a.Name.Space)
			if !ok {
				return refuse("xml-prefix")
			}
			name.Space = uri
		}
		if strings.Contains(a.Name.Local, ":") {
			return refuse("xml-prefix")
		}
		if seen[name] {
			return refuse("xml-attribute-twice")
		}
		seen[name] = true
		if name.Space == namespaceXML && name.Local == "base" {
			return refuse("xml-base")
		}
		if !strings.EqualFold(name.Local, "id") {
			continue
		}
		if name.Space != "" || identified || a.Value == "" || s.ids[a.Value] {
			return refuse("xml-id")
		}
		identified = true
		s.ids[a.Value] = true
	}
	return nil
}
