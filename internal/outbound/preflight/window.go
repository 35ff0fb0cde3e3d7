package preflight

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"sikkerpost.dk/gateway/internal/post"
)

// reach is how far a word may stand out of the address field and still be meant
// for it, in mm; the window itself is wider.
const reach = 1.0

// leastLines is how many lines an address has at least: a name and a place.
const leastLines = 2

// window reads the first page back as the post reads it.
func (c *Checker) window(ctx context.Context, r Rules, d Document, found *findings) error {
	words, err := c.Eyes.Words(ctx, d.Content)
	if err != nil {
		return err
	}
	if numbered(words, c.now()) {
		found.at(post.FaultPaperCPR, 1, zoneSlack.Name)
	}
	if r.Window != Printed {
		return nil
	}
	got := lines(words, zoneAddress)
	switch {
	case d.Address == nil:
		if len(got) < leastLines {
			found.at(post.FaultPaperWindow, 1, "no address is there")
		}
	case !slices.EqualFunc(got, d.Address, sameLine):
		found.at(post.FaultPaperWindow, 1, zoneAddress.Name)
	}
	return nil
}

func sameLine(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

// lines puts the words of a zone into lines, as a person reads them.
func lines(words []Word, z Zone) []string {
	var all []string
	for _, line := range rows(words, z) {
		texts := make([]string, len(line))
		for i, w := range line {
			texts[i] = w.Text
		}
		all = append(all, strings.Join(texts, " "))
	}
	return all
}

// rows are the words of a zone, line by line, each from left to right.
func rows(words []Word, z Zone) [][]Word {
	var in []Word
	for _, w := range words {
		x, y := (w.Left+w.Right)/2, (w.Top+w.Bottom)/2
		if x > z.Left-reach && x < z.Left+z.Width+reach && y > z.Top-reach && y < z.Top+z.Height+reach {
			in = append(in, w)
		}
	}
	slices.SortStableFunc(in, func(a, b Word) int { return cmp.Compare(a.Top+a.Bottom, b.Top+b.Bottom) })
	var all [][]Word
	for len(in) > 0 {
		// A line is what overlaps half the height of its first word.
		middle, half := (in[0].Top+in[0].Bottom)/2, (in[0].Bottom-in[0].Top)/2
		n := slices.IndexFunc(in, func(w Word) bool { return (w.Top+w.Bottom)/2 > middle+half })
		if n < 0 {
			n = len(in)
		}
		line := slices.Clone(in[:n])
		slices.SortStableFunc(line, func(a, b Word) int { return cmp.Compare(a.Left, b.Left) })
		all = append(all, line)
		in = in[n:]
	}
	return all
}
