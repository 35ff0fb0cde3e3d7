package postctlapp

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

type receiptsParked struct {
	Code   string `placeholder:"CODE" help:"Those that are parked for one reason."`
	Tenant string `placeholder:"ID" help:"Those of one municipality."`
	Limit  int    `default:"100" help:"At most so many; 0 is all."`
}

// mostReceipts is the most of one page.
const mostReceipts = 500

// Run lists the receipts that wait for a person: nothing of their content.
func (c *receiptsParked) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	all := wire.ParkedReceipts{}
	all.Items, all.Next, err = pages(c.Limit, mostReceipts, func(after string, limit int) ([]wire.ParkedReceipt, string, error) {
		page, err := d.ParkedReceipts(r.ctx, client.ParkedChoice{Code: c.Code, Tenant: c.Tenant, After: after, Limit: limit})
		return page.Items, page.Next, err
	})
	if err != nil {
		return err
	}
	return r.Print(all, func(w io.Writer) {
		if len(all.Items) == 0 {
			fmt.Fprintln(w, "no parked receipts")
			return
		}
		var rows [][]string
		for _, p := range all.Items {
			rows = append(rows, []string{p.ID, p.Tenant, p.Said, ctl.When(p.Since), age(time.Since(p.Since)), p.Code})
		}
		ctl.Table(w, []string{"ID", "MUNICIPALITY", "SAYS", "SINCE", "FOR", "CODE"}, rows)
		if all.Next != "" {
			r.Say("there are more: give -limit")
		}
		r.Say("what each code asks for: docs/letter.md; then postctl receipts show %s", ctl.Line(all.Items[0].ID))
	})
}

type receiptsShow struct {
	ID string `arg:"" help:"Id of the receipt, as the list has it."`
}

// verdicts say how a receipt stands.
var verdicts = map[string]string{
	"parked": "waits for a person", "waiting": "is being judged", "again": "is being read again, then judged",
	"closed": "closed by a person", "applied": "moved its letter", "noted": "said nothing new",
}

// advice says what each code asks for.
var advice = map[string]string{
	"unreadable":                    "see what the carrier sent, mend what was wrong, then retry: it is read again",
	"unknown-hand-over":             "it names no letter of this house: ask the carrier; close it as not-ours, or retry when the database was restored",
	"wrong-carrier":                 "a carrier speaks of a letter that it was never given: ask it; a carrier-error is closed",
	"wrong-channel":                 "paper is said of a digital hand-over, or the reverse: ask the carrier",
	"other-tenant":                  "it came to one municipality's system and speaks of another's letter: tell the carrier; it never moves that letter",
	"unsettled":                     "it could not be settled for a fault of ours: see the dispatcher's log, then retry",
	"delivered-on-former-hand-over": "the recipient may have the letter twice: tell the municipality, then close it as resolved",
}

// Run shows what is known of one receipt.
func (c *receiptsShow) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	p, err := d.Receipt(r.ctx, c.ID)
	if err != nil {
		return err
	}
	return r.Print(p, func(w io.Writer) {
		kept := fmt.Sprintf("%d bytes, sealed", p.Size)
		if p.Size == 0 {
			kept = "purged"
		}
		for _, f := range [][2]string{
			{"receipt", p.ID}, {"carrier", p.Carrier}, {"municipality", p.Tenant}, {"stands", says(verdicts, p.Verdict, p.Verdict)}, {"code", p.Code},
			{"says", p.Said}, {"reason", p.Reason}, {"of", ctl.When(p.At) + " by the carrier's clock"}, {"came", ctl.When(p.Since)},
			{"letter", p.Letter}, {"state", p.State}, {"hand-over", p.MessageID}, {"own form", kept},
		} {
			if f[1] != "" {
				fmt.Fprintf(w, "%-13s %s\n", f[0], ctl.Line(f[1]))
			}
		}
		if p.Verdict != "parked" {
			return
		}
		r.Say("what to do: %s", says(advice, p.Code, "it contradicts what is known of the letter: ask the carrier which is true, decide about the letter, then close it"))
		if p.Letter != "" {
			r.Say("next: postctl letter explain %s", ctl.Line(p.Letter))
		}
	})
}

func says(words map[string]string, key, otherwise string) string {
	if s, ok := words[key]; ok {
		return s
	}
	return otherwise
}

type receiptsRetry struct {
	ID    string `arg:"" optional:"" help:"Id of the receipt."`
	AllOf string `placeholder:"CODE" help:"Every parked one with this code."`
}

// Run lets one receipt, or all with one code, be judged again.
func (c *receiptsRetry) Run(r *run) error {
	if (c.ID == "") == (c.AllOf == "") {
		return &ctl.Hint{Err: errors.New("what is to be tried again is not clear"), Exit: ctl.Misused, Hint: "give the id of one receipt, or -all-of CODE"}
	}
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	if c.AllOf != "" {
		return c.all(r, d)
	}
	got, err := d.RetryReceipt(r.ctx, c.ID)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) {
		fmt.Fprintf(w, "receipt %s %s\n", ctl.Line(got.ID), says(verdicts, got.Verdict, ctl.Line(got.Verdict)))
		r.Say("next: postctl receipts show %s", ctl.Line(got.ID))
	})
}

func (c *receiptsRetry) all(r *run, d *client.Client) error {
	var sum wire.RetriedReceipts
	for {
		got, err := d.RetryReceipts(r.ctx, c.AllOf, sum.Next)
		if err != nil {
			if sum.Tried > 0 {
				r.Say("%s tried again before this; the same command goes on", ctl.Count(sum.Tried, "receipt"))
			}
			return err
		}
		sum.Tried, sum.LeftOut, sum.Next = sum.Tried+got.Tried, sum.LeftOut+got.LeftOut, got.Next
		if got.Next == "" {
			break
		}
	}
	if err := r.Print(sum, func(w io.Writer) {
		fmt.Fprintf(w, "%s tried again; those that are no better are parked once more\n", ctl.Count(sum.Tried, "receipt"))
		r.Say("next: postctl receipts parked")
	}); err != nil {
		return err
	}
	if sum.LeftOut > 0 {
		return &ctl.Hint{Err: fmt.Errorf("%s left out: there is nothing left to read", ctl.Count(sum.LeftOut, "receipt")), Exit: ctl.NeedsPerson,
			Hint: "ask the carrier how their letters stand, then postctl receipts close"}
	}
	return nil
}

type receiptsClose struct {
	ID     string `arg:"" help:"Id of the receipt."`
	Reason string `required:"" placeholder:"WORD" enum:"resolved,not-ours,carrier-error,duplicate,meaningless" help:"resolved (what it says was dealt with), not-ours, carrier-error (sent by mistake), duplicate (another says the same) or meaningless."`
}

// Run says that a receipt needs nobody any more.
func (c *receiptsClose) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := d.CloseReceipt(r.ctx, c.ID, c.Reason)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) {
		fmt.Fprintf(w, "receipt %s (%s) closed; it stays stored, and the ledger says who closed it\n", ctl.Line(got.ID), ctl.Line(got.Code))
	})
}

type mailClose struct {
	ID     string `arg:"" help:"Id of the message."`
	Reason string `required:"" placeholder:"WORD" enum:"answered,sent-again,harmful,not-ours,duplicate" help:"answered (its sender was written to), sent-again (another was taken), harmful, not-ours or duplicate."`
}

// Run says that a message needs nobody any more.
func (c *mailClose) Run(r *run) error {
	return r.mail("closed; it stays sealed until its time is over, and the ledger says who closed it",
		func(d *client.Client) (wire.ParkedMail, error) { return d.CloseMail(r.ctx, c.ID, c.Reason) })
}
