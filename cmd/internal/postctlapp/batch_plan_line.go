package postctlapp

import (
	"fmt"
	"io"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
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

// each judges every line by itself.
func (c *batchPlan) each(t *table, now time.Time) []planLine {
	posted, _ := letter.PaperDays(now, c.times())
	all := make([]planLine, 0, len(t.Lines))
	for i, l := range t.Lines {
		p := planLine{Line: t.At[i], Channels: digitalAlone, Arrive: post.Day(l.ArriveBy)}
		p.CostLeast, p.CostMost = c.rules.cost(l)
		if p.Arrive == "" {
			p.Arrive = post.Day(c.Arrive)
		}
		paper := len(l.Recipient.Address) > 0
		if paper {
			p.Channels, p.PostedOn = eitherChannel, posted
		}
		if b, ok := letter.BudgetOf(p.Arrive, c.times()); ok {
			digital, onPaper := lastDays(b)
			p.SendDigital = digital
			if paper {
				p.SendPaper, p.Late = onPaper, now.After(b.Paper)
			}
		}
		all = append(all, p)
	}
	return all
}

// eachLine writes the lines as a table; nothing when there are none.
func eachLine(w io.Writer, lines []planLine) {
	if len(lines) == 0 {
		return
	}
	rows := make([][]string, 0, len(lines))
	for _, l := range lines {
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
		rows = append(rows, []string{fmt.Sprint(l.Line), l.Channels, cost, string(l.Arrive), l.SendDigital, l.SendPaper, string(l.PostedOn), note})
	}
	fmt.Fprintln(w)
	ctl.Table(w, []string{"LINE", "CHANNEL", "DKK", "ARRIVE BY", "SEND DIGITALLY BY", "ON PAPER BY", "POSTED IF SENT NOW", ""}, rows)
}
