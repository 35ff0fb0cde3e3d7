package postctlapp

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/calendar"
)

type batchPlan struct {
	Table       string  `arg:"" help:"CSV file (key, id, name, address lines, title, document) or .jsonl."`
	Documents   string  `required:"" placeholder:"DIR" help:"Directory of the PDFs."`
	CostDigital float64 `env:"SIKKERPOST_COST_DIGITAL" placeholder:"DKK" help:"What one letter in Digital Post costs."`
	CostPaper   float64 `env:"SIKKERPOST_COST_PAPER" placeholder:"DKK" help:"What one letter on paper costs."`
	Arrive      string  `placeholder:"YYYY-MM-DD" help:"The day by which every letter must have arrived."`
	PaperDays   int     `default:"5" env:"SIKKERPOST_PAPER_DAYS" help:"Working days from hand-over to arrival on paper, printing included."`
	Now         string  `hidden:"" help:"The day to plan from; today."`
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
	CostLeast     float64 `json:"cost_least,omitempty"`
	CostMost      float64 `json:"cost_most,omitempty"`
	SendDigital   string  `json:"send_digital_by,omitempty"`
	SendPaper     string  `json:"send_paper_by,omitempty"`
	Late          bool    `json:"late,omitempty"` // paper would come too late
}

// Run prints the plan; it sends nothing and asks nobody.
func (c *batchPlan) Run(r *run) error {
	t, err := read(c.Table, c.Documents)
	if err != nil {
		return err
	}
	if len(t.Faults) > 0 {
		return r.verdict(t, ctl.NeedsPerson)
	}
	p, err := c.plan(t)
	if err != nil {
		return err
	}
	err = r.Print(p, func(w io.Writer) {
		fmt.Fprintf(w, "letters       %d (%d to people, %d to companies)\n", p.Letters, p.People, p.Companies)
		fmt.Fprintf(w, "documents     %d, %.1f MB\n", p.Documents, float64(p.DocumentBytes)/1e6)
		fmt.Fprintf(w, "channel       known at the hand-over; %d letters could not go on paper: no address\n", p.NoAddress)
		if c.CostDigital > 0 || c.CostPaper > 0 {
			fmt.Fprintf(w, "cost          DKK %.2f if all are digital, DKK %.2f if all that can go on paper\n", p.CostLeast, p.CostMost)
		}
		if c.Arrive != "" {
			fmt.Fprintf(w, "send by       %s digitally, %s on paper, to arrive by %s\n", p.SendDigital, p.SendPaper, c.Arrive)
		}
	})
	if err == nil && p.Late {
		return &ctl.Hint{Err: errors.New("letters on paper would arrive too late"), Hint: "choose a later day, or send what is urgent first", Exit: ctl.NeedsPerson}
	}
	return err
}

func (c *batchPlan) plan(t *table) (plan, error) {
	p := plan{Letters: len(t.Lines), Documents: len(t.Files), DocumentBytes: t.Bytes}
	for _, l := range t.Lines {
		if l.Recipient.IDType == "CVR" {
			p.Companies++
		} else {
			p.People++
		}
		if len(l.Recipient.Address) == 0 {
			p.NoAddress++
		}
	}
	p.CostLeast = float64(p.Letters) * c.CostDigital
	p.CostMost = float64(p.NoAddress)*c.CostDigital + float64(p.Letters-p.NoAddress)*max(c.CostPaper, c.CostDigital)
	if c.Arrive == "" {
		return p, nil
	}
	day, err := dayOf(c.Arrive)
	if err != nil {
		return p, err
	}
	today := time.Now()
	if c.Now != "" {
		if today, err = dayOf(c.Now); err != nil {
			return p, err
		}
	}
	paper := calendar.Before(day, c.PaperDays)
	p.SendDigital, p.SendPaper = calendar.Before(day, 0).Format(time.DateOnly), paper.Format(time.DateOnly)
	p.Late = p.SendPaper < today.In(calendar.Zone()).Format(time.DateOnly) && p.NoAddress < p.Letters
	return p, nil
}

func dayOf(s string) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, s, calendar.Zone())
	if err != nil {
		return t, &ctl.Hint{Err: fmt.Errorf("%q is not a day", s), Hint: "write it as 2026-12-18", Exit: ctl.Misused}
	}
	return t, nil
}
