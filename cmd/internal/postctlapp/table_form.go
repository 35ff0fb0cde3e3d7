package postctlapp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/post"
)

// needed are the columns without which no line can become a letter.
var needed = []string{"key", "id", "name", "title", "document"}

// text returns the table's text. Each line that is not UTF-8 is a fault; its
// bytes are then read as Latin-1, so that whatever else is wrong with it and with the others
// is told as well. What is no text of lines at all, as UTF-16, is one fault of
// the file, and ok is false.
func (t *table) text(b []byte) (text []byte, ok bool) {
	b = bytes.TrimPrefix(b, bom)
	if bytes.IndexByte(b, 0) >= 0 {
		t.fault(0, post.FaultTableForm.At("it holds zero bytes, as UTF-16 does"))
		return nil, false
	}
	if utf8.Valid(b) {
		return b, true
	}
	n := 0
	for line := range bytes.Lines(b) {
		n++
		if utf8.Valid(line) {
			text = append(text, line...)
			continue
		}
		t.fault(n, post.FaultTableForm.At("the line is not UTF-8"))
		for _, c := range line {
			text = utf8.AppendRune(text, rune(c))
		}
	}
	return text, true
}

// heads finds in line n where each column is; address lines keep their order. All
// that is wrong with the line is one fault. The lines are read all the same: a column that is not
// known is passed over, of one that stands twice the first counts, and what is
// missing is not missed again in each line.
func (t *table) heads(line int, names []string) map[string][]int {
	at := map[string][]int{}
	var unknown, twice, missing []string
	for i, n := range names {
		c := column(n)
		switch {
		case c == "":
			unknown = append(unknown, strconv.Itoa(i+1))
		case len(at[c]) > 0 && c != "address":
			twice = append(twice, c)
		default:
			at[c] = append(at[c], i)
		}
	}
	t.absent = map[string]bool{}
	for _, c := range needed {
		if len(at[c]) == 0 {
			t.absent[c] = true
			missing = append(missing, c)
		}
	}
	var wrong []string
	switch n := len(unknown); {
	case n == 1:
		wrong = append(wrong, "column "+unknown[0]+" is not known")
	case n > 1 && n == len(names):
		wrong = append(wrong, fmt.Sprintf("columns 1 to %d are not known", n))
	case n > 1:
		wrong = append(wrong, "columns "+strings.Join(unknown, ", ")+" are not known")
	}
	for _, c := range twice {
		wrong = append(wrong, c+" stands twice")
	}
	switch len(missing) {
	case 0:
	case 1:
		wrong = append(wrong, missing[0]+" is missing")
	default:
		wrong = append(wrong, strings.Join(missing, ", ")+" are missing")
	}
	if len(wrong) > 0 {
		t.fault(line, post.FaultTableColumn.At("%s", strings.Join(wrong, "; ")))
	}
	return at
}

// column returns the name of the column that a head stands for; "" when none.
func column(head string) string {
	head = strings.ToLower(strings.TrimSpace(head))
	if c, ok := columns[head]; ok {
		return c
	}
	for _, word := range []string{"address", "adresse"} {
		if rest, is := strings.CutPrefix(head, word); is {
			if k, err := strconv.Atoi(rest); rest == "" || err == nil && k >= 1 && k <= 7 {
				return "address"
			}
		}
	}
	return ""
}

// ended reports whether nothing follows what was decoded.
func ended(dec *json.Decoder) bool {
	_, err := dec.Token()
	return err == io.EOF
}
