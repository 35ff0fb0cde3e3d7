package postctlapp

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// needed are the columns without which no line can become a letter.
var needed = []string{"key", "id", "name", "title", "document"}

// heads finds where each column is; address lines keep their order. All
// that is wrong with the line is one fault. The lines are read all the same: a column that is not
// known is passed over, of one that stands twice the first counts, and what is
// missing (absent) is not missed again in each line.
func heads(names []string) (at map[string][]int, absent map[string]bool, err error) {
	at, absent = map[string][]int{}, map[string]bool{}
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
	for _, c := range needed {
		if len(at[c]) == 0 {
			absent[c] = true
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
		err = post.FaultTableColumn.At("%s", strings.Join(wrong, "; "))
	}
	return at, absent, err
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
