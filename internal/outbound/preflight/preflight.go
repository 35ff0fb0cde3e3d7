// Package preflight finds out whether documents can be printed, folded and
// posted before anybody relies on it: when a letter is taken in, and again
// before it goes to the print house.
//
// Two kinds of look. The structure of the PDF: upright A4, page count, no
// active content, no attached files, every font that is used embedded. And,
// when the tenant asks for it, the pages as they look: white margins, the zones
// that machines read, the address in the window read back and compared with the
// recipient, no CPR number where the window may show it.
//
// It refuses a document with a fault for each thing found, with document, page
// and place; never with a word of its content. What it cannot read it refuses.
// When the renderer fails for a reason of its own the answer is an error that
// may pass, and the document is neither good nor bad.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sikkerpost.dk/gateway/internal/post"
)

// Window says what the envelope's window shows.
type Window string

// Windows.
const (
	// Cover: a sheet of the print house's own comes first, with the address.
	Cover Window = ""
	// Overprint: the print house prints the address onto the first page.
	Overprint Window = "overprint"
	// Printed: the first page bears the address already.
	Printed Window = "document"
)

// Known reports whether w is one of the three.
func (w Window) Known() bool { return w == Cover || w == Overprint || w == Printed }

// Rules are what a tenant's letters on paper must keep.
type Rules struct {
	// Render demands that pages are looked at as they will be printed.
	Render bool
	Window Window
	// MaxPages of all documents together; 100 when 0.
	MaxPages int
	// Margin that stays white on every side, in mm; 4 when 0.
	Margin int
}

const (
	defaultPages  = 100
	defaultMargin = 4
)

// A Document is one PDF as it will be printed.
type Document struct {
	Content []byte
	Address []string // what the window must show, name first; nil: not known
}

// Picture is one page in gray, at [Resolution] dots per inch, row by row.
type Picture struct {
	Width, Height int
	Gray          []byte
}

// Resolution of pictures, in dots per inch: a dot is a third of a millimeter.
const Resolution = 72

// Word is one word of a page, with its box in mm from the top left corner.
type Word struct {
	Text                     string
	Left, Top, Right, Bottom float64
}

// Eyes see pages as they will be printed. An error about the document itself
// wraps a fault; any other may pass.
type Eyes interface {
	// Pages calls see for each page in turn, at most most of them.
	Pages(ctx context.Context, pdf []byte, most int, see func(page int, p Picture) error) error
	// Words returns the words of the first page.
	Words(ctx context.Context, pdf []byte) ([]Word, error)
}

// Config is what a [Checker] needs.
type Config struct {
	Rules map[post.TenantID]Rules // a tenant that is not named is not checked
	Eyes  Eyes                    // nil: nobody can render
	Now   func() time.Time        // nil is [time.Now]; nobody is born later
}

// Checker looks at documents.
type Checker struct{ Config }

// New returns a checker. When a tenant demands rendering and nobody can, it is
// [post.FaultNoRenderer]: a demand is not passed over in silence.
func New(c Config) (*Checker, error) {
	for tenant, r := range c.Rules {
		if !r.Window.Known() {
			return nil, fmt.Errorf("preflight: tenant %s: unknown window %q", tenant, r.Window)
		}
		if r.Render && c.Eyes == nil {
			return nil, post.FaultNoRenderer.At("tenant %s", tenant)
		}
	}
	return &Checker{c}, nil
}

func (c *Checker) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Checks reports whether a tenant's documents are looked at.
func (c *Checker) Checks(tenant post.TenantID) bool {
	if c == nil {
		return false
	}
	_, ok := c.Rules[tenant]
	return ok
}

// Depth is how closely a tenant's documents are looked at.
type Depth string

// Depths.
const (
	Unseen    Depth = "off"       // they must only open without a password
	Structure Depth = "structure" // what the PDF says of itself
	Pages     Depth = "pages"     // and each page as it will be printed
)

// Depth returns how closely a tenant's documents are looked at.
func (c *Checker) Depth(tenant post.TenantID) Depth {
	switch {
	case !c.Checks(tenant):
		return Unseen
	case c.Rules[tenant].Render:
		return Pages
	}
	return Structure
}

// Check looks at all documents of a letter, in the order of printing. The error
// joins a fault for each thing found; errors.Is finds each.
func (c *Checker) Check(ctx context.Context, tenant post.TenantID, documents []Document) error {
	if !c.Checks(tenant) {
		return nil
	}
	rules := c.Rules[tenant].whole()
	found := &findings{}
	total := 0
	for i, d := range documents {
		found.document = i + 1
		pages, err := c.check(ctx, rules, d, i == 0, rules.MaxPages-total, found)
		if err != nil {
			return fmt.Errorf("preflight document %d: %w", i+1, err)
		}
		total += pages
	}
	return errors.Join(append(found.all, c.Fits(tenant, total))...)
}

// One looks at one document of a letter by itself, the first or a later one, and
// returns its pages; 0 when they are not known.
func (c *Checker) One(ctx context.Context, tenant post.TenantID, d Document, first bool) (int, error) {
	if !c.Checks(tenant) {
		return 0, nil
	}
	rules := c.Rules[tenant].whole()
	found := &findings{}
	pages, err := c.check(ctx, rules, d, first, rules.MaxPages, found)
	if err != nil {
		return 0, fmt.Errorf("preflight document: %w", err)
	}
	return pages, errors.Join(append(found.all, c.Fits(tenant, pages))...)
}

// Fits refuses more pages than one envelope takes.
func (c *Checker) Fits(tenant post.TenantID, pages int) error {
	if !c.Checks(tenant) {
		return nil
	}
	if most := c.Rules[tenant].whole().MaxPages; pages > most {
		return post.FaultPaperPages.At("%d pages, at most %d", pages, most)
	}
	return nil
}

// Each returns the faults that [Checker.Check] or [Checker.One] joined.
func Each(err error) []error {
	if all, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // it takes the join itself apart
		if _, one := err.(*post.Refusal); !one { //nolint:errorlint // a single fault stays whole
			return all.Unwrap()
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// WindowLines returns what the envelope's window shows of a recipient: the name
// first, then the address, each line with single spaces; nil when there is no
// address.
func WindowLines(r post.PartyRecord) []string {
	lines := AddressLines(r)
	if len(lines) == 0 {
		return nil
	}
	if lines[0] != r.Name {
		lines = append([]string{strings.Join(strings.Fields(r.Name), " ")}, lines...)
	}
	return lines
}

// AddressLines returns the address as it was given, without empty lines.
func AddressLines(r post.PartyRecord) []string {
	var lines []string
	for _, line := range r.Address {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func (r Rules) whole() Rules {
	if r.MaxPages == 0 {
		r.MaxPages = defaultPages
	}
	if r.Margin == 0 {
		r.Margin = defaultMargin
	}
	return r
}

// check looks at one document and returns its pages. Only what its structure
// allows is shown: a renderer is large, and gets to see nothing active.
func (c *Checker) check(ctx context.Context, r Rules, d Document, first bool, left int, found *findings) (int, error) {
	before := len(found.all)
	pages := structure(d.Content, found)
	if len(found.all) > before || pages > left || !r.Render {
		return pages, nil
	}
	err := c.Eyes.Pages(ctx, d.Content, pages, func(page int, p Picture) error {
		look(p, page, zonesOf(r, first && page == 1), found)
		return nil
	})
	if err == nil && first && r.Window != Cover {
		err = c.window(ctx, r, d, found)
	}
	return pages, found.orPass(err)
}

// findings collects what was found, each kind once for each page and place.
type findings struct {
	document int // from 1; 0 is a document by itself
	all      []error
	seen     map[string]bool
}

// most bounds what is said about one letter.
const most = 50

func (f *findings) at(fault *post.Fault, page int, place string) {
	text := fmt.Sprintf("page %d", page)
	if place != "" {
		text += ", " + place
	}
	if page == 0 {
		text = place
	}
	if f.document > 0 {
		text = fmt.Sprintf("document %d, %s", f.document, text)
	}
	f.add(fault, text)
}

func (f *findings) add(fault *post.Fault, text string) {
	key := fault.Code + " " + text
	if f.seen[key] || len(f.all) >= most {
		return
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[key] = true
	f.all = append(f.all, fault.At("%s", text))
}

// orPass keeps a fault as a finding and passes any other error on.
func (f *findings) orPass(err error) error {
	var fault *post.Fault
	if errors.As(err, &fault) {
		f.at(fault, 0, "as pages")
		return nil
	}
	return err
}
