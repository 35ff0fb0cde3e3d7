package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
)

// ErrTwice says that an object of JSON names a member twice.
var ErrTwice = errors.New("an object names a member twice")

// Once refuses JSON in which an object names a member twice, in whatever case
// ([ErrTwice]), and what is no JSON. Encoding/json puts the two together member by
// member: of a recipient told twice it makes the number of one person with the name
// and the address of another. The error quotes nothing.
func Once(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	type level struct {
		names map[string]bool // nil: a list
		value bool            // a name was read; its value is next
	}
	var open []level
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return nil
		}
		if err != nil {
			return errors.New("not JSON") // the cause could quote it
		}
		if d, ok := t.(json.Delim); ok && (d == '}' || d == ']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && open[n-1].names != nil {
			at := &open[n-1]
			if at.value = !at.value; at.value {
				name := fold(t.(string)) //nolint:forcetypeassert // json.Decoder promises it
				if at.names[name] {
					return ErrTwice
				}
				at.names[name] = true
				continue
			}
		}
		switch t {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		}
	}
}

// fold writes names alike that encoding/json takes for one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
