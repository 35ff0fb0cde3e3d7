package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"
)

// node is one JSON value with its place in the file.
type node struct {
	path    string
	line    int
	kind    byte // '{' '[' 's'tring 'n'umber 'b'ool '0' null
	text    string
	truth   bool
	members map[string]*node
	order   []string
	items   []*node
}

func (n *node) lines() map[string]int {
	out := map[string]int{n.path: n.line}
	for _, m := range n.members {
		for p, l := range m.lines() {
			out[p] = l
		}
	}
	for _, m := range n.items {
		for p, l := range m.lines() {
			out[p] = l
		}
	}
	return out
}

// parse reads exactly one JSON value. A key that comes twice is reported, as is
// anything after the value.
func parse(raw []byte, r *report) *node {
	p := &parser{raw: raw, dec: json.NewDecoder(bytes.NewReader(raw)), r: r}
	p.dec.UseNumber()
	root, err := p.value("")
	if err == nil {
		if _, e := p.dec.Token(); e == nil {
			err = errors.New("something follows after the end of the configuration")
		} else if !errors.Is(e, io.EOF) {
			err = e
		}
	}
	if err != nil {
		r.add("", p.line(), "not JSON: %v", readable(err))
		return &node{}
	}
	return root
}

func readable(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends too early")
	}
	return err
}

type parser struct {
	raw []byte
	dec *json.Decoder
	r   *report
}

func (p *parser) line() int { return 1 + bytes.Count(p.raw[:p.dec.InputOffset()], []byte("\n")) }

func (p *parser) value(path string) (*node, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{path: path, line: p.line()}
	switch t := tok.(type) {
	case string:
		n.kind, n.text = 's', t
	case json.Number:
		n.kind, n.text = 'n', t.String()
	case bool:
		n.kind, n.truth = 'b', t
	case nil:
		n.kind = '0'
	case json.Delim:
		n.kind = byte(t)
		if t == '{' {
			err = p.object(n)
		} else {
			err = p.array(n)
		}
	}
	return n, err
}

func (p *parser) object(n *node) error {
	n.members = map[string]*node{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return err
		}
		key, path := tok.(string), join(n.path, tok.(string))
		line := p.line()
		m, err := p.value(path)
		if err != nil {
			return err
		}
		if n.members[key] != nil {
			p.r.add(path, line, "given twice; first on line %d", n.members[key].line)
			continue
		}
		n.members[key] = m
		n.order = append(n.order, key)
	}
	_, err := p.dec.Token()
	return err
}

func (p *parser) array(n *node) error {
	for p.dec.More() {
		m, err := p.value(fmt.Sprintf("%s[%d]", n.path, len(n.items)))
		if err != nil {
			return err
		}
		n.items = append(n.items, m)
	}
	_, err := p.dec.Token()
	return err
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// decode fills *c from n. It accepts exactly the keys of the struct, in their
// exact spelling.
func decode(n *node, c any, dir string, r *report) {
	(&decoder{dir, r}).into(n, reflect.ValueOf(c).Elem(), "")
}

type decoder struct {
	dir string
	r   *report
}

var durationType = reflect.TypeFor[time.Duration]()

// into sets v from n; key is the name under which n stands, which tells file
// names from other strings.
func (d *decoder) into(n *node, v reflect.Value, key string) {
	if v.Type() == durationType {
		d.duration(n, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if d.want(n, '{', "an object {…}") {
			d.structure(n, v)
		}
	case reflect.Slice:
		if !d.want(n, '[', "a list […]") {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
		for i, item := range n.items {
			d.into(item, v.Index(i), key)
		}
	case reflect.Map:
		if !d.want(n, '{', "an object {…}") {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for _, k := range n.order {
			elem := reflect.New(v.Type().Elem()).Elem()
			d.into(n.members[k], elem, k)
			v.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), elem)
		}
	case reflect.String:
		if d.want(n, 's', "a text in quotes") {
			v.SetString(d.resolve(key, n.text))
		}
	case reflect.Bool:
		if d.want(n, 'b', "true or false") {
			v.SetBool(n.truth)
		}
	case reflect.Int, reflect.Int64:
		if !d.want(n, 'n', "a number") {
			return
		}
		i, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil {
			d.r.add(n.path, n.line, "want a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		if !d.want(n, 'n', "a number") {
			return
		}
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil {
			d.r.add(n.path, n.line, "want a number such as 14.50")
			return
		}
		v.SetFloat(f)
	default:
		panic("config: no rule for fields of type " + v.Type().String())
	}
}

func (d *decoder) want(n *node, kind byte, what string) bool {
	if n.kind != kind {
		d.r.add(n.path, n.line, "want %s", what)
	}
	return n.kind == kind
}

func (d *decoder) duration(n *node, v reflect.Value) {
	if !d.want(n, 's', `a duration such as "30s", "15m" or "2h"`) {
		return
	}
	t, err := time.ParseDuration(n.text)
	if err != nil || t < 0 {
		d.r.add(n.path, n.line, `want a duration such as "30s", "15m" or "2h"`)
		return
	}
	v.SetInt(int64(t))
}

func (d *decoder) structure(n *node, v reflect.Value) {
	fields := map[string]reflect.Value{}
	collect(v, fields)
	for _, k := range n.order {
		m := n.members[k]
		f, ok := fields[k]
		if !ok {
			d.r.add(m.path, m.line, "unknown key%s", hint(k, fields))
			continue
		}
		d.into(m, f, k)
	}
}

// collect lists the fields of v by their JSON names, embedded structs flattened.
// What is named "-" is no part of the file.
func collect(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			collect(v.Field(i), fields)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "-" {
			fields[name] = v.Field(i)
		}
	}
}

// hint names the key that was probably meant.
func hint(key string, fields map[string]reflect.Value) string {
	squash := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	var names []string
	for name := range fields {
		if squash(name) == squash(key) || strings.HasPrefix(name, key) || strings.HasPrefix(key, name) {
			names = append(names, strconv.Quote(name))
		}
	}
	sort.Strings(names)
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// resolve makes a name of a file or folder absolute.
func (d *decoder) resolve(key, text string) string {
	if text == "" || filepath.IsAbs(text) || !namesFile(key) {
		return text
	}
	return filepath.Join(d.dir, text)
}

func namesFile(key string) bool {
	switch key {
	case "blobs", "out", "events":
		return true
	}
	return strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_dir")
}
