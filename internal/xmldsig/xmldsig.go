// Package xmldsig parses foreign XML within bounds, and signs and verifies
// enveloped XML signatures (XML-DSig, exclusive canonicalization). It is the
// only door to goxmldsig, of which it uses the canonicalizer alone.
//
// [Parse] refuses what a signed message never needs: DOCTYPE, comments,
// processing instructions, CDATA, a second root, text outside the root, any
// encoding but UTF-8, relative namespaces, repeated IDs, and documents beyond
// the caller's [Limits]; each token is checked before it enters the tree. [Verify] refuses
// every algorithm, transform and shape that is not on its list, takes the key
// only from the certificates it is given, and returns the element that was
// digested, parsed anew from the digested bytes: read nothing else. [Sign]
// refuses a tree that would not verify once written and read again.
//
// ECDSA values are r‖s (RFC 4050, XML-DSig 1.1 section 6.4.3), never DER.
//
// On failure each function answers an [*Error] with a stable reason code and
// none of the document's content; it never panics on foreign bytes.
package xmldsig

import (
	"bytes"
	"errors"
	"slices"

	"github.com/beevik/etree"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// Namespaces.
const (
	NamespaceDSig = "http://www.w3.org/2000/09/xmldsig#"
	namespaceXML  = "http://www.w3.org/XML/1998/namespace"
	namespaceEC   = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// Algorithms that [Sign] writes.
const (
	RSASHA256   = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	ECDSASHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	SHA256      = "http://www.w3.org/2001/04/xmlenc#sha256"

	excC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
)

// Error is a refusal. Its text holds the reason and nothing of the document.
type Error struct{ Reason string }

// Error implements error.
func (e *Error) Error() string { return "xml refused: " + e.Reason }

func refuse(reason string) error { return &Error{reason} }

// off names checks that do not stand, by their reason. It is nil in every
// program: only a test sets it, to prove that an attack gets in when one check
// is missing, and so that the check is needed.
var off func(reason string) bool

// on reports whether the check of a reason stands.
func on(reason string) bool { return off == nil || !off(reason) }

// Reason returns the reason code in err, or "" when err is no refusal of this
// package.
func Reason(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// Canonical returns el in exclusive canonical form without comments, in the
// namespace context of its ancestors. It leaves el as it is.
func Canonical(el *etree.Element) ([]byte, error) { return canonical(el, nil, "") }

// canonical works on a copy of el without skip, a child of el, and keeps the
// namespaces of prefixes (an InclusiveNamespaces list) as if they were used.
func canonical(el, skip *etree.Element, prefixes string) ([]byte, error) {
	c := copyWithout(el, skip)
	declared := map[string]bool{}
	for _, a := range c.Attr {
		if name, ok := declares(a); ok {
			declared[name] = true
		}
	}
	for p := el.Parent(); p != nil; p = p.Parent() {
		for _, a := range p.Attr {
			if name, ok := declares(a); ok && !declared[name] {
				declared[name] = true
				c.Attr = append(c.Attr, etree.Attr{Space: a.Space, Key: a.Key, Value: a.Value})
			}
		}
	}
	// These are the two halves of the library's canonicalizer, which would copy
	// c once more in between.
	if err := etreeutils.TransformExcC14n(c, prefixes, false); err != nil {
		return nil, refuse("c14n")
	}
	var out bytes.Buffer
	out.Grow(4 << 10)
	c.WriteTo(&out, &etree.WriteSettings{CanonicalAttrVal: true, CanonicalEndTags: true, CanonicalText: true})
	return out.Bytes(), nil
}

// copyWithout returns a copy of el, with no parent and without the child skip.
// A signed element holds elements and text alone, see onlyElements.
func copyWithout(el, skip *etree.Element) *etree.Element {
	if skip == nil {
		return el.Copy()
	}
	c := &etree.Element{Space: el.Space, Tag: el.Tag, Attr: slices.Clone(el.Attr), Child: make([]etree.Token, 0, len(el.Child))}
	for _, t := range el.Child {
		switch t := t.(type) {
		case *etree.Element:
			if t != skip {
				c.AddChild(t.Copy())
			}
		case *etree.CharData:
			c.CreateText(t.Data)
		}
	}
	return c
}

// declares returns the prefix that a declares ("" for the default namespace).
func declares(a etree.Attr) (prefix string, ok bool) {
	switch {
	case a.Space == "xmlns":
		return a.Key, true
	case a.Space == "" && a.Key == "xmlns":
		return "", true
	}
	return "", false
}

// Is reports whether el has the name tag in the namespace ns.
func Is(el *etree.Element, ns, tag string) bool {
	return el != nil && el.Tag == tag && el.NamespaceURI() == ns
}

// Attr returns the value of el's attribute without namespace, and whether there
// is one. (etree's own look-up would match any prefix.)
func Attr(el *etree.Element, name string) (string, bool) {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value, true
		}
	}
	return "", false
}

// Text returns the text of an element that has text and nothing else in it.
func Text(el *etree.Element) (string, bool) {
	var s string
	for _, t := range el.Child {
		c, ok := t.(*etree.CharData)
		if !ok {
			return "", false
		}
		s += c.Data
	}
	return s, true
}
