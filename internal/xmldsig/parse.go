package xmldsig

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
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

// unbounded is for bytes that we wrote ourselves from a bounded tree:
// canonical form may repeat a declaration on each sibling.
var unbounded = Limits{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}

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
	if len(data) > l.Bytes && on("xml-size") {
		return nil, refuse("xml-size")
	}
	if len(data) == 0 {
		return nil, refuse("xml-empty")
	}
	if (!utf8.Valid(data) || bytes.HasPrefix(data, []byte("\ufeff"))) && on("xml-encoding") {
		return nil, refuse("xml-encoding")
	}
	// An unescaped "<" stands for markup everywhere in well-formed XML, so this
	// finds CDATA sections and nothing else.
	if bytes.Contains(data, []byte("<![CDATA[")) && on("xml-cdata") {
		return nil, refuse("xml-cdata")
	}
	doc := etree.NewDocument()
	s := scanner{limits: l, ids: map[string]bool{}, seen: map[xml.Name]bool{}, top: &doc.Element}
	if err := s.scan(data); err != nil {
		return nil, err
	}
	return doc, nil
}

// scanner walks the tokens once. What it accepted enters the tree at once, so
// that there is no second reader who could understand the bytes otherwise.
type scanner struct {
	limits     Limits
	elements   int
	namespaces int
	ids        map[string]bool
	seen       map[xml.Name]bool // attributes of one element; emptied for each
	open       []scope
	bound      []binding // of the open elements, innermost last
	top        *etree.Element
	rootClosed bool
}

// scope is one open element; its own declarations stand in bound from index on.
type scope struct {
	name  xml.Name
	bound int
}

// binding is one namespace declaration.
type binding struct{ prefix, uri string }

func (s *scanner) scan(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) {
		if on("xml-encoding") {
			return nil, refuse("xml-encoding")
		}
		return r, nil
	}
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
	if (!s.rootClosed || len(s.open) > 0) && on("xml-unclosed") || s.elements == 0 {
		return refuse("xml-syntax")
	}
	return nil
}

func (s *scanner) token(t xml.Token, at int64) error {
	switch t := t.(type) {
	case xml.StartElement:
		return s.start(t)
	case xml.EndElement:
		if len(s.open) == 0 || s.open[len(s.open)-1].name != t.Name && on("xml-crossed") {
			return refuse("xml-syntax")
		}
		s.bound = s.bound[:s.open[len(s.open)-1].bound]
		s.open = s.open[:len(s.open)-1]
		s.rootClosed = len(s.open) == 0
		s.top = s.top.Parent()
	case xml.CharData:
		if len(s.open) == 0 && len(bytes.Trim(t, " \t\r\n")) > 0 && on("xml-text-outside-root") {
			return refuse("xml-text-outside-root")
		}
		s.top.CreateText("").SetData(string(t))
	case xml.Comment:
		if on("xml-comment") {
			return refuse("xml-comment")
		}
	case xml.Directive:
		if on("xml-doctype") {
			return refuse("xml-doctype")
		}
	case xml.ProcInst:
		if t.Target != "xml" || at != 0 {
			if on("xml-pi") {
				return refuse("xml-pi")
			}
			return nil
		}
		s.top.CreateProcInst(t.Target, string(t.Inst))
		return declaration(string(t.Inst))
	}
	return nil
}

// declaration accepts version 1.0 and no encoding but UTF-8.
func declaration(inst string) error {
	f := strings.Fields(strings.ReplaceAll(inst, "'", `"`))
	if (len(f) == 0 || f[0] != `version="1.0"`) && on("xml-declaration") {
		return refuse("xml-declaration")
	}
	for _, a := range f[min(1, len(f)):] {
		if !strings.EqualFold(a, `encoding="utf-8"`) && !strings.HasPrefix(a, `standalone="`) && on("xml-encoding") {
			return refuse("xml-encoding")
		}
	}
	return nil
}

func (s *scanner) start(t xml.StartElement) error {
	switch {
	case s.rootClosed && on("xml-second-root"):
		return refuse("xml-second-root")
	case len(s.open) >= s.limits.Depth && on("xml-depth"):
		return refuse("xml-depth")
	case s.elements >= s.limits.Elements && on("xml-elements"):
		return refuse("xml-elements")
	case len(t.Attr) > s.limits.Attributes && on("xml-attributes"):
		return refuse("xml-attributes")
	}
	s.elements++
	s.open = append(s.open, scope{t.Name, len(s.bound)})
	for _, a := range t.Attr {
		if err := s.declare(a); err != nil {
			return err
		}
	}
	uri, ok := s.lookup(t.Name.Space)
	if (!ok || strings.Contains(t.Name.Local, ":")) && on("xml-prefix") {
		return refuse("xml-prefix")
	}
	if uri == "http://www.w3.org/2001/XInclude" && on("xml-xinclude") {
		return refuse("xml-xinclude")
	}
	if err := s.attributes(t.Attr); err != nil {
		return err
	}
	s.grow(t)
	return nil
}

// grow puts an accepted element into the tree.
func (s *scanner) grow(t xml.StartElement) {
	s.top = s.top.CreateElement(t.Name.Local)
	s.top.Space = t.Name.Space
	s.top.Attr = make([]etree.Attr, 0, len(t.Attr))
	for _, a := range t.Attr {
		key := a.Name.Local
		if a.Name.Space != "" {
			key = a.Name.Space + ":" + key
		}
		s.top.CreateAttr(key, a.Value)
	}
}

func (s *scanner) declare(a xml.Attr) error {
	prefix, ok := declares(etree.Attr{Space: a.Name.Space, Key: a.Name.Local})
	if !ok {
		return nil
	}
	if s.namespaces++; s.namespaces > s.limits.Namespaces && on("xml-namespaces") {
		return refuse("xml-namespaces")
	}
	if (prefix == "xml" || prefix == "xmlns" || a.Value == namespaceXML) && on("xml-namespace-reserved") {
		return refuse("xml-namespace-reserved")
	}
	// A relative or empty namespace name canonicalizes to nothing in some
	// implementations, and then everything has the same digest.
	if u, err := url.Parse(a.Value); (err != nil || !u.IsAbs()) && on("xml-namespace-relative") {
		return refuse("xml-namespace-relative")
	}
	for _, b := range s.bound[s.open[len(s.open)-1].bound:] {
		if b.prefix == prefix && on("xml-attribute-twice") {
			return refuse("xml-attribute-twice")
		}
	}
	s.bound = append(s.bound, binding{prefix, a.Value})
	return nil
}

func (s *scanner) lookup(prefix string) (string, bool) {
	if prefix == "xml" {
		return namespaceXML, true
	}
	for i := len(s.bound) - 1; i >= 0; i-- {
		if s.bound[i].prefix == prefix {
			return s.bound[i].uri, true
		}
	}
	return "", prefix == ""
}

func (s *scanner) attributes(attrs []xml.Attr) error {
	clear(s.seen)
	identified := false
	for _, a := range attrs {
		if _, ok := declares(etree.Attr{Space: a.Name.Space, Key: a.Name.Local}); ok {
			continue
		}
		name := xml.Name{Local: a.Name.Local}
		if a.Name.Space != "" {
			uri, ok := s.lookup(a.Name.Space)
			if !ok && on("xml-prefix") {
				return refuse("xml-prefix")
			}
			name.Space = uri
		}
		// A namespaced "xmlns" declares nothing, and some readers think it does.
		if (strings.Contains(a.Name.Local, ":") || name.Local == "xmlns") && on("xml-prefix") {
			return refuse("xml-prefix")
		}
		if s.seen[name] && on("xml-attribute-twice") {
			return refuse("xml-attribute-twice")
		}
		s.seen[name] = true
		if name.Space == namespaceXML && name.Local == "base" && on("xml-base") {
			return refuse("xml-base")
		}
		if !strings.EqualFold(name.Local, "id") {
			continue
		}
		if (name.Space != "" || identified || a.Value == "" || s.ids[a.Value]) && on("xml-id") {
			return refuse("xml-id")
		}
		identified = true
		s.ids[a.Value] = true
	}
	return nil
}
