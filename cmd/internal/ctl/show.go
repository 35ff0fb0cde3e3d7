package ctl

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// Count writes a number of things: "1 letter", "2 letters".
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// Table writes rows under heads, in columns.
func Table(w io.Writer, heads []string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(heads, "\t"))
	for _, r := range rows {
		for i := range r {
			r[i] = Line(r[i])
		}
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	t.Flush() //nolint:errcheck // stdout is gone when this fails
}

// When writes a time the way people here read it; "" for none.
func When(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(copenhagen).Format("2006-01-02 15:04")
}

// copenhagen is the time of Danish offices; UTC when the machine has no zones.
var copenhagen = func() *time.Location {
	l, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		return time.UTC
	}
	return l
}()

// Copenhagen is the zone in which [When] writes.
func Copenhagen() *time.Location { return copenhagen }

// redraw is the least time between two drawings on a terminal: five a second.
const redraw = 200 * time.Millisecond

// quiet is how much more seldom the same is said again.
const quiet = 6

// Progress shows how far a long command is: on a terminal one line that is
// redrawn, else a plain line every ten seconds (POST_PROGRESS_EVERY overrides), or
// every minute while it says the same.
type Progress struct {
	w        io.Writer
	terminal bool
	width    int
	every    time.Duration
	last     time.Time
	drawn    string
	line     string
}

// NewProgress writes to e.Stderr; with JSON it writes nothing.
func NewProgress(e *Env) *Progress {
	p := &Progress{w: e.Stderr, every: 10 * time.Second, width: 80}
	if e.JSON {
		p.w = io.Discard
	}
	if f, ok := e.Stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.terminal, p.every = true, redraw
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			p.width = w
		}
	}
	if d, err := time.ParseDuration(os.Getenv("POST_PROGRESS_EVERY")); err == nil && d > 0 {
		p.every = max(d, redraw)
	}
	return p
}

// Show says where things stand: done of all, and a few words.
func (p *Progress) Show(done, all int, words string) {
	p.line = strings.TrimSpace(fmt.Sprintf("%s %d/%d  %s", bar(done, all), done, all, Line(words)))
	every := p.every
	if !p.terminal && p.line == p.drawn {
		every *= quiet
	}
	if now := time.Now(); now.Sub(p.last) >= every {
		p.last = now
		p.draw()
	}
}

// End draws what was shown last and leaves the line.
func (p *Progress) End() {
	if p.line != "" && (p.line != p.drawn || p.terminal) {
		p.draw()
	}
	if p.terminal && p.drawn != "" {
		fmt.Fprintln(p.w)
	}
	p.line = ""
}

func (p *Progress) draw() {
	p.drawn = p.line
	if !p.terminal {
		fmt.Fprintln(p.w, p.line)
		return
	}
	line := []rune(p.line)
	if len(line) > p.width-1 {
		line = line[:p.width-1]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line))
}

func bar(done, all int) string {
	const cells = 20
	full := 0
	if all > 0 {
		full = min(cells, cells*done/all)
	}
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", cells-full) + "]"
}
