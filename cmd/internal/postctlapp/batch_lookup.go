package postctlapp

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/outbound/lookup"
	"sikkerpost.dk/gateway/internal/post"
)

const (
	lookUpEvery = 500 * time.Millisecond // how often it is asked how far it is
	lookUpPage  = 1000                   // lines in one answer
)

// lookedPlan is the plan of a batch that waits for approval, by who could be
// reached a moment ago. The hand-over asks anew.
type lookedPlan struct {
	wire.LookUp
	CostLeast float64  `json:"cost_least,omitempty"` // as looked up; whoever is not known digitally
	CostMost  float64  `json:"cost_most,omitempty"`  // whoever is not known, or has no address here, on paper
	Late      int      `json:"late"`                 // lines whose expected channel would bring them too late
	PostedOn  post.Day `json:"posted_on,omitempty"`  // what goes on paper, if it were handed over now
	ArrivesOn post.Day `json:"arrives_on,omitempty"`
	Rules     rules    `json:"rules"`
	// Items takes the place of the answer's, and stays empty: lines are printed
	// while they are asked for.
	Items []lookedLine `json:"items,omitempty"`

	rows *layout // of each line
}

// lookedLine is one line of it.
type lookedLine struct {
	wire.LookedLine
	Cost   float64 `json:"cost,omitempty"`    // by the expected channel; none where that is not known
	SendBy string  `json:"send_by,omitempty"` // the last day to hand it over by that channel
	Late   bool    `json:"late,omitempty"`

	least, most float64 // DKK
}

// lookUp plans the batch of an id.
func (c *batchPlan) lookUp(r *run) error {
	if c.Offline || c.Documents != "" {
		return &ctl.Hint{Err: errors.New("-look-up is about a batch that desk has"), Hint: "give the id of the batch, without -documents and -offline", Exit: ctl.Misused}
	}
	now, err := today(c.Now)
	if err != nil {
		return err
	}
	if err := c.reckon(r); err != nil {
		return err
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	p := lookedPlan{Rules: c.rules, rows: newLayout(lookedHeads...)}
	if p.LookUp, err = c.looked(r, d); err != nil {
		return err
	}
	p.LookUp.Items = nil
	p.PostedOn, p.ArrivesOn = letter.PaperDays(now, c.times())
	for l, err := range c.lookedLines(r, d, p.Looked, now) {
		if err != nil {
			return err
		}
		p.add(l)
	}
	if err := c.printLooked(r, d, &p, now); err != nil {
		return err
	}
	switch {
	case p.Ended != "":
		return &ctl.Hint{Err: fmt.Errorf("%d of %s looked up: %s", p.Looked, ctl.Count(p.Lines, "letter"), ctl.Line(p.Says)), Hint: "nothing was sent; ask again later, or plan by the table, which reckons a range", Exit: ctl.NeedsPerson}
	case p.Late > 0:
		return &ctl.Hint{Err: fmt.Errorf("%s would arrive too late", ctl.Count(p.Late, "letter")), Hint: "choose a later day, or send what is urgent first", Exit: ctl.NeedsPerson}
	}
	return nil
}

// looked asks for a look-up and waits for its end.
func (c *batchPlan) looked(r *run, d *client.Client) (wire.LookUp, error) {
	got, err := d.AskLookUp(r.ctx, c.Table)
	for until := time.Now().Add(c.Wait); err == nil && !got.Done; got, err = d.LookUp(r.ctx, c.Table, 0, 0) {
		if time.Now().After(until) {
			return got, &ctl.Hint{Err: fmt.Errorf("%d of %s looked up", got.Looked, ctl.Count(got.Lines, "letter")), Exit: ctl.Running,
				Hint: "the same command goes on waiting; when nothing moves, see that a dispatcher runs"}
		}
		select {
		case <-r.ctx.Done():
			return got, r.ctx.Err()
		case <-time.After(lookUpEvery):
		}
	}
	return got, err
}

// lookedLines asks for what was found, a page at a time, and reckons each line.
func (c *batchPlan) lookedLines(r *run, d *client.Client, looked int, now time.Time) iter.Seq2[lookedLine, error] {
	return func(yield func(lookedLine, error) bool) {
		for after, more := 0, looked > 0; more; more = after > 0 {
			page, err := d.LookUp(r.ctx, c.Table, after, lookUpPage)
			if err != nil {
				yield(lookedLine{}, err)
				return
			}
			for _, l := range page.Items {
				line, err := c.lookedLine(l, now)
				if !yield(line, err) || err != nil {
					return
				}
			}
			after = page.After
		}
	}
}

// lookedLine reckons one line.
func (c *batchPlan) lookedLine(l wire.LookedLine, now time.Time) (lookedLine, error) {
	if l.ArriveBy == "" {
		l.ArriveBy = c.Arrive
	}
	if l.ArriveBy != "" {
		if _, err := dayOf(l.ArriveBy); err != nil {
			return lookedLine{}, err
		}
	}
	paper := c.rules.Paper
	if l.Registered && c.rules.ByRegistered > 0 {
		paper = c.rules.ByRegistered
	}
	line := lookedLine{LookedLine: l}
	b, dated := letter.BudgetOf(post.Day(l.ArriveBy), c.times())
	digitally, onPaper := "", ""
	if dated {
		digitally, onPaper = lastDays(b)
	}
	line.least, line.most = c.rules.Digital, max(paper, c.rules.Digital)
	switch lookup.Expected(l.Expected) {
	case lookup.Digital:
		line.Cost, line.SendBy, line.Late = c.rules.Digital, digitally, dated && !now.Before(b.Digital)
		line.most = line.least
	case lookup.Paper:
		line.Cost, line.SendBy, line.Late = paper, onPaper, dated && now.After(b.Paper)
		line.least, line.most = paper, paper
	case lookup.NoAddress:
		line.least = 0
	case lookup.Open:
		if !l.Address {
			line.most = line.least
		}
	}
	return line, nil
}

// add counts a line in.
func (p *lookedPlan) add(l lookedLine) {
	p.CostLeast, p.CostMost = p.CostLeast+l.least, p.CostMost+l.most
	if l.Late {
		p.Late++
	}
	p.rows.see(l.row())
}

// printLooked prints the plan; when each line is asked for, it asks desk once more.
func (c *batchPlan) printLooked(r *run, d *client.Client, p *lookedPlan, now time.Time) error {
	if !c.Each || p.Looked == 0 {
		return r.Print(p, func(w io.Writer) { c.writeLooked(w, p) })
	}
	lines := func(put func(lookedLine) error) error {
		for l, err := range c.lookedLines(r, d, p.Looked, now) {
			if err == nil {
				err = put(l)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return r.printLong(p, "items", func(emit func(any) error) error {
		return lines(func(l lookedLine) error { return emit(l) })
	}, func(w io.Writer) error {
		c.writeLooked(w, p)
		fmt.Fprintln(w)
		if err := p.rows.write(w, lookedHeads); err != nil {
			return err
		}
		return lines(func(l lookedLine) error { return p.rows.write(w, l.row()) })
	})
}

var lookedHeads = []string{"LINE", "CHANNEL", "DKK", "ARRIVE BY", "SEND BY", ""}

// row writes the line for people.
func (l *lookedLine) row() []string {
	var note []string
	cost := ""
	if l.Cost > 0 {
		cost = fmt.Sprintf("%.2f", l.Cost)
	}
	if l.Registered && l.Expected == string(lookup.Paper) {
		note = append(note, "registered")
	}
	if l.Late {
		note = append(note, "too late")
	}
	return []string{strconv.Itoa(l.Line), l.Expected, cost, l.ArriveBy, l.SendBy, strings.Join(note, ", ")}
}

// writeLooked prints it for people.
func (c *batchPlan) writeLooked(w io.Writer, p *lookedPlan) {
	fmt.Fprintf(w, "letters       %d, %d looked up at %s, gone at %s\n", p.Lines, p.Looked, ctl.When(p.AskedAt), ctl.When(p.GoneAt))
	fmt.Fprintf(w, "digital       %d\n", p.Digital)
	fmt.Fprintf(w, "on paper      %d\n", p.Paper)
	if p.NoAddress > 0 {
		fmt.Fprintf(w, "no address    %d: not reachable digitally; the address register is asked at the hand-over, or a person\n", p.NoAddress)
	}
	if p.Unsure > 0 {
		fmt.Fprintf(w, "not known     %d: asked about again at the hand-over; in doubt nothing is printed\n", p.Unsure)
	}
	switch {
	case p.CostMost == 0:
	case p.CostLeast == p.CostMost:
		fmt.Fprintf(w, "cost          DKK %.2f\n", p.CostMost)
	default:
		fmt.Fprintf(w, "cost          DKK %.2f to %.2f\n", p.CostLeast, p.CostMost)
	}
	if p.Paper+p.NoAddress+p.Unsure > 0 && p.PostedOn != "" {
		fmt.Fprintf(w, "on paper      if handed over now: posted on %s, arrives on %s; cut-off %s\n", p.PostedOn, p.ArrivesOn, p.Rules.Cutoff)
	}
	fmt.Fprintf(w, "rules         %s\n", p.Rules)
	fmt.Fprintln(w, "              a forecast: at the hand-over each recipient is looked up anew")
}
