package postctlapp

import (
	"fmt"
	"io"
	"time"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/adapters/deskapi/wire"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

type mailParked struct {
	Limit int `default:"100" help:"At most so many; 0 is all."`
}

// Run lists the messages that wait for a person: nothing of their content.
func (c *mailParked) Run(r *run) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	all := wire.ParkedMails{}
	all.Items, all.Next, err = pages(c.Limit, 1000, func(after string, limit int) ([]wire.ParkedMail, string, error) {
		page, err := d.ParkedMail(r.ctx, after, limit)
		return page.Items, page.Next, err
	})
	if err != nil {
		return err
	}
	return r.Print(all, func(w io.Writer) {
		if len(all.Items) == 0 {
			fmt.Fprintln(w, "no parked mail")
			return
		}
		var rows [][]string
		for _, p := range all.Items {
			rows = append(rows, []string{p.ID, p.Tenant, ctl.When(p.Since), age(time.Since(p.Since)), p.Code})
		}
		ctl.Table(w, []string{"ID", "MUNICIPALITY", "SINCE", "FOR", "REASON"}, rows)
		if all.Next != "" {
			r.Say("there are more: give -limit")
		}
		r.Say("what each reason asks for: docs/carriers.md; then postctl mail retry %s", all.Items[0].ID)
	})
}

type mailRetry struct {
	ID string `arg:"" help:"Id of the message."`
}

// Run lets a message be read again.
func (c *mailRetry) Run(r *run) error {
	return r.mail("is read again; if it is not parked once more, it is in its inbox",
		func(d *client.Client) (wire.ParkedMail, error) { return d.RetryMail(r.ctx, c.ID) })
}

type mailFile struct {
	ID    string `arg:"" help:"Id of the message."`
	Inbox string `required:"" help:"The inbox of the municipality whose system got the message; no other is taken."`
}

// Run files a message to an unknown contact point.
func (c *mailFile) Run(r *run) error {
	return r.mail("goes to inbox "+ctl.Line(c.Inbox)+", once it has passed all other checks",
		func(d *client.Client) (wire.ParkedMail, error) { return d.FileMail(r.ctx, c.ID, c.Inbox) })
}

func (r *run) mail(what string, do func(*client.Client) (wire.ParkedMail, error)) error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	defer d.Close()
	got, err := do(d)
	if err != nil {
		return err
	}
	return r.Print(got, func(w io.Writer) {
		fmt.Fprintf(w, "message %s (%s) %s\n", ctl.Line(got.ID), ctl.Line(got.Code), what)
	})
}
