package postctlapp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

// Answers that are as long as a batch are written while they are made.

// printLong prints an object one member of which, name, is a list that is never in
// memory as a whole: each gives its elements one by one. For people plain writes
// the rest and the list. What was written when each fails is cut off, and no JSON.
func (r *run) printLong(object any, name string, each func(emit func(any) error) error, plain func(w io.Writer) error) error {
	if !r.JSON {
		return r.plainly(plain)
	}
	w := bufio.NewWriterSize(r.Stdout, 64<<10)
	b, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &members); err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	members["v"], members[name] = json.RawMessage("1"), nil
	begin := "{"
	for _, key := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(w, "%s%q:", begin, key)
		begin = ","
		if key != name {
			w.Write(members[key]) //nolint:errcheck // Flush says so
			continue
		}
		if err := list(w, each); err != nil {
			w.Flush() //nolint:errcheck // the failure before matters more
			return err
		}
	}
	w.WriteString("}\n") //nolint:errcheck // Flush says so
	return w.Flush()
}

// plainly writes what is long for people.
func (r *run) plainly(plain func(w io.Writer) error) error {
	w := bufio.NewWriterSize(r.Stdout, 64<<10)
	err := plain(w)
	if failed := w.Flush(); err == nil {
		err = failed
	}
	return err
}

// list writes a list as JSON.
func list(w io.Writer, each func(emit func(any) error) error) error {
	begin := "["
	err := each(func(v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode result: %w", err)
		}
		_, err = fmt.Fprintf(w, "%s%s", begin, b)
		begin = ","
		return err
	})
	if begin == "[" {
		begin = "[]"
	} else {
		begin = "]"
	}
	io.WriteString(w, begin) //nolint:errcheck // w is flushed by the caller
	return err
}

// layout writes a table as [ctl.Table] does, when its rows are not all there at
// one time: each is seen first, and written in a second round. A row that grew in
// between shifts what follows in it.
type layout struct {
	heads []string
	width []int
}

func newLayout(heads ...string) *layout {
	c := &layout{heads: heads, width: make([]int, len(heads))}
	c.see(heads)
	return c
}

// see makes room for a row.
func (c *layout) see(row []string) {
	for i, s := range row {
		c.width[i] = max(c.width[i], utf8.RuneCountInString(ctl.Line(s)))
	}
}

// write writes a row; the first is c.heads.
func (c *layout) write(w io.Writer, row []string) error {
	var line strings.Builder
	for i, s := range row {
		s = ctl.Line(s)
		line.WriteString(s)
		if i < len(row)-1 {
			line.WriteString(strings.Repeat(" ", max(0, c.width[i]-utf8.RuneCountInString(s))+2))
		}
	}
	line.WriteByte('\n')
	_, err := io.WriteString(w, line.String())
	return err
}

// patience is how long a command may take before it says how far it is.
const patience = 2 * time.Second

// slow shows progress of what is mostly done in no time.
type slow struct {
	*ctl.Progress
	begun time.Time
	words string
}

func slowly(e *ctl.Env, words string) *slow { return &slow{ctl.NewProgress(e), time.Now(), words} }

// Show says where things stand, once it has taken a while.
func (s *slow) Show(done, all int) {
	if time.Since(s.begun) >= patience {
		s.Progress.Show(done, all, s.words)
	}
}
