package postctlapp

import (
	"errors"
	"fmt"
	"io"
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
	// Items takes the place of the answer's.
	Items []lookedLine `json:"items,omitempty"`
}

// lookedLine is one line of it.
type lookedLine struct {
	wire.LookedLine
	Cost   float64 `json:"cost,omitempty"`    // by the expected channel; none where that is not known
	SendBy string  `json:"send_by,omitempty"` // the last day to hand it over by that channel
	Late   bool    `json:"late,omitempty"`
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
	p := lookedPlan{Rules: c.rules}
	if p.LookUp, err = c.looked(r, d); err != nil {
		return err
	}
	p.PostedOn, p.ArrivesOn = letter.PaperDays(now, c.times())
	for after, more := 0, p.Looked > 0; more; more = after > 0 {
		page, err := d.LookUp(r.ctx, c.Table, after, lookUpPage)
		if err != nil {
			return err
		}
		for _, l := range page.Items {
			if err := c.addLooked(&p, l, now); err != nil {
				return err
			}
		}
		after = page.After
	}
	if err := r.Print(p, func(w io.Writer) { c.writeLooked(w, p) }); err != nil {
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

// addLooked reckons one line.
func (c *batchPlan) addLooked(p *lookedPlan, l wire.LookedLine, now time.Time) error {
	if l.ArriveBy == "" {
		l.ArriveBy = c.Arrive
	}
	if l.ArriveBy != "" {
		if _, err := dayOf(l.ArriveBy); err != nil {
			return err
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
	least, most := c.rules.Digital, max(paper, c.rules.Digital)
	switch lookup.Expected(l.Expected) {
	case lookup.Digital:
		line.Cost, line.SendBy, line.Late = c.rules.Digital, digitally, dated && !now.Before(b.Digital)
		most = least
	case lookup.Paper:
		line.Cost, line.SendBy, line.Late = paper, onPaper, dated && now.After(b.Paper)
		least, most = paper, paper
	case lookup.NoAddress:
		least = 0
	case lookup.Open:
		if !l.Address {
			most = least
		}
	}
	p.CostLeast, p.CostMost = p.CostLeast+least, p.CostMost+most
	if line.Late {
		p.Late++
	}
	if c.Each {
		p.Items = append(p.Items, line)
	}
	return nil
}

// writeLooked prints it for people.
func (c *batchPlan) writeLooked(w io.Writer, p lookedPlan) {
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
	if len(p.Items) == 0 {
		return
	}
	var rows [][]string
	for _, l := range p.Items {
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
		rows = append(rows, []string{fmt.Sprint(l.Line), l.Expected, cost, l.ArriveBy, l.SendBy, strings.Join(note, ", ")})
	}
	fmt.Fprintln(w)
	ctl.Table(w, []string{"LINE", "CHANNEL", "DKK", "ARRIVE BY", "SEND BY", ""}, rows)
}
