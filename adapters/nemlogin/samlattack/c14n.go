package samlattack

import (
	"maps"
	"slices"
	"strings"

	"github.com/beevik/etree"
)

const nsXML = "http://www.w3.org/XML/1998/namespace"

// Canonicalization algorithms.
const (
	excC14N         = "http://www.w3.org/2001/10/xml-exc-c14n#"
	excC14NComments = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"
	incC14N         = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
)

// form says how to write canonical XML.
type form struct {
	inclusive bool           // every namespace in scope, not only those used
	comments  bool           // comments too
	skip      *etree.Element // left out (the enveloped signature)
}

// canonical writes el in canonical form (C14N 1.0 or exclusive C14N 1.0).
func canonical(el *etree.Element, f form) []byte {
	var b strings.Builder
	f.element(&b, el, map[string]string{})
	return []byte(b.String())
}

func (f form) element(b *strings.Builder, el *etree.Element, rendered map[string]string) {
	scope := inScope(el)
	used := map[string]bool{el.Space: true}
	var attrs []etree.Attr
	for _, a := range el.Attr {
		if _, ok := declaration(a); ok {
			continue
		}
		attrs = append(attrs, a)
		if a.Space != "" {
			used[a.Space] = true
		}
	}
	if f.inclusive {
		for p := range scope {
			used[p] = true
		}
	}
	rendered = maps.Clone(rendered)
	b.WriteString("<" + name(el.Space, el.Tag))
	for _, p := range slices.Sorted(maps.Keys(used)) {
		uri := scope[p]
		if p == "xml" || rendered[p] == uri {
			continue
		}
		rendered[p] = uri
		if p == "" {
			b.WriteString(` xmlns="`)
		} else {
			b.WriteString(" xmlns:" + p + `="`)
		}
		b.WriteString(attrText.Replace(uri) + `"`)
	}
	slices.SortFunc(attrs, func(x, y etree.Attr) int {
		if c := strings.Compare(space(scope, x), space(scope, y)); c != 0 {
			return c
		}
		return strings.Compare(x.Key, y.Key)
	})
	for _, a := range attrs {
		b.WriteString(" " + name(a.Space, a.Key) + `="` + attrText.Replace(a.Value) + `"`)
	}
	b.WriteString(">")
	for _, t := range el.Child {
		switch t := t.(type) {
		case *etree.Element:
			if t != f.skip {
				f.element(b, t, rendered)
			}
		case *etree.CharData:
			b.WriteString(bodyText.Replace(t.Data))
		case *etree.Comment:
			if f.comments {
				b.WriteString("<!--" + t.Data + "-->")
			}
		case *etree.ProcInst:
			b.WriteString("<?" + strings.TrimSpace(t.Target+" "+t.Inst) + "?>")
		}
	}
	b.WriteString("</" + name(el.Space, el.Tag) + ">")
}

var (
	bodyText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	attrText = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

// inScope returns the namespace of each prefix that holds at el.
func inScope(el *etree.Element) map[string]string {
	scope := map[string]string{"xml": nsXML}
	for e := el; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			p, ok := declaration(a)
			if _, nearer := scope[p]; ok && !nearer {
				scope[p] = a.Value
			}
		}
	}
	return scope
}

// declaration returns the prefix that a declares.
func declaration(a etree.Attr) (prefix string, ok bool) {
	switch {
	case a.Space == "xmlns":
		return a.Key, true
	case a.Space == "" && a.Key == "xmlns":
		return "", true
	}
	return "", false
}

func space(scope map[string]string, a etree.Attr) string {
	if a.Space == "" {
		return ""
	}
	return scope[a.Space]
}

func name(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}
