package postctlapp

import (
	"cmp"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
)

// lettersPage is how many letters of a batch are asked for at a time.
const lettersPage = 1000

// letters asks for the letters of a batch, page after page, in the order of their
// ids, which is that of their lines within each part that was sent. state "" is all.
func (r *run) letters(d *client.Client, batch, state string) iter.Seq2[wire.LetterView, error] {
	return func(yield func(wire.LetterView, error) bool) {
		for after := ""; ; {
			page, err := d.BatchLettersIn(r.ctx, batch, state, after, lettersPage)
			if err != nil {
				yield(wire.LetterView{}, err)
				return
			}
			for _, v := range page.Items {
				if !yield(v, nil) {
					return
				}
			}
			if after = page.Next; after == "" {
				return
			}
		}
	}
}

// letters lists the letters: as JSON as they come, for people in the order of the
// lines.
func (c *batchShow) letters(r *run) error {
	if err := knownState(c.State); err != nil {
		return err
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	all := r.letters(d, c.ID, c.State)
	if r.JSON {
		// The first answer, which may be a refusal, comes before the first byte.
		next, stop := iter.Pull2(all)
		defer stop()
		v, err, more := next()
		if err != nil {
			return err
		}
		return r.printLong(struct{}{}, "items", func(emit func(any) error) error {
			for ; more; v, err, more = next() {
				if err != nil {
					return err
				}
				if err := emit(v); err != nil {
					return err
				}
			}
			return nil
		}, nil)
	}
	rows, kept := newLayout("LETTER", "ID", "REFERENCE", "STATE", "CHANNEL", "REASON", "TRACKING", "REGISTERED"), &rowsKept{}
	for v, err := range all {
		if err != nil {
			return err
		}
		row := []string{strconv.Itoa(v.Line), v.ID, v.Reference, v.State, v.Channel, v.Code, v.Tracking, map[bool]string{true: "yes"}[v.Registered]}
		rows.see(row)
		kept.add(v.Line, row)
	}
	return r.plainly(func(w io.Writer) error {
		if err := rows.write(w, rows.heads); err != nil {
			return err
		}
		for row := range kept.sorted() {
			if err := rows.write(w, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// rowsKept are rows that have to be sorted before the first is written: what differs from
// row to row in one text for each 1,000, the rest once for all that have the same,
// some 70 bytes for each letter.
type rowsKept struct {
	rows  []rowKept
	pages []string
	page  []byte
	rests []string
	known map[string]int32
}

// rowKept says where the cells of a row are.
type rowKept struct {
	line, page, rest int32
	from, to         int32 // in the page
}

const mark = "\x00" // between cells; a terminal is never shown one

// add keeps a row, the first cell of which is its line.
func (k *rowsKept) add(line int, row []string) {
	// State, channel, reason and whether it is registered are the same in many.
	rest := strings.Join([]string{row[3], row[4], row[5], row[7]}, mark)
	n, ok := k.known[rest]
	if !ok {
		if k.known == nil {
			k.known = map[string]int32{}
		}
		n = int32(len(k.rests)) //nolint:gosec // a batch has at most 100,000 letters
		k.rests, k.known[rest] = append(k.rests, rest), n
	}
	from := len(k.page)
	k.page = append(k.page, strings.Join([]string{row[1], row[2], row[6]}, mark)...)
	k.rows = append(k.rows, rowKept{int32(line), int32(len(k.pages)), n, int32(from), int32(len(k.page))}) //nolint:gosec // as above
	if len(k.rows)%lettersPage == 0 {
		k.pages, k.page = append(k.pages, string(k.page)), k.page[:0]
	}
}

// sorted returns the rows by their lines.
func (k *rowsKept) sorted() iter.Seq[[]string] {
	k.pages = append(k.pages, string(k.page))
	slices.SortStableFunc(k.rows, func(a, b rowKept) int { return cmp.Compare(a.line, b.line) })
	return func(yield func([]string) bool) {
		for _, row := range k.rows {
			own := strings.SplitN(k.pages[row.page][row.from:row.to], mark, 3)
			rest := strings.SplitN(k.rests[row.rest], mark, 4)
			if !yield([]string{strconv.Itoa(int(row.line)), own[0], own[1], rest[0], rest[1], rest[2], own[2], rest[3]}) {
				return
			}
		}
	}
}

// reported shows how far a report is.
func (r *run) reported(d *client.Client, batch string) (show func(n int), end func(), err error) {
	b, err := d.Batch(r.ctx, batch)
	if err != nil {
		return nil, nil, err
	}
	p := slowly(r.Env, "letters")
	return func(n int) { p.Show(n, b.Lines) }, p.End, nil
}
