package postctlapp

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/preflight"
	"sikkerpost.dk/gateway/internal/post"
)

type batchPlan struct {
	Table          string        `arg:"" name:"table-or-id" help:"CSV file (key, id, name, address lines, title, document) or .jsonl; with -look-up the id of a batch that waits for approval."`
	Documents      string        `placeholder:"DIR" help:"Directory of the PDFs; required with a table."`
	CostDigital    *float64      `env:"SIKKERPOST_COST_DIGITAL" placeholder:"DKK" help:"What one letter in Digital Post costs."`
	CostPaper      *float64      `env:"SIKKERPOST_COST_PAPER" placeholder:"DKK" help:"What one letter on paper costs."`
	CostRegistered *float64      `env:"SIKKERPOST_COST_REGISTERED" placeholder:"DKK" help:"What one letter by registered post costs."`
	Arrive         string        `placeholder:"YYYY-MM-DD" help:"The day by which every letter without a day of its own must have arrived."`
	PaperDays      *int          `env:"SIKKERPOST_PAPER_DAYS" placeholder:"N" help:"Working days from hand-over to arrival on paper, printing included."`
	DigitalDays    *int          `env:"SIKKERPOST_DIGITAL_DAYS" placeholder:"N" help:"Working days from hand-over to the mailbox; 0 is the same day."`
	ProduceDays    *int          `env:"SIKKERPOST_PRODUCE_DAYS" placeholder:"N" help:"How many of those the print house takes until it gives a letter to the post."`
	Cutoff         *string       `env:"SIKKERPOST_CUTOFF" placeholder:"HH:MM" help:"Danish time until which the print house counts a letter to the day."`
	Each           bool          `help:"One row for each line of the table."`
	Offline        bool          `help:"Ask nobody: what is not given is as usual."`
	LookUp         bool          `help:"Let a dispatcher look up who of the batch could be reached digitally now."`
	Wait           time.Duration `default:"10m" help:"How long to wait for the look-up."`
	Now            string        `hidden:"" help:"The day, or day and time, to plan from; now."`

	rules rules
}

// plan is what is known before anything is sent. Who takes which channel is
// known at the hand-over only, so cost is a range: all digital, or on paper
// whoever can get paper.
type plan struct {
	Letters       int     `json:"letters"`
	People        int     `json:"people"`    // CPR
	Companies     int     `json:"companies"` // CVR
	NoAddress     int     `json:"no_address"`
	Documents     int     `json:"documents"`
	DocumentBytes int64   `json:"document_bytes"`
	Registered    int     `json:"registered,omitempty"` // that ask for it; those with an address, if they go on paper
	CostLeast     float64 `json:"cost_least,omitempty"`
	CostMost      float64 `json:"cost_most,omitempty"`
	SendDigital   string  `json:"send_digital_by,omitempty"`
	SendPaper     string  `json:"send_paper_by,omitempty"`
	Late          bool    `json:"late,omitempty"` // paper would come too late
	// PostedOn and ArrivesOn are the days on which what goes on paper would be
	// posted and arrive if it were handed over now; "" when nothing can.
	PostedOn  post.Day `json:"posted_on,omitempty"`
	ArrivesOn post.Day `json:"arrives_on,omitempty"`
	Cutoff    string   `json:"cutoff"`
	// Rules are what all of this was reckoned by.
	Rules rules `json:"rules"`
	// Days are the latest days of arrival, the nearest first, with their lines.
	Days []planDay `json:"days,omitempty"`
}

// planDay is one latest day of arrival and what it asks of its lines.
type planDay struct {
	Arrive      post.Day `json:"arrive_by"`
	Letters     int      `json:"letters"`
	Lines       []int32  `json:"lines"` // of the file
	SendDigital string   `json:"send_digital_by"`
	SendPaper   string   `json:"send_paper_by"`  // until the cut-off
	Late        bool     `json:"late,omitempty"` // paper would come too late for letters that can go on paper
}

// Run prints the plan; it sends nothing. Desk is asked for the municipality's
// rules, and for nothing else unless a batch is to be looked up.
func (c *batchPlan) Run(r *run) error {
	if c.LookUp {
		return c.lookUp(r)
	}
	if c.Documents == "" {
		return &ctl.Hint{Err: errors.New("the documents of the table are missing"), Hint: "-documents names their directory; -look-up takes the id of a batch in place of a table", Exit: ctl.Misused}
	}
	if err := c.reckon(r); err != nil {
		return err
	}
	now, err := today(c.Now)
	if err != nil {
		return err
	}
	p := &planning{batchPlan: c, now: now, days: map[post.Day]*planDay{}, budgets: map[post.Day]letter.Budget{}, rows: newLayout(eachHeads...)}
	p.posted, p.arrives = letter.PaperDays(now, c.times())
	t, err := read(r, c.Table, c.Documents, late(now, c.times()), p.add)
	if err != nil {
		return err
	}
	defer t.close()
	if c.rules.From == fromDesk && !c.rules.Registered {
		t.unoffered()
	}
	if len(t.Faults.list) > 0 {
		return r.verdict(t, ctl.NeedsPerson)
	}
	if err := p.finish(t); err != nil {
		return err
	}
	if err := p.print(r, t); err != nil {
		return err
	}
	if p.Late {
		return &ctl.Hint{Err: errors.New("letters on paper would arrive too late"), Hint: "choose a later day, or send what is urgent first", Exit: ctl.NeedsPerson}
	}
	return nil
}

// write prints the plan for people.
func (c *batchPlan) write(w io.Writer, p plan) {
	fmt.Fprintf(w, "letters       %d (%d to people, %d to companies)\n", p.Letters, p.People, p.Companies)
	fmt.Fprintf(w, "documents     %d, %s\n", p.Documents, size(p.DocumentBytes))
	fmt.Fprintf(w, "channel       known at the hand-over; %s\n", p.onPaper())
	if p.Registered > 0 {
		fmt.Fprintf(w, "registered    %s, if on paper\n", ctl.Count(p.Registered, "letter"))
	}
	if p.CostMost > 0 {
		fmt.Fprintf(w, "cost          DKK %.2f if all are digital, DKK %.2f if all that can go on paper\n", p.CostLeast, p.CostMost)
	}
	if c.Arrive != "" {
		paper := ""
		if p.NoAddress < p.Letters {
			paper = ", " + p.SendPaper + " on paper"
		}
		fmt.Fprintf(w, "send by       %s digitally%s, to arrive by %s\n", p.SendDigital, paper, c.Arrive)
	}
	if p.PostedOn != "" {
		fmt.Fprintf(w, "on paper      if handed over now: posted on %s, arrives on %s; cut-off %s\n", p.PostedOn, p.ArrivesOn, p.Cutoff)
	}
	fmt.Fprintf(w, "rules         %s\n", p.Rules)
	if p.Rules.Preflight == string(preflight.Unseen) && p.NoAddress < p.Letters {
		fmt.Fprintf(w, "              nobody looks at these documents as paper: postctl batch check -paper does\n")
	}
	var rows [][]string
	for _, d := range p.Days {
		note := ""
		if d.Late {
			note = "too late on paper"
		}
		rows = append(rows, []string{string(d.Arrive), fmt.Sprint(d.Letters), firstLines(d.Lines), d.SendDigital, d.SendPaper, note})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		ctl.Table(w, []string{"ARRIVE BY", "LETTERS", "LINES", "SEND DIGITALLY BY", "ON PAPER BY", ""}, rows)
	}
}

// onPaper says how many of the letters could go on paper.
func (p *plan) onPaper() string {
	switch p.NoAddress {
	case 0:
		return "each can go on paper: all have an address"
	case p.Letters:
		return "none can go on paper: no address"
	}
	return ctl.Count(p.NoAddress, "letter") + " could not go on paper: no address"
}

// size writes a number of bytes.
func size(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// firstLines writes a few numbers of lines.
func firstLines(lines []int32) string {
	const few = 5
	var words []string
	for _, n := range lines[:min(few, len(lines))] {
		words = append(words, strconv.Itoa(int(n)))
	}
	if len(lines) > few {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}

// lastDays returns the last days on which a hand-over is in time, on paper until
// the cut-off of the day.
func lastDays(b letter.Budget) (digital, paper string) {
	return b.Digital.Add(-time.Second).Format(time.DateOnly), b.Paper.Format(time.DateOnly)
}

// late names the lines that no road brings in time any more, and those whose day is
// too far ahead. Desk has the last word: it knows the municipality's own lead times.
func late(now time.Time, times post.LetterTimes) judge {
	known := map[string]int32{} // the kind of fault of a day, below 0 for none
	return func(t *table, n int, l *wire.BatchLine, _ int) error {
		if l.ArriveBy == "" {
			return nil
		}
		kind, ok := known[l.ArriveBy]
		if !ok {
			kind = none
			_, isDay := post.ParseDay(l.ArriveBy)
			if !isDay {
				return nil // said already
			}
			if _, _, err := letter.CheckArrive(l.ArriveBy, time.Time{}, now, times); err != nil {
				kind = t.Faults.kind(err)
			}
			known[l.ArriveBy] = kind
		}
		if kind != none {
			t.Faults.note(n, kind, 0)
		}
		return nil
	}
}

// today returns the moment to count from: now, the moment s, or noon of the day s.
func today(s string) (time.Time, error) {
	if s == "" {
		return time.Now().In(calendar.Zone()), nil
	}
	if t, err := time.ParseInLocation("2006-01-02 15:04", s, calendar.Zone()); err == nil {
		return t, nil
	}
	t, err := dayOf(s)
	return t.Add(12 * time.Hour), err
}

func dayOf(s string) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, s, calendar.Zone())
	if err != nil {
		return t, &ctl.Hint{Err: fmt.Errorf("%q is not a day", s), Hint: "write it as 2026-12-18", Exit: ctl.Misused}
	}
	return t, nil
}
