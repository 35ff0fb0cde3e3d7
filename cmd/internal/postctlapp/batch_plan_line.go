package postctlapp

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/internal/outbound/letter"
	"sikkerpost.dk/gateway/internal/post"
)

// planLine is what the plan says of one line: the channels that are open to it and
// what it costs at least and at most, the last days to send it, when it has a latest
// day of arrival, and when it would be posted if it went on paper now, when it has
// an address.
type planLine struct {
	Line        int      `json:"line"` // of the file
	Channels    string   `json:"channels"`
	CostLeast   float64  `json:"cost_least,omitempty"` // DKK
	CostMost    float64  `json:"cost_most,omitempty"`
	Arrive      post.Day `json:"arrive_by,omitempty"`
	SendDigital string   `json:"send_digital_by,omitempty"`
	SendPaper   string   `json:"send_paper_by,omitempty"`
	PostedOn    post.Day `json:"posted_on,omitempty"`
	Late        bool     `json:"late,omitempty"` // paper would come too late
}

// What a table alone says of a line's channel: the carrier is asked at the
// hand-over.
const (
	eitherChannel = "digital or paper"
	digitalAlone  = "digital" // it bears no address
)

// planning makes a plan while a table is read.
type planning struct {
	*batchPlan
	plan
	now             time.Time
	posted, arrives post.Day
	days            map[post.Day]*planDay
	budgets         map[post.Day]letter.Budget
	rows            *layout // of each line
}

// add is a judge that finds no fault: it counts a line in.
func (p *planning) add(_ *table, n int, l *wire.BatchLine, _ int) error {
	if l.Recipient.IDType == "CVR" {
		p.Companies++
	} else {
		p.People++
	}
	if len(l.Recipient.Address) == 0 {
		p.NoAddress++
	}
	if l.Registered {
		p.plan.Registered++
	}
	least, most := p.rules.cost(*l)
	p.CostLeast, p.CostMost = p.CostLeast+least, p.CostMost+most
	if day, b, ok := p.budget(l); ok {
		d := p.days[day]
		if d == nil {
			d = &planDay{Arrive: day}
			d.SendDigital, d.SendPaper = lastDays(b)
			p.days[day] = d
		}
		d.Letters++
		d.Lines = append(d.Lines, int32(n)) //nolint:gosec // a table has at most 128 MB
		d.Late = d.Late || p.now.After(b.Paper) && len(l.Recipient.Address) > 0
	}
	if p.Each {
		p.rows.see(p.line(n, l).row())
	}
	return nil
}

// budget returns the latest day of a line, and what it leaves; ok is false when it has none.
func (p *planning) budget(l *wire.BatchLine) (day post.Day, b letter.Budget, ok bool) {
	if day = post.Day(l.ArriveBy); day == "" {
		day = post.Day(p.batchPlan.Arrive)
	}
	if b, ok = p.budgets[day]; ok {
		return day, b, true
	}
	if b, ok = letter.BudgetOf(day, p.times()); ok {
		p.budgets[day] = b
	}
	return day, b, ok
}

// finish fills in what is known when all lines are.
func (p *planning) finish(t *table) error {
	p.plan.Cutoff, p.Rules, p.Letters, p.plan.Documents, p.DocumentBytes = p.rules.Cutoff, p.rules, t.Lines, t.docs.sums.n, t.docs.bytes
	if p.NoAddress < p.Letters {
		p.PostedOn, p.ArrivesOn = p.posted, p.arrives
	}
	if arrive := p.batchPlan.Arrive; arrive != "" {
		if _, err := dayOf(arrive); err != nil {
			return err
		}
		b, _ := letter.BudgetOf(post.Day(arrive), p.times())
		p.SendDigital, p.SendPaper = lastDays(b)
	}
	for _, day := range slices.Sorted(maps.Keys(p.days)) {
		p.Days = append(p.Days, *p.days[day])
		p.Late = p.Late || p.days[day].Late
	}
	return nil
}

// print prints the plan; when each line is asked for, it reads the table once more.
func (p *planning) print(r *run, t *table) error {
	if !p.Each {
		return r.Print(p.plan, func(w io.Writer) { p.write(w, p.plan) })
	}
	lines := func(put func(planLine) error) error {
		return t.each(r.ctx, func(n int, l wire.BatchLine, _ int) error { return put(p.line(n, &l)) })
	}
	return r.printLong(p.plan, "each", func(emit func(any) error) error {
		return lines(func(l planLine) error { return emit(l) })
	}, func(w io.Writer) error {
		p.write(w, p.plan)
		fmt.Fprintln(w)
		if err := p.rows.write(w, eachHeads); err != nil {
			return err
		}
		return lines(func(l planLine) error { return p.rows.write(w, l.row()) })
	})
}

// line judges one line by itself.
func (p *planning) line(n int, l *wire.BatchLine) planLine {
	out := planLine{Line: n, Channels: digitalAlone}
	out.CostLeast, out.CostMost = p.rules.cost(*l)
	paper := len(l.Recipient.Address) > 0
	if paper {
		out.Channels, out.PostedOn = eitherChannel, p.posted
	}
	day, b, ok := p.budget(l)
	if out.Arrive = day; ok {
		digital, onPaper := lastDays(b)
		out.SendDigital = digital
		if paper {
			out.SendPaper, out.Late = onPaper, p.now.After(b.Paper)
		}
	}
	return out
}

var eachHeads = []string{"LINE", "CHANNEL", "DKK", "ARRIVE BY", "SEND DIGITALLY BY", "ON PAPER BY", "POSTED IF SENT NOW", ""}

// row writes the line for people.
func (l planLine) row() []string {
	note := ""
	if l.Late {
		note = "too late on paper"
	}
	cost := ""
	if l.CostMost > 0 {
		cost = fmt.Sprintf("%.2f to %.2f", l.CostLeast, l.CostMost)
	}
	if l.CostMost > 0 && l.CostLeast == l.CostMost {
		cost = fmt.Sprintf("%.2f", l.CostMost)
	}
	return []string{strconv.Itoa(l.Line), l.Channels, cost, string(l.Arrive), l.SendDigital, l.SendPaper, string(l.PostedOn), note}
}
