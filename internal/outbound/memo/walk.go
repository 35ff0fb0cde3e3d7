package memo

import "strings"

// A walk follows a message through the table, whether it is being written or
// read: enter and leave each element, with the text of a leaf.
type walk struct {
	stack []step
	done  bool
	line  func() int // nil when writing
}

type step struct {
	el    *element
	place int // index of the particle that we stand in
	count int // how often it has occurred
}

func (w *walk) path() string {
	var b strings.Builder
	for _, s := range w.stack {
		b.WriteString("/" + s.el.name)
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func (w *walk) fail(code, note string) *Invalid {
	e := &Invalid{Code: code, Path: w.path(), Note: note}
	if w.line != nil {
		e.Line = w.line()
	}
	return e
}

// root enters the message itself.
func (w *walk) root(s *schema) { w.stack = append(w.stack, step{el: s.message}) }

func (w *walk) top() *step { return &w.stack[len(w.stack)-1] }

// enter moves into the child of that name, or says what should have come first.
func (w *walk) enter(space, name string) (*element, *Invalid) {
	t := w.top()
	for t.place < len(t.el.kids) {
		p := t.el.kids[t.place]
		for _, e := range p.els {
			if e.space != space || e.name != name {
				continue
			}
			if t.count == p.max {
				return nil, w.fail(CodeUnexpected, "too many of "+name)
			}
			t.count++
			w.stack = append(w.stack, step{el: e})
			return e, nil
		}
		if t.count < p.min {
			if !comesLater(t.el.kids[t.place:], space, name) {
				return nil, w.fail(CodeUnexpected, "expected "+p.els[0].name+", and met what has no place here")
			}
			return nil, w.fail(CodeMissing, "expected "+p.els[0].name)
		}
		t.place, t.count = t.place+1, 0
	}
	return nil, w.fail(CodeUnexpected, "an element has no place here, or stands too late")
}

func comesLater(kids []particle, space, name string) bool {
	for _, p := range kids {
		for _, e := range p.els {
			if e.space == space && e.name == name {
				return true
			}
		}
	}
	return false
}

// leave moves out of the current element once nothing required is missing.
func (w *walk) leave() *Invalid {
	t := w.top()
	for t.place < len(t.el.kids) {
		if p := t.el.kids[t.place]; t.count < p.min {
			return w.fail(CodeMissing, "expected "+p.els[0].name)
		}
		t.place, t.count = t.place+1, 0
	}
	w.stack = w.stack[:len(w.stack)-1]
	w.done = len(w.stack) == 0
	return nil
}

// text checks the text of the current element, which is a leaf.
func (w *walk) text(s string) *Invalid {
	if code, note := w.top().el.text.check(s); code != "" {
		return w.fail(code, note)
	}
	return nil
}
