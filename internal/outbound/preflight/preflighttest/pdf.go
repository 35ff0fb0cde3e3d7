// Package preflighttest makes PDFs for tests of paper: pages with words at a
// given place, in a font that is drawn in the file itself, and all that a page
// should not have.
package preflighttest

import (
	"bytes"
	"fmt"
	"strings"
)

// A Text is a line at a place, in mm from the top left corner to its baseline.
type Text struct {
	Left, Base float64
	Line       string
}

// A Box is a black rectangle, in mm from the top left corner.
type Box struct{ Left, Top, Width, Height float64 }

// A Page is one page; A4 in portrait unless it says otherwise.
type Page struct {
	Texts         []Text
	Boxes         []Box
	Width, Height float64 // in points
	More          string  // further entries of its dictionary
}

// A PDF is a document.
type PDF struct {
	Pages   []Page
	Catalog string // further entries of the catalog
	// Objects are added after all others; the number of the first is five and two
	// more for each page.
	Objects []string
	Font    string // instead of the drawn one
}

// Bytes writes the document.
func (d PDF) Bytes() []byte {
	var b bytes.Buffer
	var at []int
	object := func(text string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), text)
	}
	b.WriteString("%PDF-1.7\n")
	object("<< /Type /Catalog /Pages 2 0 R " + d.Catalog + " >>")
	kids := make([]string, len(d.Pages))
	for i := range d.Pages {
		kids[i] = fmt.Sprintf("%d 0 R", 5+2*i)
	}
	object(fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", len(kids), strings.Join(kids, " ")))
	font := d.Font
	if font == "" {
		font = drawn()
	}
	object(font)
	object(stream("", "600 0 50 0 550 700 d1 50 0 500 700 re f"))
	for i, p := range d.Pages {
		if p.Width == 0 {
			p.Width, p.Height = 595.28, 841.89
		}
		object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %g %g] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R %s >>",
			p.Width, p.Height, 6+2*i, p.More))
		object(stream("", p.drawing()))
	}
	for _, o := range d.Objects {
		object(o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}

func stream(entries, text string) string {
	return fmt.Sprintf("<< /Length %d %s >>\nstream\n%s\nendstream", len(text), entries, text)
}

// danish names the letters above ASCII that addresses have, by their WinAnsi
// codes.
var danish = map[rune]struct {
	code byte
	name string
}{
	'Æ': {0xC6, "AE"}, 'Ø': {0xD8, "Oslash"}, 'Å': {0xC5, "Aring"},
	'æ': {0xE6, "ae"}, 'ø': {0xF8, "oslash"}, 'å': {0xE5, "aring"}, 'é': {0xE9, "eacute"},
}

var signs = map[byte]string{' ': "space", '.': "period", ',': "comma", '-': "hyphen", '/': "slash", ':': "colon"}

var digits = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

// drawn is a font whose every glyph is a block: it needs no program, and its
// text can be read back by the names of its glyphs.
func drawn() string {
	var differences, glyphs strings.Builder
	name := func(code int, name string) {
		fmt.Fprintf(&differences, "%d /%s ", code, name)
		fmt.Fprintf(&glyphs, "/%s 4 0 R ", name)
	}
	for c := 'A'; c <= 'Z'; c++ {
		name(int(c), string(c))
		name(int(c-'A'+'a'), string(c-'A'+'a'))
	}
	for i, d := range digits {
		name('0'+i, d)
	}
	for code, s := range signs {
		if code != ' ' {
			name(int(code), s)
		}
	}
	for _, d := range danish {
		name(int(d.code), d.name)
	}
	widths := strings.TrimSpace(strings.Repeat("600 ", 224))
	return fmt.Sprintf("<< /Type /Font /Subtype /Type3 /FontBBox [0 0 600 700] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 32 /LastChar 255 "+
		"/Widths [%s] /Encoding << /Type /Encoding /Differences [%s] >> /CharProcs << %s >> /Resources << >> >>", widths, differences.String(), glyphs.String())
}

const point = 72 / 25.4

func (p Page) drawing() string {
	var b strings.Builder
	for _, t := range p.Texts {
		fmt.Fprintf(&b, "BT /F1 10 Tf %.2f %.2f Td <%x> Tj ET\n", t.Left*point, p.Height-t.Base*point, encode(t.Line))
	}
	for _, x := range p.Boxes {
		fmt.Fprintf(&b, "%.2f %.2f %.2f %.2f re f\n", x.Left*point, p.Height-(x.Top+x.Height)*point, x.Width*point, x.Height*point)
	}
	return b.String()
}

func encode(line string) []byte {
	var b []byte
	for _, r := range line {
		if d, ok := danish[r]; ok {
			b = append(b, d.code)
			continue
		}
		b = append(b, byte(r))
	}
	return b
}

// Letter is a document as a print house wants it: the address lines in the
// window's field, then text, on so many pages.
func Letter(pages int, address ...string) PDF {
	var d PDF
	for i := range pages {
		p := Page{Texts: []Text{{25, 100, "Du har ret til helbredstillæg."}}}
		if i == 0 {
			for n, line := range address {
				p.Texts = append(p.Texts, Text{22, 45 + 4*float64(n), line})
			}
		}
		d.Pages = append(d.Pages, p)
	}
	return d
}
