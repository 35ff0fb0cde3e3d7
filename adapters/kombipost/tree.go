package kombipost

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of what is read of KOMBIT's XML.
const (
	maxDepth    = 40
	maxElements = 5_000
)

var (
	errOtherDocument = errors.New("another document than expected")
	errForbiddenXML  = errors.New("DOCTYPE or processing instruction")
	errTooMuchXML    = errors.New("too deep or too many elements")
)

// node is one element. KOMBIT's schemas for these documents are not public, so
// they are read by local name, whatever the namespace and the prefix.
type node struct {
	name string
	own  strings.Builder // character data of this element
	kids []*node
}

// readTree reads one document that is already bounded in bytes. It refuses
// DOCTYPE, processing instructions, encodings other than UTF-8, and more than
// the limits above.
func readTree(text []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	var root *node
	var stack []*node
	elements := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil && len(stack) == 0 {
			return root, nil
		}
		if err != nil {
			return nil, errors.New("read XML: not well-formed") // the parser's words may quote content
		}
		switch e := token.(type) {
		case xml.Directive:
			return nil, fmt.Errorf("read XML: %w", errForbiddenXML)
		case xml.ProcInst:
			if e.Target != "xml" || root != nil {
				return nil, fmt.Errorf("read XML: %w", errForbiddenXML)
			}
		case xml.StartElement:
			if elements++; elements > maxElements || len(stack) == maxDepth || root != nil && len(stack) == 0 {
				return nil, fmt.Errorf("read XML: %w", errTooMuchXML)
			}
			n := &node{name: e.Name.Local}
			if root == nil {
				root = n
			} else {
				top := stack[len(stack)-1]
				top.kids = append(top.kids, n)
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].own.Write(e)
			}
		}
	}
}

// value is the text of n without the space around it.
func (n *node) value() string {
	if n == nil {
		return ""
	}
	return strings.TrimSpace(n.own.String())
}

// at follows a path of children's names from n, to the first of each, or nil.
func (n *node) at(path ...string) *node {
	for _, name := range path {
		n = n.child(name)
	}
	return n
}

func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// children are those of that name.
func (n *node) children(name string) []*node {
	var out []*node
	if n != nil {
		for _, k := range n.kids {
			if k.name == name {
				out = append(out, k)
			}
		}
	}
	return out
}

// text is the value at a path.
func (n *node) text(path ...string) string { return n.at(path...).value() }

// all returns every element of that name below n, n included.
func (n *node) all(name string) []*node {
	var out []*node
	if n.name == name {
		out = append(out, n)
	}
	for _, k := range n.kids {
		out = append(out, k.all(name)...)
	}
	return out
}
