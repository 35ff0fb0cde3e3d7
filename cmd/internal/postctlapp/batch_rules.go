package postctlapp

import (
	"errors"
	"fmt"
	"strings"

	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
	"sikkerpost.dk/gateway/internal/calendar"
	"sikkerpost.dk/gateway/internal/post"
)

// Where the rules of a plan come from.
const (
	fromDesk  = "desk"
	fromUsual = "usual" // desk was not asked
)

// rules are what a plan reckons by, and where they come from.
type rules struct {
	From string `json:"from"`
	wire.Times
	// Given are the flags that took the place of what From says.
	Given []string `json:"given,omitempty"`
}

// String says for people where the rules come from.
func (r rules) String() string {
	s := "as usual; desk was not asked"
	if r.From == fromDesk {
		s = fmt.Sprintf("of %s, on paper by %s, as desk says", r.Tenant, r.Carrier)
	}
	if len(r.Given) > 0 {
		s += "; given here: " + strings.Join(r.Given, ", ")
	}
	return s
}

// cost returns what a line costs at least and at most, in DKK. Who takes which
// channel is known at the hand-over only.
func (r rules) cost(l wire.BatchLine) (least, most float64) {
	if len(l.Recipient.Address) == 0 {
		return r.Digital, r.Digital
	}
	paper := r.Paper
	if l.Registered && r.ByRegistered > 0 {
		paper = r.ByRegistered
	}
	return r.Digital, max(paper, r.Digital)
}

// reckon finds the rules: desk's where an address of desk is given, else the
// usual ones; each flag takes the place of one. Desk that does not answer is no
// reason to guess.
func (c *batchPlan) reckon(r *run) error {
	usual := post.LetterTimes{}
	if c.PaperDays != nil {
		usual.Paper = *c.PaperDays // fewer days of paper leave the print house fewer
	}
	f := usual.Filled()
	c.rules = rules{From: fromUsual, Times: wire.Times{Cutoff: f.Cutoff, ProduceDays: f.Produce, PaperDays: f.Paper, DigitalDays: f.Digital, PersonDays: f.Person}}
	if !c.Offline && r.desk != (desk{}) {
		d, err := r.dial()
		if err != nil {
			return err
		}
		defer d.Close()
		times, err := d.Times(r.ctx)
		if err != nil {
			r.Say("to plan without desk: -offline, and flags for what is not as usual")
			return err
		}
		c.rules.From, c.rules.Times = fromDesk, times
	}
	c.give()
	return c.check()
}

// give puts the flags in their place.
func (c *batchPlan) give() {
	given := func(is bool, flag string) {
		if is {
			c.rules.Given = append(c.rules.Given, flag)
		}
	}
	for _, n := range []struct {
		flag string
		from *int
		to   *int
	}{{"-paper-days", c.PaperDays, &c.rules.PaperDays}, {"-digital-days", c.DigitalDays, &c.rules.DigitalDays}, {"-produce-days", c.ProduceDays, &c.rules.ProduceDays}} {
		if n.from != nil {
			*n.to = *n.from
		}
		given(n.from != nil, n.flag)
	}
	if c.Cutoff != nil {
		c.rules.Cutoff = *c.Cutoff
	}
	given(c.Cutoff != nil, "-cutoff")
	for _, n := range []struct {
		flag string
		from *float64
		to   *float64
	}{{"-cost-digital", c.CostDigital, &c.rules.Digital}, {"-cost-paper", c.CostPaper, &c.rules.Paper}, {"-cost-registered", c.CostRegistered, &c.rules.ByRegistered}} {
		if n.from != nil {
			*n.to = *n.from
		}
		given(n.from != nil, n.flag)
	}
}

// check refuses rules about paper that contradict themselves.
func (c *batchPlan) check() error {
	if _, ok := calendar.ParseClock(c.rules.Cutoff); !ok {
		return &ctl.Hint{Err: fmt.Errorf("%q is not a time of day", c.rules.Cutoff), Hint: "write the cut-off as 12:00, in Danish time", Exit: ctl.Misused}
	}
	if r := c.rules; r.DigitalDays < 0 || r.PaperDays < 1 || r.ProduceDays < 1 || r.ProduceDays > r.PaperDays {
		return &ctl.Hint{Err: fmt.Errorf("%d days until the post, %d until arrival", r.ProduceDays, r.PaperDays), Hint: "give at least one day of each, and no more -produce-days than -paper-days: they are part of them", Exit: ctl.Misused}
	}
	if r := c.rules; !(r.Digital >= 0 && r.Paper >= 0 && r.ByRegistered >= 0) {
		return &ctl.Hint{Err: errors.New("a letter costs less than nothing"), Hint: "give costs in DKK, such as 14.50", Exit: ctl.Misused}
	}
	return nil
}

// times are the rules about days.
func (c *batchPlan) times() post.LetterTimes {
	return post.LetterTimes{Digital: c.rules.DigitalDays, Paper: c.rules.PaperDays, Produce: c.rules.ProduceDays, Cutoff: c.rules.Cutoff}
}

// unoffered names the lines that ask for registered post.
func (t *table) unoffered() {
	kind := t.Faults.kind(post.FaultRegistered)
	for _, n := range t.registered {
		t.Faults.note(int(n), kind, 0)
	}
}
