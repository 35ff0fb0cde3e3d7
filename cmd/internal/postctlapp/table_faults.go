package postctlapp

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// lineFault is one fault at one line of the file.
type lineFault struct {
	Line    int    `json:"line"` // 0: the file as a whole
	Code    string `json:"code"`
	Message string `json:"message"`
	Cure    string `json:"cure"`
}

// faults are all faults of a table. A table may be wrong in each of 100,000 lines,
// mostly in the same way: of each only the line and the number of its words is kept.
type faults struct {
	list  []fault
	words []lineFault // without a line; hole stands for a number
	known map[lineFault]int32
}

// fault is one of them: 12 bytes.
type fault struct{ line, words, number int32 }

// hole stands in words for the number of a fault.
const hole = "\x00"

// add notes a fault of a line.
func (f *faults) add(line int, err error) { f.note(line, f.kind(err), 0) }

// note notes a fault of a kind; number takes the place of its hole.
func (f *faults) note(line int, kind int32, number int) {
	f.list = append(f.list, fault{int32(line), kind, int32(number)}) //nolint:gosec // a table has at most 128 MB
}

// kind returns the number of an error's words.
func (f *faults) kind(err error) int32 {
	fault := post.FaultInternal
	errors.As(err, &fault)
	l := lineFault{Code: fault.Code, Message: fault.English, Cure: fault.Cure}
	var at *post.Refusal
	if errors.As(err, &at) && at.Detail != "" {
		l.Message = strings.TrimSuffix(l.Message, ".") + " (" + at.Detail + ")."
	}
	return f.said(l)
}

// said returns the number of the words of l.
func (f *faults) said(l lineFault) int32 {
	n, ok := f.known[l]
	if !ok {
		if f.known == nil {
			f.known = map[lineFault]int32{}
		}
		n = int32(len(f.words)) //nolint:gosec // as above
		f.words = append(f.words, l)
		f.known[l] = n
	}
	return n
}

// all returns them in the order of their lines; those of one line in the order in
// which they were found.
func (f *faults) all() iter.Seq[lineFault] {
	slices.SortStableFunc(f.list, func(a, b fault) int { return int(a.line) - int(b.line) })
	return func(yield func(lineFault) bool) {
		for _, one := range f.list {
			l := f.words[one.words]
			l.Line = int(one.line)
			if one.number > 0 {
				l.Message = strings.Replace(l.Message, hole, strconv.Itoa(int(one.number)), 1)
			}
			if !yield(l) {
				return
			}
		}
	}
}

// wrong counts the lines that have faults; whole says that the file as a whole has.
func (f *faults) wrong() (lines int, whole bool) {
	last := -1
	for l := range f.all() {
		if l.Line != last {
			lines++
		}
		last, whole = l.Line, whole || l.Line == 0
	}
	return lines, whole
}

// print writes the faults, one a line, in the order of the file.
func (f *faults) print(w io.Writer) {
	for l := range f.all() {
		where := "file"
		if l.Line > 0 {
			where = fmt.Sprintf("line %d", l.Line)
		}
		fmt.Fprintf(w, "%s: %s %s  %s\n", where, l.Code, l.Message, l.Cure)
	}
}
